"""pipelines/weights/lpips-alex.safetensors and lpips-vgg.safetensors from the PyPI package lpips 0.1.4 (weights/v0.1): the same
names, axis order and float32 values.  Usage: lpips_weights.py lpips-0.1.4-py3-none-any.whl FOLDER"""
import hashlib
import io
import sys
import zipfile

import torch

import safetensors

SHA256 = {
    "alex": "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    "vgg": "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
}
wheel = zipfile.ZipFile(sys.argv[1])
for net, want in SHA256.items():
    data = wheel.read(f"lpips/weights/v0.1/{net}.pth")
    assert hashlib.sha256(data).hexdigest() == want
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    safetensors.save(f"{sys.argv[2]}/lpips-{net}.safetensors", [(k, v.numpy()) for k, v in state.items()],
        {"origin": f"PyPI lpips 0.1.4, weights/v0.1/{net}.pth"})
