"""A generator of published size with random weights, as PyTorch saves it, and a row of noise and a
row of features for it.
Usage: new_generator.py RESOLUTION CH FOLDER: writes G_ema.pth, z.npy and f.npy there."""
import sys

import numpy as np
import torch

resolution, ch = int(sys.argv[1]), int(sys.argv[2])
out = {64: (16, 8, 4, 2), 128: (16, 8, 4, 2, 1), 256: (16, 8, 8, 4, 2, 1)}[resolution]
attention = {64: 2, 128: 3, 256: 3}[resolution]
chunk, features, shared, mapped = 120 // (len(out) + 1), 2048, 128, 512
width = chunk + mapped
random = torch.Generator().manual_seed(0)
state = {}


def spectral(name, *shape, bias=True):
    fan = np.prod(shape[1:])
    state[f"{name}.weight"] = torch.randn(shape, generator=random) / fan**0.5
    if bias:
        state[f"{name}.bias"] = 0.1 * torch.randn(shape[0], generator=random)
    state[f"{name}.u0"] = torch.randn(1, shape[0], generator=random)
    state[f"{name}.sv0"] = torch.ones(1)


def norm(name, channels):
    state[f"{name}.stored_mean"] = 0.1 * torch.randn(channels, generator=random)
    state[f"{name}.stored_var"] = 0.5 + torch.rand(channels, generator=random)


state["shared.weight"] = torch.randn(1000, shared, generator=random)
spectral("shared_feat", mapped, features)
spectral("linear", 16 * 16 * ch, chunk)
into = 16 * ch
for i, c in enumerate(c * ch for c in out):
    spectral(f"blocks.{i}.0.conv1", c, into, 3, 3)
    spectral(f"blocks.{i}.0.conv2", c, c, 3, 3)
    spectral(f"blocks.{i}.0.conv_sc", c, into, 1, 1)
    for bn, channels in {"bn1": into, "bn2": c}.items():
        norm(f"blocks.{i}.0.{bn}", channels)
        for part in ("gain", "bias"):
            spectral(f"blocks.{i}.0.{bn}.{part}", channels, width, bias=False)
    if i == attention:
        state[f"blocks.{i}.1.gamma"] = torch.tensor(0.5)
        spectral(f"blocks.{i}.1.theta", c // 8, c, 1, 1, bias=False)
        spectral(f"blocks.{i}.1.phi", c // 8, c, 1, 1, bias=False)
        spectral(f"blocks.{i}.1.g", c // 2, c, 1, 1, bias=False)
        spectral(f"blocks.{i}.1.o", c, c // 2, 1, 1, bias=False)
    into = c
state["output_layer.0.gain"] = 1 + 0.1 * torch.randn(into, generator=random)
state["output_layer.0.bias"] = 0.1 * torch.randn(into, generator=random)
norm("output_layer.0", into)
spectral("output_layer.2", 3, into, 3, 3)

torch.save(state, f"{sys.argv[3]}/G_ema.pth")
np.save(f"{sys.argv[3]}/z.npy", torch.randn(1, chunk * (len(out) + 1), generator=random).numpy())
np.save(f"{sys.argv[3]}/f.npy", torch.randn(1, features, generator=random).numpy())
