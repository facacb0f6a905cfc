"""Numbers that are a formula of a name and a place, as tests/formula.h has them."""
import numpy as np


def fractions(name, n):
    """u(name, i): the top 24 bits of splitmix64 at state fnv1a64(name) + (i + 1) * golden ratio, as a fraction."""
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = (h ^ b) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2**24


def weights(key, shape, gain=2):
    """float32 weights of a network, near what it begins its training with: the last part of the key tells their kind; gain is that of the
    convolutions."""
    x, leaf = fractions(key, int(np.prod(shape))), key.split(".")[-1]
    s = 2 * x - 1
    if leaf == "running_var":
        x = 0.5 + x
    elif leaf in ("running_mean", "bias"):
        x = 0.1 * s
    elif len(shape) == 1:
        x = 1 + 0.1 * s
    else:
        fan = shape[2] if len(shape) == 3 else np.prod(shape[1:])
        x = s * np.sqrt(3 * (gain if len(shape) == 4 else 1) / fan)
    return x.astype(np.float32).reshape(shape)
