"""The generator of IC-GAN's StyleGAN2 backbone in PyTorch, with the published names of modules and
tensors, so that state dicts go back and forth with strict keys.  Built from the tensors of a state
dict, whose shapes say everything but the clamp."""
import sys

import torch
import torch.nn.functional as F
from torch import nn

import biggan


def filter4():
    f = torch.tensor([1.0, 3, 3, 1])
    return f.outer(f) / 64


def unit(x):
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def blur(x, f, pads):
    """Each channel convolved with a filter that is symmetric, of four times its sum."""
    c = x.shape[1]
    return F.conv2d(F.pad(x, pads), 4 * f.expand(c, 1, 4, 4), groups=c)


def up2(x, f):
    n, c, h, w = x.shape
    zeros = x.new_zeros(n, c, h, 2, w, 2)
    zeros[:, :, :, 0, :, 0] = x
    return blur(zeros.view(n, c, 2 * h, 2 * w), f, (2, 1, 2, 1))


class Dense(nn.Module):
    def __init__(self, into, out, pace=1.0, bias=0.0, active=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, into) / pace)
        self.bias = nn.Parameter(torch.full((out,), bias))
        self.pace, self.active = pace, active

    def forward(self, x):
        y = F.linear(x, self.weight * (self.pace / self.weight.shape[1]**0.5), self.bias * self.pace)
        return F.leaky_relu(y, 0.2) * 2**0.5 if self.active else y


class Mapping(nn.Module):
    def __init__(self, z, classes, features, w, layers):
        super().__init__()
        self.register_buffer("w_avg", torch.zeros(w))
        self.embed = Dense(classes, w) if classes else None
        self.embed_feats = Dense(features, w) if features else None
        self.layers = layers
        for i in range(layers):
            into = z + w * (bool(classes) + bool(features)) if i == 0 else w
            setattr(self, f"fc{i}", Dense(into, w, 0.01, active=True))

    def forward(self, z, y=None, f=None):
        parts = []
        if self.embed is not None:
            parts.append(self.embed(F.one_hot(y, self.embed.weight.shape[1]).float()))
        if self.embed_feats is not None:
            parts.append(self.embed_feats(f))
        x = torch.cat([unit(z), *([unit(torch.cat(parts, 1))] if parts else [])], 1)
        for i in range(self.layers):
            x = getattr(self, f"fc{i}")(x)
        return x


class Layer(nn.Module):
    def __init__(self, into, out, w, side, up):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, into, 3, 3))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(out))
        self.register_buffer("resample_filter", filter4())
        self.register_buffer("noise_const", torch.randn(side, side))
        self.affine = Dense(w, into, bias=1.0)
        self.up = up

    def forward(self, x, w, clamp):
        s = self.affine(w)
        d = (s.square() @ self.weight.square().sum((2, 3)).t() + 1e-8).rsqrt()
        x = x * s[:, :, None, None]
        if self.up:
            x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
            x = blur(x, self.resample_filter, (1, 1, 1, 1))
        else:
            x = F.conv2d(x, self.weight, padding=1)
        x = x * d[:, :, None, None] + self.noise_const * self.noise_strength + self.bias[:, None, None]
        return (F.leaky_relu(x, 0.2) * 2**0.5).clamp(-clamp, clamp)


class ToRgb(nn.Module):
    def __init__(self, into, w):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, into, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.affine = Dense(w, into, bias=1.0)

    def forward(self, x, w, clamp):
        s = self.affine(w) / x.shape[1]**0.5
        return F.conv2d(x * s[:, :, None, None], self.weight, self.bias).clamp(-clamp, clamp)


class Block(nn.Module):
    def __init__(self, into, out, w, side):
        super().__init__()
        if side == 4:
            self.const = nn.Parameter(torch.randn(out, 4, 4))
        self.register_buffer("resample_filter", filter4())
        if side > 4:
            self.conv0 = Layer(into, out, w, side, True)
        self.conv1 = Layer(out, out, w, side, False)
        self.torgb = ToRgb(out, w)

    def forward(self, x, image, w, clamp):
        x = self.const.expand(len(w), -1, -1, -1) if x is None else self.conv0(x, w, clamp)
        x = self.conv1(x, w, clamp)
        y = self.torgb(x, w, clamp)
        return x, y if image is None else up2(image, self.resample_filter) + y


class Synthesis(nn.Module):
    def __init__(self, channels, w):
        super().__init__()
        self.sides = list(channels)
        for side, n in channels.items():
            setattr(self, f"b{side}", Block(channels.get(side // 2), n, w, side))

    def forward(self, w, clamp):
        x = image = None
        for side in self.sides:
            x, image = getattr(self, f"b{side}")(x, image, w, clamp)
        return image


class Generator(nn.Module):
    """One style for all layers; planes of noise are those of the weights."""

    def __init__(self, channels, z, w, layers, classes=0, features=0, clamp=256.0):
        super().__init__()
        self.synthesis = Synthesis(channels, w)
        self.mapping = Mapping(z, classes, features, w, layers)
        self.clamp = clamp

    def forward(self, z, y=None, f=None, psi=1.0):
        w = self.mapping(z, y, f)
        return self.synthesis(self.mapping.w_avg + psi * (w - self.mapping.w_avg), self.clamp)


def load(state):
    """The generator of a state dict, with strict keys."""
    sides = [4 << i for i in range(9) if f"synthesis.b{4 << i}.conv1.weight" in state]
    w, layers = len(state["mapping.w_avg"]), sum(k.startswith("mapping.fc") for k in state) // 2
    classes, features = (state[k].shape[1] if k in state else 0
                         for k in ("mapping.embed.weight", "mapping.embed_feats.weight"))
    z = state["mapping.fc0.weight"].shape[1] - w * (bool(classes) + bool(features))
    channels = {side: len(state[f"synthesis.b{side}.conv1.bias"]) for side in sides}
    with torch.device("meta"):
        net = Generator(channels, z, w, layers, classes, features)
    net.load_state_dict(state, strict=True, assign=True)
    return net.eval()


if __name__ == "__main__":
    for path in sys.argv[1:]:
        net = load(biggan.read(path))
        values = sum(p.numel() for p in net.parameters())
        print(f"{type(net).__name__}\t{len(net.state_dict())}\t{values}")
