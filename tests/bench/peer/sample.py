"""Samples of a published generator by PyTorch: of each instance one for each row of noise, as
concatenated PPM on standard output.
Usage: sample.py MODEL.pth|MODEL.safetensors NOISE.npy INSTANCES.npy"""
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

import biggan
import stylegan2

torch.set_num_threads(int(os.environ.get("THREADS", len(os.sched_getaffinity(0)))))
model, noise, instances = sys.argv[1:]
pth = model.endswith(".pth")
state = torch.load(model, weights_only=True) if pth else biggan.read(model)
net = (stylegan2 if "synthesis.b4.const" in state else biggan).load(state)
z = torch.from_numpy(np.load(noise))
f = F.normalize(torch.from_numpy(np.load(instances)), dim=1)
with torch.inference_mode():
    x = torch.cat([net(z, f=row.expand(len(z), -1)) for row in f])
rgb = ((x + 1) * 127.5 + 0.5).floor().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()
for picture in rgb:
    sys.stdout.buffer.write(b"P6\n%d %d\n255\n" % picture.shape[1::-1] + picture.tobytes())
