"""tests/golden/lpips.npz: LPIPS of pairs of pictures with weights that are a formula of their names.
Usage: lpips.py FOLDER_OF_GOLDEN OUT
FOLDER_OF_GOLDEN holds lpips.npz and lpips.json, computed in float64 and held against the published module; here pictures that
occur twice are kept once: image_K, pairs[5][2] of K, and alex[5], vgg[5], their distances."""
import json
import sys

import numpy as np

source, out = sys.argv[1:]
pictures = np.load(f"{source}/lpips.npz")
nets = json.load(open(f"{source}/lpips.json"))["nets"]
cases = [c["id"] for c in nets["alex"]["cases"]]
images, pairs = [], []
for case in cases:
    for side in "01":
        x = pictures[f"{case}.{side}"]
        same = [k for k, y in enumerate(images) if x.shape == y.shape and (x == y).all()]
        pairs.append(same[0] if same else len(images))
        if not same:
            images.append(x)
arrays = {f"image_{k}": x for k, x in enumerate(images)}
for net in "alex", "vgg":
    assert [c["id"] for c in nets[net]["cases"]] == cases
    arrays[net] = np.array([c["distance"] for c in nets[net]["cases"]])
np.savez_compressed(f"{out}/lpips.npz", pairs=np.array(pairs).reshape(-1, 2), **arrays)
