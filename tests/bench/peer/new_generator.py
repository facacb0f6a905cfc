"""A generator of published size with random weights, as PyTorch saves it, rows of noise and a row of
features for it.  CH is the width of a BigGAN, or "style" for a StyleGAN2.
Usage: new_generator.py RESOLUTION CH ROWS FOLDER: writes G_ema.pth, z.npy and f.npy there."""
import sys

import numpy as np
import torch

import stylegan2

FEATURES = 2048
random = torch.Generator().manual_seed(0)


def biggan(resolution, ch):
    """Its state dict, and the width of its noise."""
    out = {64: (16, 8, 4, 2), 128: (16, 8, 4, 2, 1), 256: (16, 8, 8, 4, 2, 1)}[resolution]
    attention = {64: 2, 128: 3, 256: 3}[resolution]
    chunk, shared, mapped = 120 // (len(out) + 1), 128, 512
    width = chunk + mapped
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
    spectral("shared_feat", mapped, FEATURES)
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
    return state, chunk * (len(out) + 1)


def style(resolution):
    channels = {4 << i: min(16384 // (4 << i), 512) for i in range(resolution.bit_length() - 2)}
    torch.manual_seed(0)
    state = stylegan2.Generator(channels, 512, 512, 2, features=FEATURES).state_dict()
    for name, x in state.items():
        if name.endswith("noise_strength"):
            x.fill_(0.1)
        if name.endswith("torgb.weight"):
            x.mul_(0.2)
    return state, 512


side, ch, rows, folder = sys.argv[1:]
state, width = style(int(side)) if ch == "style" else biggan(int(side), int(ch))
torch.save(state, f"{folder}/G_ema.pth")
np.save(f"{folder}/z.npy", torch.randn(int(rows), width, generator=random).numpy())
np.save(f"{folder}/f.npy", torch.randn(1, FEATURES, generator=random).numpy())
