"""Writes a safetensors file from a list of (name, numpy array): larger elements first, the data at a multiple of `align`."""
import json
import struct

import numpy as np

NAMES = {"float32": "F32", "float64": "F64", "uint8": "U8", "int64": "I64", "float16": "F16", "uint32": "U32"}


def save(path, tensors, meta=None, align=64):
    tensors = sorted(tensors, key=lambda t: -t[1].dtype.itemsize)
    head, at = ({"__metadata__": meta} if meta else {}), 0
    for name, x in tensors:
        head[name] = {"dtype": NAMES[x.dtype.name], "shape": list(x.shape), "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % align)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, x in tensors:
            f.write(np.ascontiguousarray(x).tobytes())
