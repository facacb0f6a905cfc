"""Packs the BigGAN golden cases (computed with the reference PyTorch implementation in float64) into one small safetensors file a
case: python3 biggan.py FOLDER_OF_CASES OUT CASE...  Needs numpy.  Images keep every STRIDE-th value of their flattened NCHW array.
icgan256 is only there in float32."""
import json, sys

import numpy as np

from safetensors import save

CASES = {"icgan32": 3, "icgan64": 13, "cc_icgan64": 13, "biggan32": 3, "uncond32": 3, "icgan128": 29,
         "icgan256": 97}


for case in sys.argv[3:]:
    stride = CASES[case]
    j = json.load(open(f"{sys.argv[1]}/{case}.json"))
    z = np.load(f"{sys.argv[1]}/{case}.npz")
    t = {}
    for name in z:
        t[name] = z[name] if z[name].ndim == 2 else z[name].ravel()[::stride]
    for net in "GD":
        for name, shape in j[net + "_state"].items():
            t[f"shape.{net}.{name}"] = np.array(shape, float)
    for s, step in enumerate(j["steps"], 1):
        for k, v in step.items():
            if isinstance(v, dict):
                for name, row in v.items():
                    t[f"step{s}.{k}.{name}"] = np.array(row, float)
            else:
                t[f"step{s}.{k}"] = np.array(v, float).ravel()
    meta = {k: str(v) for k, v in j["meta"].items()}
    meta["stride"] = str(stride)
    save(f"{sys.argv[2]}/{case}.safetensors", [(k, np.float64(x)) for k, x in t.items()], meta, align=8)
