"""tests/fuzz/corpus/weights/script_clip.pt: the shape of CLIP's archives in small: a tree of modules in half precision with norms in float,
numbers, lists and texts beside them, and one module under two names; and archives that must be refused: a module in itself, modules
that would unfold to 2^31, a call in place of a tensor, no module at all.  Usage: script.py OUT (tests/fuzz/corpus/weights)"""
import sys
import zipfile
from typing import Dict, List

import torch
from torch import nn


class Block(nn.Module):
    sizes: List[int]
    names: Dict[str, int]

    def __init__(self):
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.arange(12.).view(6, 2).half())
        self.ln_1 = nn.LayerNorm(2)
        self.sizes = [2, 6]
        self.names = {"a": 1}
        self.scale = 0.125

    def forward(self, x):
        return self.ln_1(x) @ self.in_proj_weight.float().T[:, :self.sizes[0]] * self.scale + self.names["a"]


class Visual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 2, 2, bias=False).half()
        self.resblocks = nn.Sequential(Block(), Block())
        self.again = self.resblocks[1]
        self.proj = nn.Parameter(torch.arange(6.).view(3, 2).T.half())

    def forward(self, x):
        return self.again(self.resblocks(x)) @ self.proj.float()


class Clip(nn.Module):
    kind: str

    def __init__(self):
        super().__init__()
        self.visual = Visual()
        self.logit_scale = nn.Parameter(torch.tensor(1.5))
        self.register_buffer("input_resolution", torch.tensor(224))
        self.kind = "small"

    def forward(self, x):
        return self.visual(x) * self.logit_scale if self.kind == "small" else x


torch.manual_seed(0)
torch.jit.save(torch.jit.script(Clip().eval()), f"{sys.argv[1]}/script_clip.pt")


def text(s):
    return b"X" + len(s).to_bytes(4, "little") + s.encode()


def module(attributes, memo=b""):
    return b"c__torch__\nM\n)\x81" + memo + b"}(" + attributes + b"ub"


def archive(name, tree):
    with zipfile.ZipFile(f"{sys.argv[1]}/script_{name}.pt", "w") as z:
        for leaf, content in ("data.pkl", b"\x80\x02" + tree + b"."), ("constants.pkl", b"\x80\x02)."), ("version", b"3\n"):
            z.writestr(zipfile.ZipInfo(f"a/{leaf}"), content)


archive("cycle", module(text("a") + b"h\0", b"q\0"))
tree = module(text("a") + b"N")
for i in range(30):
    tree = module(text("a") + tree + b"q" + bytes([i]) + text("b") + b"h" + bytes([i]))
archive("unfold", tree)
archive("system", module(text("a") + b"cos\nsystem\n(" + text("true") + b"tR"))
archive("tuple", b")")
