"""tests/fuzz/corpus/weights/zip_dino.pth: the shape of a full checkpoint of DINO in small: two networks, of which the teacher is the one
to take, with a head beside the backbone.  Usage: dino.py OUT"""
import sys

import torch


def network(value):
    names = "backbone.conv1.weight", "backbone.bn1.bias", "head.mlp.0.weight"
    return {"module." + n: torch.full((2, 3), value + i) for i, n in enumerate(names)}


torch.save({"student": network(1.0), "teacher": network(4.0), "optimizer": {"state": {}}, "epoch": 100}, sys.argv[1])
