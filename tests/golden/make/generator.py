"""tests/golden/generator.* and discriminator.*: small class-conditional BigGAN networks of 32 pixels (ch 1): the generator in each
container: torch.save as today with the names of DataParallel inside a checkpoint, torch.save of before 2020, and safetensors; the
discriminator as it is published, and as safetensors.  Numbers are a formula of name and place.  Usage: generator.py OUT.  Needs torch."""
import sys

import numpy as np
import torch

import formula
from safetensors import save

CH, CHUNK, CLASSES, SHARED = 4, 2, 3, 4     # channels of each stage; slices of z; classes and width of their embedding


def spectral(name, rows, *rest, bias=True):
    """A layer under spectral norm: weight, bias, and the state of its power iteration."""
    shapes = {"weight": (rows, *rest), "u0": (1, rows), "sv0": (1,)}
    if bias:
        shapes["bias"] = (rows,)
    return {f"{name}.{k}": s for k, s in shapes.items()}


shapes = {"shared.weight": (CLASSES, SHARED), **spectral("linear", 16 * CH, CHUNK)}
for i in range(3):
    for norm in ("bn1", "bn2"):
        shapes |= {f"blocks.{i}.0.{norm}.stored_mean": (CH,), f"blocks.{i}.0.{norm}.stored_var": (CH,)}
        for part in ("gain", "bias"):
            shapes |= spectral(f"blocks.{i}.0.{norm}.{part}", CH, SHARED + CHUNK, bias=False)
    for conv, side in (("conv1", 3), ("conv2", 3), ("conv_sc", 1)):
        shapes |= spectral(f"blocks.{i}.0.{conv}", CH, CH, side, side)
shapes |= {f"output_layer.0.{k}": (CH,) for k in ("gain", "bias", "stored_mean", "stored_var")}
shapes |= spectral("output_layer.2", 3, CH, 3, 3)


def filled(shapes):
    state = {k: (2 * formula.fractions(k, int(np.prod(s))) - 1).astype("float32").reshape(s) for k, s in shapes.items()}
    for k in state:
        if k.endswith(("_var", "sv0")):
            state[k] = np.abs(state[k]) + 0.5
    return state, {k: torch.from_numpy(v.copy()) for k, v in state.items()}


state, torches = filled(shapes)
torch.save({"state_dict": {f"module.{k}": v for k, v in torches.items()}, "epoch": 3}, f"{sys.argv[1]}/generator.pth")
torch.save(torches, f"{sys.argv[1]}/generator-legacy.pth", _use_new_zipfile_serialization=False)
save(f"{sys.argv[1]}/generator.safetensors", list(state.items()))

shapes = {}
for i in range(4):
    block, width = f"blocks.{i}.0", CH if i else 3
    shapes |= {**spectral(f"{block}.conv1", CH, width, 3, 3), **spectral(f"{block}.conv2", CH, CH, 3, 3)}
    if i < 2:
        shapes |= spectral(f"{block}.conv_sc", CH, width, 1, 1)
shapes |= {**spectral("linear", 1, CH), **spectral("embed", CLASSES, CH, bias=False)}
state, torches = filled(shapes)
torch.save({f"module.{k}": v for k, v in torches.items()}, f"{sys.argv[1]}/discriminator.pth")
save(f"{sys.argv[1]}/discriminator.safetensors", list(state.items()))
