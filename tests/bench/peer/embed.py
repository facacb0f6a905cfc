"""Features of pictures in PyTorch, in each of its ways to run a network: embed.py NET BATCH THREADS REPEATS prints a line
for each way: NET, way, the least seconds and the least processor seconds of a batch, and the version.  NET is one of MAKE
below; weights are random.  WAYS: eager (NCHW), nhwc, jit (a frozen graph optimised for inference), compile (torch.compile),
by default all.  DEVICE=cuda runs them there, with AMP=tf32 or bf16."""
import os
import sys
import time
import warnings

import torch
from torch import nn
from torch.nn import functional

net, batch, threads, repeats = sys.argv[1], *(int(a) for a in sys.argv[2:5])
torch.set_num_threads(threads)
device, amp = os.environ.get("DEVICE", "cpu"), os.environ.get("AMP", "f32")
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = amp == "tf32"
torch.backends.cudnn.benchmark = True
warnings.filterwarnings("ignore")

# kernel, stride, expansion, channels, blocks of each stage
STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1))


def conv(into, out, kernel, stride=1, groups=1, bounded=True):
    """With TensorFlow's padding: where the stride is 2 and sides are even, one less at the top and left."""
    total = kernel - stride
    pad = (total // 2, total - total // 2) * 2
    layers = [nn.ZeroPad2d(pad)] if stride == 2 else []
    layers.append(nn.Conv2d(into, out, kernel, stride, 0 if stride == 2 else kernel // 2, groups=groups, bias=False))
    layers.append(nn.BatchNorm2d(out, eps=1e-3))
    return layers + [nn.ReLU6()] * bounded


class Block(nn.Module):
    def __init__(self, into, out, kernel, stride, expansion):
        super().__init__()
        middle = into * expansion
        layers = conv(into, middle, 1) if expansion > 1 else []
        layers += conv(middle, middle, kernel, stride, middle) + conv(middle, out, 1, bounded=False)
        self.layers, self.adds = nn.Sequential(*layers), stride == 1 and into == out

    def forward(self, x):
        return x + self.layers(x) if self.adds else self.layers(x)


def lite0():
    layers, channels = conv(3, 32, 3, 2), 32
    for kernel, stride, expansion, out, blocks in STAGES:
        for i in range(blocks):
            layers.append(Block(channels, out, kernel, 1 if i else stride, expansion))
            channels = out
    return nn.Sequential(*layers, *conv(channels, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def attention(q, k, v, heads):
    q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class QuickGelu(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Scale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * self.gain


class Transformer(nn.Module):
    """A block: attention and a perceptron, each of normed tokens and added to them."""

    def __init__(self, width, act, scaled):
        super().__init__()
        self.heads, gain = width // 64, Scale if scaled else nn.Identity
        self.norm, self.qkv, self.out, self.gain = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width), gain(width)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), act(), nn.Linear(4 * width, width), gain(width))

    def forward(self, x):
        x = x + self.gain(self.out(attention(*self.qkv(self.norm(x)).chunk(3, 2), self.heads)))
        return x + self.mlp(x)


class Vit(nn.Module):
    """The class token of 12 blocks: CLIP's, which norms its tokens before them and projects it, or DINOv2's."""

    def __init__(self, patch, width, clip):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch, bias=not clip)
        self.first = nn.Parameter(torch.randn(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, (224 // patch) ** 2 + 1, width))
        self.before = nn.LayerNorm(width) if clip else nn.Identity()
        self.blocks = nn.Sequential(*(Transformer(width, QuickGelu if clip else nn.GELU, not clip) for _ in range(12)))
        self.after = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 512, bias=False) if clip else nn.Identity())

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(len(x), -1, -1), x], 1) + self.places
        return self.after(self.blocks(self.before(x))[:, 0])


def normed(into, out, kernel, stride=1, bounded=True):
    layers = [nn.Conv2d(into, out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out)]
    return layers + [nn.ReLU()] * bounded


class Bottleneck(nn.Module):
    """Where the side halves, CLIP's takes means and ResNet-50's a stride."""

    def __init__(self, into, width, side, means):
        super().__init__()
        mean, stride = ([nn.AvgPool2d(side)] * (side > 1), 1) if means else ([], side)
        self.layers = nn.Sequential(*normed(into, width, 1), *normed(width, width, 3, stride), *mean, *normed(width, 4 * width, 1, bounded=False))
        same = into == 4 * width
        self.shortcut = nn.Identity() if same else nn.Sequential(*mean, *normed(into, 4 * width, 1, stride, bounded=False))

    def forward(self, x):
        return torch.relu(self.layers(x) + self.shortcut(x))


def bottlenecks(means):
    layers, into = [], 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for i in range(blocks):
            layers.append(Bottleneck(into, 64 << stage, 2 if stage and not i else 1, means))
            into = 256 << stage
    return layers


def resnet50():
    return nn.Sequential(*normed(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1), *bottlenecks(False), nn.AdaptiveAvgPool2d(1), nn.Flatten())


class ClipResNet(nn.Module):
    def __init__(self):
        super().__init__()
        stem = *normed(3, 32, 3, 2), *normed(32, 32, 3), *normed(32, 64, 3), nn.AvgPool2d(2)
        self.layers, self.places = nn.Sequential(*stem, *bottlenecks(True)), nn.Parameter(torch.randn(1, 50, 2048))
        self.q, self.k, self.v, self.out = (nn.Linear(2048, n) for n in (2048, 2048, 2048, 1024))

    def forward(self, x):
        x = self.layers(x).flatten(2).transpose(1, 2)
        x = torch.cat([x.mean(1, keepdim=True), x], 1) + self.places
        return self.out(attention(self.q(x[:, :1]), self.k(x), self.v(x), 32))[:, 0]


def inception():
    """torchvision's: no other is."""
    import torchvision
    model = torchvision.models.inception_v3(weights=None, init_weights=False)
    model.fc = nn.Identity()
    return model


MAKE = {
    "resnet50": resnet50,
    "inception-torchvision": inception,
    "efficientnet-lite0": lite0,
    "clip-rn50": ClipResNet,
    "clip-vitb32": lambda: Vit(32, 768, True),
    "dinov2-vits14": lambda: Vit(14, 384, False),
}


def make():
    torch.manual_seed(1)
    return MAKE[net]().eval()


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


def way(name):
    model = make().to(device)
    if name == "eager":
        return model
    if name == "jit":
        return torch.jit.optimize_for_inference(torch.jit.trace(model, x))
    model = model.to(memory_format=torch.channels_last)
    return model if name == "nhwc" else torch.compile(model)


side = 299 if net.startswith("inception") else 224
x, ran = torch.randn(batch, 3, side, side).to(device), False
for name in os.environ.get("WAYS", "eager nhwc jit compile").split():
    y = x if name in ("eager", "jit") else x.contiguous(memory_format=torch.channels_last)
    wall, cpu = [], []
    try:
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=amp == "bf16"):
            model = way(name)
            for _ in range(repeats + 2):  # the first two warm up
                a, b = time.perf_counter(), time.process_time()
                model(y)
                wait()
                wall.append(time.perf_counter() - a)
                cpu.append(time.process_time() - b)
    except Exception as e:
        print(f"{name}: {type(e).__name__}: {e}", file=sys.stderr)
        continue
    ran = True
    print(f"{net}\t{name}\t{min(wall[2:]):.4f}\t{min(cpu[2:]):.4f}\ttorch {torch.__version__}", flush=True)
sys.exit(not ran)
