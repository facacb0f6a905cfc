"""Features of pictures in PyTorch, in each of its ways to run a network: embed.py NET BATCH THREADS REPEATS prints a line
for each way: NET, way, the least seconds and the least processor seconds of a batch, and the version.  NET is resnet50,
inception-torchvision or efficientnet-lite0; weights are random.  WAYS: eager (NCHW), nhwc, jit (a frozen graph optimised for
inference), compile (torch.compile), by default all."""
import os
import sys
import time
import warnings

import torch
import torchvision
from torch import nn

net, batch, threads, repeats = sys.argv[1], *(int(a) for a in sys.argv[2:5])
torch.set_num_threads(threads)
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


def published(model):
    model.fc = nn.Identity()
    return model


def make():
    torch.manual_seed(1)
    if net == "resnet50":
        return published(torchvision.models.resnet50()).eval()
    if net == "inception-torchvision":
        return published(torchvision.models.inception_v3(weights=None, init_weights=False)).eval()
    return lite0().eval()


def way(name):
    last = lambda m: m.to(memory_format=torch.channels_last)
    if name == "eager":
        return make()
    if name == "nhwc":
        return last(make())
    if name == "jit":
        return torch.jit.optimize_for_inference(torch.jit.trace(make(), x))
    return torch.compile(last(make()))


side = 299 if net.startswith("inception") else 224
x = torch.randn(batch, 3, side, side)
for name in os.environ.get("WAYS", "eager nhwc jit compile").split():
    y = x if name in ("eager", "jit") else x.contiguous(memory_format=torch.channels_last)
    wall, cpu = [], []
    try:
        with torch.inference_mode():
            model = way(name)
            for _ in range(repeats + 2):  # the first two warm up
                a, b = time.perf_counter(), time.process_time()
                model(y)
                wall.append(time.perf_counter() - a)
                cpu.append(time.process_time() - b)
    except Exception as e:
        print(f"{name}: {type(e).__name__}", file=sys.stderr)
        continue
    print(f"{net}\t{name}\t{min(wall[2:]):.4f}\t{min(cpu[2:]):.4f}\ttorch {torch.__version__}", flush=True)
