"""The peer of tests/bench/train.c: one training step of IC-GAN's BigGAN backbone, instance-conditioned, in PyTorch: a step of the
discriminator on [fake; real], one of the generator, hinge loss, Adam.  train.py RESOLUTION CH BATCH THREADS STEPS; CHANNELS_LAST=1
takes that memory format, DEVICE=cuda a GPU, AMP=bf16 bfloat16 under autocast, COMPILE=1 torch.compile.  The same output line: least
seconds and least processor seconds of a step, peak memory, of the GPU where there is one."""
import os
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

resolution, ch, batch, threads, steps = map(int, sys.argv[1:6])
torch.set_num_threads(threads)
device, amp = torch.device(os.environ.get("DEVICE", "cpu")), os.environ.get("AMP") == "bf16"
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
WIDTH, LATENT, FEATURES = 512, 120, 2048
PLANS = {  # channels out of each stage of G; of each block of D, how many halve the side; attention at this side
    32: ([4, 4, 4], [4, 4, 4, 4], 2, 0),
    64: ([16, 8, 4, 2], [1, 2, 4, 8, 16], 4, 32),
    128: ([16, 8, 4, 2, 1], [1, 2, 4, 8, 16, 16], 5, 64),
}
UP, DOWN, HALVES, ATTENTION = PLANS[resolution]


class Spectral(nn.Module):
    """A layer whose weight is divided by the norm that one power step a forward finds."""

    def __init__(self, *shape, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape) / 32)
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
        self.register_buffer("u", torch.randn(1, shape[0]))

    def forward(self, x):
        m = self.weight.flatten(1)
        with torch.no_grad():
            v = F.normalize(self.u @ m, eps=1e-6)
            self.u.copy_(F.normalize(v @ m.t(), eps=1e-6))
            u = self.u.clone()
        w = self.weight / (v @ m.t() @ u.t()).squeeze()
        return F.conv2d(x, w, self.bias, padding=w.shape[2] // 2) if w.dim() == 4 else F.linear(x, w, self.bias)


def conv(into, out, side, bias=True):
    return Spectral(out, into, side, side, bias=bias)


class Norm(nn.Module):
    def __init__(self, channels, width):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain, self.shift = Spectral(channels, width, bias=False), Spectral(channels, width, bias=False)

    def forward(self, x, y):
        return torch.relu(self.norm(x) * (1 + self.gain(y))[:, :, None, None] + self.shift(y)[:, :, None, None])


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.theta, self.phi = conv(c, c // 8, 1, False), conv(c, c // 8, 1, False)
        self.g, self.o = conv(c, c // 2, 1, False), conv(c // 2, c, 1, False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        n, c, h, w = x.shape
        theta, phi = self.theta(x).flatten(2), F.max_pool2d(self.phi(x), 2).flatten(2)
        g = F.max_pool2d(self.g(x), 2).flatten(2)
        o = g @ torch.softmax(theta.transpose(1, 2) @ phi, -1).transpose(1, 2)
        return self.gamma * self.o(o.view(n, c // 2, h, w)) + x


class Stage(nn.Module):
    def __init__(self, into, out, width):
        super().__init__()
        self.norm1, self.norm2 = Norm(into, width), Norm(out, width)
        self.conv1, self.conv2, self.shortcut = conv(into, out, 3), conv(out, out, 3), conv(into, out, 1)

    def forward(self, x, y):
        h = self.conv1(F.interpolate(self.norm1(x, y), scale_factor=2))
        return self.conv2(self.norm2(h, y)) + self.shortcut(F.interpolate(x, scale_factor=2))


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.chunk = LATENT // (len(UP) + 1)
        channels = [UP[0] * ch] + [c * ch for c in UP]
        self.features, self.linear = Spectral(WIDTH, FEATURES), Spectral(16 * channels[0], self.chunk)
        self.stages = nn.ModuleList(Stage(a, b, self.chunk + WIDTH) for a, b in zip(channels, channels[1:]))
        self.attention = nn.ModuleList(Attention(b) if 8 << i == ATTENTION else nn.Identity() for i, b in enumerate(channels[1:]))
        self.norm, self.last = nn.BatchNorm2d(channels[-1]), conv(channels[-1], 3, 3)

    def forward(self, z, f):
        z, e = z.split(self.chunk, 1), self.features(f)
        h = self.linear(z[0]).view(len(f), -1, 4, 4)
        for i, (stage, attention) in enumerate(zip(self.stages, self.attention)):
            h = attention(stage(h, torch.cat([e, z[i + 1]], 1)))
        return torch.tanh(self.last(torch.relu(self.norm(h))))


class Block(nn.Module):
    def __init__(self, into, out, first, halves):
        super().__init__()
        self.first, self.halves = first, halves
        self.conv1, self.conv2 = conv(into, out, 3), conv(out, out, 3)
        self.shortcut = conv(into, out, 1) if halves or into != out else nn.Identity()

    def pool(self, x):
        return F.avg_pool2d(x, 2) if self.halves else x

    def forward(self, x):
        h = self.pool(self.conv2(torch.relu(self.conv1(x if self.first else torch.relu(x)))))
        return h + (self.shortcut(self.pool(x)) if self.first else self.pool(self.shortcut(x)))


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        channels = [3] + [c * ch for c in DOWN]
        self.blocks = nn.ModuleList(Block(a, b, i == 0, i < HALVES) for i, (a, b) in enumerate(zip(channels, channels[1:])))
        self.attention = nn.ModuleList(Attention(b) if resolution >> i + 1 == ATTENTION else nn.Identity() for i, b in enumerate(channels[1:]))
        self.linear, self.features = Spectral(1, channels[-1]), Spectral(channels[-1], FEATURES)

    def forward(self, x, f):
        for block, attention in zip(self.blocks, self.attention):
            x = attention(block(x))
        h = torch.relu(x).sum((2, 3))
        return self.linear(h) + (self.features(f) * h).sum(1, keepdim=True)


generator, discriminator = Generator().to(device), Discriminator().to(device)
if os.environ.get("CHANNELS_LAST"):
    for net in (generator, discriminator):
        for p in net.parameters():
            if p.dim() == 4:
                p.data = p.data.contiguous(memory_format=torch.channels_last)
g_adam, d_adam = (torch.optim.Adam(n.parameters(), 1e-4, (0.0, 0.999), 1e-6) for n in (generator, discriminator))
latent = generator.chunk * (len(UP) + 1)
if os.environ.get("COMPILE"):
    generator, discriminator = torch.compile(generator), torch.compile(discriminator)


def cast():
    return torch.autocast(device.type, torch.bfloat16, enabled=amp)


def wait():
    if device.type == "cuda":
        torch.cuda.synchronize()


def step():
    z, f = torch.randn(batch, latent).to(device), F.normalize(torch.randn(batch, FEATURES)).to(device)
    x = (torch.rand(batch, 3, resolution, resolution) * 2 - 1).to(device)
    discriminator.requires_grad_(True)
    d_adam.zero_grad()
    with cast():
        with torch.no_grad():
            fake = generator(z, f)
        score = discriminator(torch.cat([fake.float(), x]), torch.cat([f, f])).float()
    (torch.relu(1 + score[:batch]).mean() + torch.relu(1 - score[batch:]).mean()).backward()
    d_adam.step()
    discriminator.requires_grad_(False)
    g_adam.zero_grad()
    with cast():
        score = discriminator(generator(z, f), f).float()
    (-score.mean()).backward()
    g_adam.step()


wall, cpu = [], []
warm = 1 if device.type == "cpu" else 3
for _ in range(steps + warm):
    a, b = time.perf_counter(), time.process_time()
    step()
    wait()
    wall.append(time.perf_counter() - a)
    cpu.append(time.process_time() - b)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if device.type == "cuda":
    peak = torch.cuda.max_memory_allocated() / 1024
print(f"{resolution}\t{ch}\t{batch}\t{threads}\t{min(wall[warm:]):.4f}\t{min(cpu[warm:]):.4f}\t{peak / 1024:.0f}\ttorch {torch.__version__}")
