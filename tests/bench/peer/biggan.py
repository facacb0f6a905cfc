"""The networks of IC-GAN's BigGAN backbone in PyTorch, with the published names of modules and
tensors, so that state dicts go back and forth with strict keys.  Built from the tensors of a
safetensors file, whose shapes say everything."""
import json
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def read(path):
    """Name -> float32 tensor of a safetensors file."""
    raw = np.fromfile(path, np.uint8)
    (n,) = struct.unpack("<Q", raw[:8].tobytes())
    head, data = json.loads(raw[8:8 + n].tobytes()), raw[8 + n:]
    head.pop("__metadata__", None)
    flat = {k: data[slice(*t["data_offsets"])].view(np.float32) for k, t in head.items()}
    return {k: torch.from_numpy(x).reshape(head[k]["shape"]) for k, x in flat.items()}


class Spectral(nn.Module):
    """A weight divided by the norm that one power step from u0 finds."""

    def __init__(self, *shape, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        if bias:
            self.bias = nn.Parameter(torch.empty(shape[0]))
        else:
            self.bias = None
        self.register_buffer("u0", torch.empty(1, shape[0]))
        self.register_buffer("sv0", torch.empty(1))

    def normed(self):
        m = self.weight.flatten(1)
        v = F.normalize(self.u0 @ m, eps=1e-6)
        u = F.normalize(v @ m.t(), eps=1e-6)
        return self.weight / (v @ m.t() @ u.t()).squeeze()

    def forward(self, x):
        w = self.normed()
        if w.dim() == 4:
            return F.conv2d(x, w, self.bias, padding=w.shape[2] // 2)
        return F.linear(x, w, self.bias)


class Norm(nn.Module):
    def __init__(self, channels, width):
        super().__init__()
        self.register_buffer("stored_mean", torch.empty(channels))
        self.register_buffer("stored_var", torch.empty(channels))
        self.gain = Spectral(channels, width, bias=False)
        self.bias = Spectral(channels, width, bias=False)

    def forward(self, x, y):
        x = F.batch_norm(x, self.stored_mean, self.stored_var, eps=1e-5)
        return x * (1 + self.gain(y))[:, :, None, None] + self.bias(y)[:, :, None, None]


class LastNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.gain = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.register_buffer("stored_mean", torch.empty(channels))
        self.register_buffer("stored_var", torch.empty(channels))

    def forward(self, x):
        return F.batch_norm(x, self.stored_mean, self.stored_var, self.gain, self.bias, eps=1e-5)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(()))
        self.theta = Spectral(c // 8, c, 1, 1, bias=False)
        self.phi = Spectral(c // 8, c, 1, 1, bias=False)
        self.g = Spectral(c // 2, c, 1, 1, bias=False)
        self.o = Spectral(c, c // 2, 1, 1, bias=False)

    def forward(self, x):
        n, c, h, w = x.shape
        theta, phi = self.theta(x).flatten(2), F.max_pool2d(self.phi(x), 2).flatten(2)
        g = F.max_pool2d(self.g(x), 2).flatten(2)
        beta = torch.softmax(theta.transpose(1, 2) @ phi, -1)
        return self.gamma * self.o((g @ beta.transpose(1, 2)).view(n, c // 2, h, w)) + x


class Up(nn.Module):
    def __init__(self, out, into, width):
        super().__init__()
        self.conv1, self.conv2 = Spectral(out, into, 3, 3), Spectral(out, out, 3, 3)
        self.conv_sc = Spectral(out, into, 1, 1)
        self.bn1, self.bn2 = Norm(into, width), Norm(out, width)

    def forward(self, x, y):
        h = self.conv1(F.interpolate(torch.relu(self.bn1(x, y)), scale_factor=2))
        shortcut = self.conv_sc(F.interpolate(x, scale_factor=2))
        return self.conv2(torch.relu(self.bn2(h, y))) + shortcut


class Down(nn.Module):
    def __init__(self, out, into, shortcut):
        super().__init__()
        self.conv1, self.conv2 = Spectral(out, into, 3, 3), Spectral(out, out, 3, 3)
        if shortcut:
            self.conv_sc = Spectral(out, into, 1, 1)


def convolutions(state):
    """[out, in] of the first convolution of each block."""
    n = sum(k.endswith(".0.conv1.weight") for k in state)
    return [state[f"blocks.{i}.0.conv1.weight"].shape[:2] for i in range(n)]


def blocks(state, make):
    made = []
    for i, (out, into) in enumerate(convolutions(state)):
        attention = [Attention(out)] if f"blocks.{i}.1.gamma" in state else []
        made.append([make(i, out, into), *attention])
    return nn.ModuleList(nn.ModuleList(b) for b in made)


class Generator(nn.Module):
    def __init__(self, state):
        super().__init__()
        self.chunk = state["linear.weight"].shape[1]
        width = state["blocks.0.0.bn1.gain.weight"].shape[1]
        self.shared = nn.Embedding(*state["shared.weight"].shape)
        if "shared_feat.weight" in state:
            self.shared_feat = Spectral(*state["shared_feat.weight"].shape)
        self.linear = Spectral(*state["linear.weight"].shape)
        self.blocks = blocks(state, lambda i, out, into: Up(out, into, width))
        last = state["output_layer.2.weight"].shape
        self.output_layer = nn.Sequential(LastNorm(last[1]), nn.ReLU(), Spectral(*last))

    def forward(self, z, y=None, f=None):
        parts = [] if y is None else [self.shared(y)]
        parts += [] if f is None else [self.shared_feat(f)]
        z = z.split(self.chunk, 1)
        h = self.linear(z[0]).view(len(z[0]), -1, 4, 4)
        for i, block in enumerate(self.blocks):
            h = block[0](h, torch.cat([*parts, z[i + 1]], 1))
            for attention in block[1:]:
                h = attention(h)
        return torch.tanh(self.output_layer(h))


class Discriminator(nn.Module):
    """Its modules and their names; scores are not needed here."""

    def __init__(self, state):
        super().__init__()

        def make(i, out, into):
            return Down(out, into, f"blocks.{i}.0.conv_sc.weight" in state)

        self.blocks = blocks(state, make)
        self.linear = Spectral(*state["linear.weight"].shape)
        if "linear_feat.weight" in state:
            self.linear_feat = Spectral(*state["linear_feat.weight"].shape)
        if "embed.weight" in state:
            self.embed = Spectral(*state["embed.weight"].shape, bias=False)


def load(state):
    """The network of a state dict, with strict keys."""
    with torch.device("meta"):
        net = (Generator if "output_layer.2.weight" in state else Discriminator)(state)
    net.load_state_dict(state, strict=True, assign=True)
    return net.eval()


if __name__ == "__main__":
    for path in sys.argv[1:]:
        net = load(read(path))
        values = sum(p.numel() for p in net.parameters())
        print(f"{type(net).__name__}\t{len(net.state_dict())}\t{values}")
