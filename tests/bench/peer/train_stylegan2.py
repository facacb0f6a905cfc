"""The peer of tests/bench/train.c with BACKBONE=stylegan2: the generator's and the discriminator's logistic loss, a fourth of a path
length, a sixteenth of an R1, Adam, instance-conditioned.  train_stylegan2.py RESOLUTION CH BATCH THREADS STEPS and the environment
of train.py; the same output line."""
import os
import resource
import sys
import time

import torch
import torch.nn.functional as F
from stylegan2 import Dense, Generator, Mapping, blur, filter4, up2
from torch import nn

resolution, ch, batch, threads, steps = map(int, sys.argv[1:6])
torch.set_num_threads(threads)
device, amp = torch.device(os.environ.get("DEVICE", "cpu")), os.environ.get("AMP") == "bf16"
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
FEATURES, GROUP = 2048, 4


class Conv(nn.Module):
    def __init__(self, into, out, k, gain=1.0, active=True, down=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, into, k, k))
        self.bias = nn.Parameter(torch.zeros(out)) if active else None
        self.register_buffer("resample_filter", filter4())
        self.gain, self.down = gain, down

    def forward(self, x):
        k = self.weight.shape[2]
        w = self.weight / (self.weight.shape[1] * k * k)**0.5
        if self.bias is None:  # the filter before every second pixel, then 1x1
            x = blur(x, self.resample_filter, (1, 1, 1, 1))[:, :, ::2, ::2] / 4
            return F.conv2d(x, w) * self.gain
        if self.down:
            x = F.conv2d(blur(x, self.resample_filter, (2, 2, 2, 2)) / 4, w, self.bias, stride=2)
        else:
            x = F.conv2d(x, w, self.bias, padding=k // 2)
        return (F.leaky_relu(x, 0.2) * (2**0.5 * self.gain)).clamp(-256 * self.gain, 256 * self.gain)


class DBlock(nn.Module):
    def __init__(self, into, out, first):
        super().__init__()
        self.fromrgb = Conv(3, into, 1) if first else None
        self.conv0, self.conv1 = Conv(into, into, 3), Conv(into, out, 3, 0.5**0.5, down=True)
        self.skip = Conv(into, out, 1, 0.5**0.5, active=False)

    def forward(self, x):
        x = x if self.fromrgb is None else self.fromrgb(x)
        return self.conv1(self.conv0(x)) + self.skip(x)


class Discriminator(nn.Module):
    def __init__(self, channels):
        super().__init__()
        sides = sorted(channels, reverse=True)
        top = channels[4]
        self.blocks = nn.Sequential(*(DBlock(channels[s], channels[s // 2], s == sides[0]) for s in sides[:-1]))
        self.mapping = Mapping(0, 0, FEATURES, top, 8)
        self.conv = Conv(top + 1, top, 3)
        self.fc, self.out = Dense(16 * top, top, active=True), Dense(top, top)

    def forward(self, x, f):
        x = self.blocks(x)
        n, c, h, w = x.shape
        g = x.view(GROUP, n // GROUP, c, h, w)
        s = ((g - g.mean(0)).square().mean(0) + 1e-8).sqrt().mean((1, 2, 3))
        x = torch.cat([x, s.repeat(GROUP).view(n, 1, 1, 1).expand(n, 1, h, w)], 1)
        x = self.out(self.fc(self.conv(x).flatten(1)))
        empty = x.new_zeros(n, 0)
        return (x * self.mapping(empty, f=f)).sum(1) / c**0.5


channels = {4 << i: min(256 * ch // (4 << i), 512) for i in range((resolution // 4).bit_length())}
G, D = Generator(channels, 512, 512, 2, features=FEATURES).to(device), Discriminator(channels).to(device)
if os.environ.get("CHANNELS_LAST") or os.environ.get("CL"):
    G, D = G.to(memory_format=torch.channels_last), D.to(memory_format=torch.channels_last)
average = [p.detach().clone() for p in G.parameters()]
opt_g = torch.optim.Adam(G.parameters(), 1e-4, (0.0, 0.999), 1e-6)
opt_d = torch.optim.Adam(D.parameters(), 1e-4, (0.0, 0.999), 1e-6)
z, z2 = torch.randn(batch, 512, device=device), torch.randn(batch, 512, device=device)
f = F.normalize(torch.randn(batch, FEATURES, device=device))
x = torch.randn(batch, 3, resolution, resolution, device=device).tanh()
half = (2 * len(channels)) // 2
mean_length = torch.zeros((), device=device)


def styles(n):
    w, w2 = G.mapping(z[:n], f=f[:n]), G.mapping(z2[:n], f=f[:n])
    return torch.stack([w] * half + [w2] * (2 * len(channels) - half), 1)


def image(ws):
    x_, y = None, None
    for i, side in enumerate(G.synthesis.sides):
        x_, y = block(getattr(G.synthesis, f"b{side}"), x_, y, ws, i)
    return y


def block(b, x_, y, ws, i):
    """Each layer with the style of its own: two convolutions, and the picture with that of the next."""
    first = max(2 * i - 1, 0)
    x_ = b.const.expand(len(ws), -1, -1, -1) if x_ is None else b.conv0(x_, ws[:, first], 256.0)
    x_ = b.conv1(x_, ws[:, 2 * i], 256.0)
    rgb = b.torgb(x_, ws[:, 2 * i + 1], 256.0)
    return x_, rgb if y is None else up2(y, b.resample_filter) + rgb


def move(opt, loss):
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()


def cast():
    return torch.autocast(device.type, torch.bfloat16, enabled=amp)


def main_step():
    D.requires_grad_(False)
    with cast():
        loss = F.softplus(-D(image(styles(batch)), f)).mean()
    move(opt_g, loss)
    D.requires_grad_(True)
    with cast():
        with torch.no_grad():
            fake = image(styles(batch))
        loss = F.softplus(D(fake, f)).mean() + F.softplus(-D(x, f)).mean()
    move(opt_d, loss)
    with torch.no_grad():
        for a, p in zip(average, G.parameters()):
            a.lerp_(p, 0.001)


def path_step():
    global mean_length
    n = batch // 2
    ws = styles(n)
    y = image(ws)
    probe = torch.randn_like(y) / resolution
    by, = torch.autograd.grad((y * probe).sum(), ws, create_graph=True)
    length = by.square().sum(2).mean(1).sqrt()
    mean = mean_length.lerp(length.mean(), 0.01)
    mean_length = mean.detach()
    move(opt_g, (length - mean).square().mean() * 8)


def r1_step():
    real = x.clone().requires_grad_()
    by, = torch.autograd.grad(D(real, f).sum(), real, create_graph=True)
    move(opt_d, by.square().sum((1, 2, 3)).mean() * 8)


def least(step):
    best = [float("inf")] * 2
    for i in range(-1, steps):
        begin = time.monotonic(), time.process_time()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if i >= 0:
            best = [min(best[0], time.monotonic() - begin[0]), min(best[1], time.process_time() - begin[1])]
    return best


parts = [(1, least(main_step)), (1 / 4, least(path_step)), (1 / 16, least(r1_step))]
wall, cpu = (sum(share * t[k] for share, t in parts) for k in (0, 1))
peak = (torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
print(resolution, ch, batch, threads, f"{wall:.4f}", f"{cpu:.4f}", f"{peak:.0f}", sep="\t")
