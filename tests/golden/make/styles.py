"""tests/golden/stylegan2/styles_*: small generators of StyleGAN2, one for each way to condition them, rows of noise, instances, and the
pictures that PyTorch makes of each instance with each noise, as concatenated PPM: of class 2, and of the last also truncated.  The last
is part of a checkpoint that says its clamp.  Numbers are a formula of name and place.  Usage: styles.py OUT.  Needs torch."""
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

import formula
from safetensors import save

sys.path.insert(0, os.path.dirname(__file__) + "/../../bench/peer")
import stylegan2

Z, W, CLASSES, FEATURES, PSI, CLAMP = 6, 5, 3, 7, 0.6, 1.25
CHANNELS = {4: 4, 8: 4, 16: 2}
out = sys.argv[1] + "/styles_"


def numbers(name, *shape):
    return (2 * formula.fractions(name, int(np.prod(shape))) - 1).astype("float32").reshape(shape)


def value(name, x):
    leaf = name.split(".")[-1]
    s = torch.from_numpy(numbers(name, *x.shape))
    if leaf == "resample_filter":
        return x
    if leaf == "noise_strength":
        return 0.3 + 0.1 * s
    if name.endswith("affine.bias"):
        return 1 + 0.1 * s
    if ".fc" in name:
        return (10 if leaf == "bias" else 170) * s
    return s * (0.3 if leaf in ("bias", "w_avg") else 0.4 if "torgb.weight" in name else 1.7)


def ppm(x):
    rgb = (127.5 * x + 128).floor().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()
    return b"".join(b"P6\n%d %d\n255\n" % p.shape[1::-1] + p.tobytes() for p in rgb)


z, f = numbers("noise", 2, Z), numbers("instances", 2, FEATURES)
np.save(out + "noise.npy", z)
np.save(out + "instances.npy", f)
z, f = torch.from_numpy(z), F.normalize(torch.from_numpy(f))
for name, classes, features in ("none", 0, 0), ("class", CLASSES, 0), ("instance", 0, FEATURES), ("both", CLASSES, FEATURES):
    clamp = CLAMP if name == "both" else 256.0
    net = stylegan2.Generator(CHANNELS, Z, W, 2, classes, features, clamp)
    net.load_state_dict({k: value(k, x) for k, x in net.state_dict().items()})
    y = torch.tensor([2, 2]) if classes else None
    prefix, meta = ("G_ema.", {"clamp_g": str(CLAMP)}) if name == "both" else ("", None)
    save(f"{out}{name}.safetensors", [(prefix + k, x.numpy()) for k, x in net.state_dict().items()], meta)
    for psi in (1, PSI) if name == "both" else (1,):
        with torch.inference_mode():
            x = torch.cat([net(z, y, row.expand(2, -1), psi) for row in f] if features else [net(z, y, psi=psi)])
        with open(f"{out}{name}{'' if psi == 1 else psi}.ppm", "wb") as to:
            to.write(ppm(x))
