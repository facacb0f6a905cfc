"""tests/golden/resize.npz and tests/golden/extractors.npz: what Pillow and PyTorch compute, and what the published networks give with
weights that are a formula of their names.  Usage: extractors.py FOLDER_OF_GOLDEN OUT
FOLDER_OF_GOLDEN holds resize.npz and extractors.npz, made with torch 1.13, torchvision 0.14 and Pillow 9.4 in float64; a part of them is
copied here, as float32.  EfficientNet-Lite1 and 2 are computed: PyPI efficientnet_lite_pytorch 0.1.0, float64."""
import sys

import numpy as np
import torch
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet

import formula

source, out = sys.argv[1:]
resize = np.load(f"{source}/resize.npz")
kinds = "in box bilinear bicubic lanczos float_bilinear float_bicubic tf1_bilinear bicubic_ac0 bicubic_ac1 bilinear_ac0 bilinear_ac1".split()
np.savez_compressed(f"{out}/resize.npz", **{f"p{p}.{k}": resize[f"p{p}.{k}"] for p in range(6) for k in kinds})


def lite(number, side, picture):
    m = EfficientNet.from_name(f"efficientnet-lite{number}").double().eval()
    prefix = f"efficientnet_lite{number}/"
    m.load_state_dict({k: v if k.endswith("num_batches_tracked") else torch.from_numpy(formula.weights(prefix + k, tuple(v.shape)))
                       for k, v in m.state_dict().items()})
    x = (torch.from_numpy(picture.copy()).double().permute(2, 0, 1)[None] - 127) / 128
    with torch.no_grad():
        return m.extract_features(F.interpolate(x, size=(side, side), mode="bicubic", align_corners=False)).mean((2, 3))[0].numpy()


golden = np.load(f"{source}/extractors.npz")
keep = {k: golden[k] for k in golden.files if k.startswith("image_")}
for net in "resnet50", "fid_inception", "tv_inception", "efficientnet_lite0":
    names = [k for k in golden.files if k.startswith(net)]
    keep |= {k: golden[k] for k in names if k.endswith("features")}
scores = "resnet50.a64 resnet50.direct64 fid_inception.a_fid fid_inception.direct75 tv_inception.c efficientnet_lite0.a64".split()
keep |= {f"{c}.logits": golden[f"{c}.logits"] for c in scores}
keep["fid_inception.a_fid.logits_unbiased"] = golden["fid_inception.a_fid.logits_unbiased"]
inputs = "resnet50.a64 resnet50.c256 resnet50.c64_hflip resnet50.c64_aligned fid_inception.a_fid fid_inception.c_fid fid_inception.c_fidtf " \
    "fid_inception.a_clean fid_inception.c_clean tv_inception.c efficientnet_lite0.a64 efficientnet_lite0.c_native"
keep |= {f"{c}.input": golden[f"{c}.input"] for c in inputs.split()}
keep |= {"efficientnet_lite1.a64.features": lite(1, 240, golden["image_a"]), "efficientnet_lite2.a64.features": lite(2, 260, golden["image_a"])}
np.savez_compressed(f"{out}/extractors.npz", **{k: v if v.dtype == np.uint8 else v.astype(np.float32) for k, v in keep.items()})
