"""Exact neighbours and k-means in PyTorch on a GPU, in tf32 and by blocks: the same arguments and output lines as
tests/bench/stat.c.  DEVICE=cpu tries it without one."""
import os
import sys
import time

import torch

what, n = sys.argv[1], [int(a) for a in sys.argv[2:]]
device = os.environ.get("DEVICE", "cuda")
torch.backends.cuda.matmul.allow_tf32 = True
torch.manual_seed(0)


def wait():
    if device == "cuda":
        torch.cuda.synchronize()


def unit(n, d):
    x = torch.randn(n, d, device=device)
    return x.div_(x.norm(dim=1, keepdim=True))


def neighbours(x, k):
    block = max(1, 2**30 // len(x))
    return [(part @ x.T).topk(k + 1).indices for part in x.split(block)]


def rounds(x, k, times):
    """Empty clusters keep their centre."""
    centres = x[torch.randperm(len(x), device=device)[:k]].clone()
    for _ in range(times):
        half = centres.square().sum(1) / 2
        to = torch.cat([(part @ centres.T - half).argmax(1) for part in x.split(max(1, 2**30 // k))])
        count = torch.bincount(to, minlength=k)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, to, x)
        centres = torch.where(count > 0, sums / count.clamp(min=1), centres)
    return centres


x = unit(n[0], n[1])
neighbours(x[:1024], min(n[2], 1000)) if what == "knn" else rounds(x[: 2 * n[2]], n[2], 1)
wait()
t = time.perf_counter()
if what == "knn":
    found = neighbours(x, n[2])
else:
    rounds(x, n[2], n[3])
wait()
shape = f"{n[0]}x{n[1]} k{n[2]}" + ("" if what == "knn" else f" x{n[3]}")
print(f"{what} {shape}\t{time.perf_counter() - t:.3f}\ttorch {torch.__version__}, tf32")
