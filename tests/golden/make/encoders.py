"""tests/golden/encoders.npz: what CLIP's ResNet-50 and ViT-B/32 and DINOv2's ViT-S/14 give for pictures of extractors.npz, in float64, with
weights that are a formula of their names, and a part of the inputs that Pillow and torchvision make of the pictures.
Usage: encoders.py TABLES EXTRACTORS OUT [check]
TABLES is tests/golden/nets, EXTRACTORS extractors.npz.  check: also with open_clip_torch and timm, whose networks must agree."""
import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
from PIL import Image

import formula

tables, extractors, out = sys.argv[1:4]
CLIP = (.48145466, .4578275, .40821073), (.26862954, .26130258, .27577711)
IMAGENET = (.485, .456, .406), (.229, .224, .225)


def weights(table, gain):
    w = {}
    for line in open(f"{tables}/{table}.tsv"):
        name, _, shape = line.split()
        if not name.endswith("num_batches_tracked"):
            shape = [] if shape == "scalar" else [int(d) for d in shape.split("x")]
            w[name] = torch.from_numpy(formula.weights(f"{table}/{name}", shape, gain)).double()
    return w


def norm(w, x, name, eps):
    return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], eps)


def linear(w, x, name):
    return F.linear(x, w[name + ".weight"], w[name + ".bias"])


def heads(x, n):
    """[tokens, width] -> [n, tokens, width / n]"""
    return x.view(len(x), n, -1).transpose(0, 1)


def attention(q, k, v, n):
    q, k, v = (heads(x, n) for x in (q, k, v))
    p = torch.softmax(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, -1)
    return (p @ v).transpose(0, 1).flatten(1)


def vitb32(w, x):
    w = {k.removeprefix("visual."): v for k, v in w.items()}
    x = F.conv2d(x, w["conv1.weight"], stride=32)[0].flatten(1).T
    x = norm(w, torch.cat([w["class_embedding"][None], x]) + w["positional_embedding"], "ln_pre", 1e-5)
    for i in range(12):
        b = f"transformer.resblocks.{i}."
        y = norm(w, x, b + "ln_1", 1e-5)
        qkv = F.linear(y, w[b + "attn.in_proj_weight"], w[b + "attn.in_proj_bias"]).chunk(3, 1)
        x = x + linear(w, attention(*qkv, 12), b + "attn.out_proj")
        y = linear(w, norm(w, x, b + "ln_2", 1e-5), b + "mlp.c_fc")
        x = x + linear(w, y * torch.sigmoid(1.702 * y), b + "mlp.c_proj")
    return norm(w, x[0], "ln_post", 1e-5) @ w["proj"]


def rn50(w, x):
    w = {k.removeprefix("visual."): v for k, v in w.items()}

    def conv(x, c, n, stride=1):
        x = F.conv2d(x, w[c + ".weight"], stride=stride, padding=w[c + ".weight"].shape[2] // 2)
        return F.batch_norm(x, w[n + ".running_mean"], w[n + ".running_var"], w[n + ".weight"], w[n + ".bias"], eps=1e-5)

    for i in 1, 2, 3:
        x = F.relu(conv(x, f"conv{i}", f"bn{i}", 2 if i == 1 else 1))
    x = F.avg_pool2d(x, 2)
    for s, blocks in enumerate((3, 4, 6, 3)):
        for i in range(blocks):
            b, stride = f"layer{s + 1}.{i}.", 2 if s and not i else 1
            y = F.relu(conv(x, b + "conv1", b + "bn1"))
            y = F.avg_pool2d(F.relu(conv(y, b + "conv2", b + "bn2")), stride)
            y = conv(y, b + "conv3", b + "bn3")
            if not i:
                x = conv(F.avg_pool2d(x, stride), b + "downsample.0", b + "downsample.1")
            x = F.relu(y + x)
    x = x[0].flatten(1).T
    x = torch.cat([x.mean(0, keepdim=True), x]) + w["attnpool.positional_embedding"]
    q, k, v = (linear(w, y, f"attnpool.{n}_proj") for n, y in (("q", x[:1]), ("k", x), ("v", x)))
    return linear(w, attention(q, k, v, 32), "attnpool.c_proj")[0]


def positions(w, side):
    """A grid of 37 x 37 to side x side, by a factor of (side + 0.1) / 37."""
    p = w["pos_embed"][0]
    grid = F.interpolate(p[1:].T.view(1, -1, 37, 37), scale_factor=(side + 0.1) / 37, mode="bicubic")
    assert grid.shape[2:] == (side, side)
    return torch.cat([p[:1], grid[0].flatten(1).T])


def vits14(w, x):
    x = F.conv2d(x, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=14)
    side = x.shape[2]
    x = torch.cat([w["cls_token"][0], x[0].flatten(1).T]) + positions(w, side)
    for i in range(12):
        b = f"blocks.{i}."
        qkv = linear(w, norm(w, x, b + "norm1", 1e-6), b + "attn.qkv").chunk(3, 1)
        x = x + w[b + "ls1.gamma"] * linear(w, attention(*qkv, 6), b + "attn.proj")
        y = F.gelu(linear(w, norm(w, x, b + "norm2", 1e-6), b + "mlp.fc1"))
        x = x + w[b + "ls2.gamma"] * linear(w, y, b + "mlp.fc2")
    return norm(w, x[0], "norm", 1e-6)


def prepare(v, squash):
    im = Image.fromarray(v)
    if squash:
        im = im.resize((224, 224), Image.BICUBIC)
    else:
        im = TF.center_crop(TF.resize(im, 224, TF.InterpolationMode.BICUBIC), 224)
    mean, std = (torch.tensor(t, dtype=torch.float64)[:, None, None] for t in (IMAGENET if squash else CLIP))
    return ((torch.from_numpy(np.array(im)).double().permute(2, 0, 1) / 255 - mean) / std)[None]


def others(table, w):
    """The same network by others."""
    if table == "dinov2_vits14":
        import timm
        m = timm.create_model("vit_small_patch14_dinov2.lvd142m", pretrained=False, img_size=224, num_classes=0).double()
        w = dict(w, pos_embed=positions(w, 16)[None])
        w.pop("mask_token")
    else:
        import open_clip
        m = open_clip.create_model("RN50" if table == "clip_rn50_visual" else "ViT-B-32", force_quick_gelu=True, precision="fp32").double().visual
        w = {k.removeprefix("visual."): v for k, v in w.items()}
    missing = m.load_state_dict(w, strict=False)
    assert not missing.unexpected_keys and all(k.endswith("num_batches_tracked") for k in missing.missing_keys), missing
    return m.eval()


pictures, golden = np.load(extractors), {}
at = [i for i in range(224) if i < 4 or i >= 220 or i % 8 == 0]
for table, net, gain in ("clip_rn50_visual", rn50, 1), ("clip_vitb32_visual", vitb32, 1), ("dinov2_vits14", vits14, 1):
    w = weights(table, gain)
    for which in "ce":
        x = prepare(pictures[f"image_{which}"], net is vits14)
        with torch.no_grad():
            f = net(w, x)
            if sys.argv[4:]:
                other = others(table, w)(x)[0]
                print(f"{table} {which}: off by {(f - other).norm() / f.norm():.1e}")
        golden[f"{table}.{which}.features"] = f.numpy().astype(np.float32)
        if net is not rn50:
            golden[f"{table}.{which}.input"] = x[0][:, at][:, :, at].numpy().astype(np.float32)
    a, b = (golden[f"{table}.{k}.features"] for k in "ce")
    print(f"{table}: cosine of the two pictures {a @ b / np.linalg.norm(a) / np.linalg.norm(b):.4f}")
np.savez_compressed(out, **golden)
