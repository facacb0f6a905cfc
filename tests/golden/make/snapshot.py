"""tests/golden/snapshot.pkl: the shape of a network snapshot of StyleGAN2-ADA in small: generator, discriminator and averaged generator of
8 pixels with the names and attributes of the published classes, as objects of torch_utils.persistence; snapshot.safetensors has the same
tensors.  tests/fuzz/corpus/weights/modules_*.pkl: a single module in protocols 2 and 4, and modules by hand, most of which must be refused.
Numbers are a formula of name and place.  Usage: snapshot.py OUT CORPUS (tests/golden, tests/fuzz/corpus/weights).  Needs torch."""
import pickle
import re
import struct
import sys
import types

import numpy as np
import torch
from torch import nn

import formula
from safetensors import save

out, corpus = sys.argv[1:]
SOURCE = '"""Generator architecture."""\n' + "raise SystemExit('source is not to be run')\n" * 8


def module(name, **content):
    sys.modules[name] = types.ModuleType(name)
    for key, value in content.items():
        value.__module__, value.__qualname__ = name, key
        setattr(sys.modules[name], key, value)


def _reconstruct_persistent_obj(meta):
    raise NotImplementedError


class EasyDict(dict):
    pass


module("torch_utils")
module("torch_utils.persistence", _reconstruct_persistent_obj=_reconstruct_persistent_obj)
module("dnnlib")
module("dnnlib.util", EasyDict=EasyDict)


class Persistent(nn.Module):
    """Attributes, tensors by shape, modules; weights of convolutions may be in the order of channels-last."""

    def __init__(self, kind, kwargs, attributes, parameters=(), buffers=(), modules=(), last=False):
        super().__init__()
        self.kind, self._init_args, self._init_kwargs = kind, (), kwargs
        self.__dict__.update(attributes)
        layout = torch.channels_last if last else torch.contiguous_format
        for key, shape in dict(parameters).items():
            x = None if shape is None else torch.zeros(shape)
            if x is not None:
                x = nn.Parameter(x.to(memory_format=layout) if x.dim() == 4 else x, requires_grad=False)
            self.register_parameter(key, x)
        for key, shape in dict(buffers).items():
            self.register_buffer(key, torch.zeros(shape))
        for key, inner in dict(modules).items():
            self.add_module(key, inner)

    def __reduce__(self):
        state = {k: v for k, v in self.__dict__.items() if k != "kind"}
        meta = dict(type="class", version=6, module_src=SOURCE, class_name=self.kind, state=state)
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,), None


Z, W, H, COLOURS, SIDE, CHANNELS = 5, 6, 7, 3, 8, {4: 4, 8: 3}


def dense(i, o, activation="linear", multiplier=1.0):
    return Persistent("FullyConnectedLayer", dict(activation=activation, lr_multiplier=multiplier),
                      dict(activation=activation, weight_gain=multiplier / np.sqrt(i), bias_gain=multiplier),
                      {"weight": (o, i), "bias": (o,)})


def layer(i, o, side, **kwargs):
    return Persistent("SynthesisLayer", kwargs, dict(resolution=side, up=kwargs.get("up", 1), use_noise=True, activation="lrelu",
                      conv_clamp=256, padding=1, act_gain=np.float64(2) ** 0.5),
                      {"weight": (o, i, 3, 3), "noise_strength": (), "bias": (o,)},
                      {"resample_filter": (4, 4), "noise_const": (side, side)}, {"affine": dense(W, i)}, last=side == SIDE)


def to_rgb(i):
    return Persistent("ToRGBLayer", dict(conv_clamp=256), dict(conv_clamp=256, weight_gain=1 / np.sqrt(i)),
                      {"weight": (COLOURS, i, 1, 1), "bias": (COLOURS,)}, modules={"affine": dense(W, i)}, last=True)


def synthesis_block(side):
    i, o = CHANNELS.get(side // 2, 0), CHANNELS[side]
    convs = {"conv0": layer(i, o, side, up=2)} if i else {}
    return Persistent("SynthesisBlock", dict(resolution=side), dict(in_channels=i, w_dim=W, resolution=side, img_channels=COLOURS,
                      is_last=side == SIDE, architecture="skip", use_fp16=side == SIDE, channels_last=False, num_conv=1 + bool(i),
                      num_torgb=1), {} if i else {"const": (o, 4, 4)}, {"resample_filter": (4, 4)},
                      {**convs, "conv1": layer(o, o, side), "torgb": to_rgb(o)})


def mapping(z, w, layers, average):
    fcs = {f"fc{k}": dense(w if k else z + w, w, "lrelu", 0.01) for k in range(layers)}
    return Persistent("MappingNetwork", EasyDict(num_layers=layers), dict(z_dim=z, c_dim=0, h_dim=H, w_dim=w, num_ws=4 if z else None,
                      num_layers=layers, w_avg_beta=0.995 if average else None), buffers={"w_avg": (w,)} if average else {},
                      modules={"embed_feats": dense(H, w), **fcs})


def generator():
    kwargs = EasyDict(mapping_kwargs=EasyDict(num_layers=2), synthesis_kwargs=EasyDict(
        channel_base=24, channel_max=4, num_fp16_res=4, conv_clamp=256))
    synthesis = Persistent("SynthesisNetwork", kwargs["synthesis_kwargs"], dict(w_dim=W, img_resolution=SIDE, img_resolution_log2=3,
                           img_channels=COLOURS, block_resolutions=[4, 8], num_ws=4), modules={f"b{s}": synthesis_block(s) for s in (4, 8)})
    return Persistent("Generator", dict(z_dim=Z, w_dim=W, c_dim=0, h_dim=H, img_resolution=SIDE, img_channels=COLOURS, **kwargs),
                      dict(z_dim=Z, c_dim=0, h_dim=H, w_dim=W, img_resolution=SIDE, img_channels=COLOURS, num_ws=4),
                      modules={"synthesis": synthesis, "mapping": mapping(Z, W, 2, True)})


def conv(i, o, k, bias=True, down=1):
    return Persistent("Conv2dLayer", dict(kernel_size=k, conv_clamp=256), dict(activation="lrelu", up=1, down=down, conv_clamp=256,
                      padding=k // 2, weight_gain=1 / np.sqrt(i * k * k), act_gain=np.sqrt(2)),
                      {"weight": (o, i, k, k), "bias": (o,) if bias else None}, {"resample_filter": (4, 4)}, last=True)


def discriminator():
    o = CHANNELS[4]
    first = Persistent("DiscriminatorBlock", dict(resolution=SIDE, conv_clamp=256), dict(in_channels=0, resolution=SIDE,
                       architecture="resnet", use_fp16=True, num_layers=4), buffers={"resample_filter": (4, 4)}, modules={"fromrgb": conv(COLOURS, 3, 1),
                       "conv0": conv(3, 3, 3), "conv1": conv(3, o, 3, down=2), "skip": conv(3, o, 1, bias=False, down=2)})
    last = Persistent("DiscriminatorEpilogue", dict(cmap_dim=o, mbstd_group_size=None), dict(in_channels=o, cmap_dim=o, resolution=4,
                      img_channels=COLOURS, architecture="resnet"), modules={
                      "mbstd": Persistent("MinibatchStdLayer", {}, dict(group_size=4, num_channels=1)), "conv": conv(o + 1, o, 3),
                      "fc": dense(16 * o, o, "lrelu"), "out": dense(o, o)})
    kwargs = dict(c_dim=0, h_dim=H, img_resolution=SIDE, img_channels=COLOURS, block_kwargs=EasyDict(freeze_layers=0),
                  epilogue_kwargs=EasyDict(mbstd_group_size=4), num_fp16_res=4, conv_clamp=256)
    return Persistent("Discriminator", kwargs, dict(c_dim=0, h_dim=H, img_resolution=SIDE, img_resolution_log2=3, block_resolutions=[8]),
                      modules={"b8": first, "mapping": mapping(0, o, 8, False), "b4": last})


def filled(key, net):
    for name, x in net.state_dict().items():
        x.copy_(torch.from_numpy((2 * formula.fractions(f"{key}.{name}", x.numel()) - 1).astype("float32")).view(x.shape))
    return net.eval()


nets = {"G": filled("G", generator()), "D": filled("D", discriminator()), "G_ema": filled("G_ema", generator())}
settings = EasyDict(class_name="training.dataset.ILSVRC2012_Dataset", path="coco", use_labels=False, xflip=True, resolution=SIDE)


def dump(path, content, protocol):
    """PyTorch's keys of storages are addresses in memory; here they count."""
    keys = {}
    with open(path, "wb") as f:
        f.write(re.sub(rb"(?<=\0\0\0)\d{14,15}(?=q)", lambda m: b"%0*d" % (len(m[0]), keys.setdefault(m[0], len(keys))),
                       pickle.dumps(content, protocol)))


dump(f"{out}/snapshot.pkl", dict(training_set_kwargs=settings, **nets, augment_pipe=None), 4)
save(f"{out}/snapshot.safetensors", [(f"{k}.{n}", x.numpy()) for k, net in nets.items() for n, x in net.state_dict().items()])

# One module, whose inner ones are PyTorch's own, one of them under two names and one None.
small = nn.Conv2d(2, 2, 2, bias=False)
small.weight = nn.Parameter(torch.arange(16.).view(2, 2, 2, 2).to(memory_format=torch.channels_last), requires_grad=False)
norm = nn.BatchNorm1d(1)
one = Persistent("One", {}, {"kinds": {"a": 1, "text": 'b"\n', "list": [1], "none": None, "half": 0.5, "big": 2**70, "inf": float("inf")}},
                 {"w": (2,)}, modules={"conv": small, "norm": norm, "again": small, "gone": None})
dump(f"{corpus}/modules_one.pkl", one, 2)
dump(f"{corpus}/modules_snapshot.pkl", dict(training_set_kwargs=settings, G_ema=one, augment_pipe=None), 4)


def text(s, op=b"X"):
    s = s if isinstance(s, bytes) else s.encode()
    return op + struct.pack("<I", len(s)) + s


def pairs(**items):
    return b"}(" + b"".join(text(k) + v for k, v in items.items()) + b"u"


def reduce(name, *args):
    return b"c" + name.encode() + b"\n(" + b"".join(args) + b"tR"


def ints(*n):
    return b"(" + b"".join(b"J" + struct.pack("<i", k) for k in n) + b"t"


def storage(numel=4, magic=b"\x19", little=b"\x88"):
    """A legacy file of one storage of 1 2 3 4; numel is said to be its length."""
    pickles = (b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50" + magic, b"M\xe9\x03", pairs(little_endian=little),
               b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x04NtQ", b"]" + text("0") + b"a")
    return b"".join(b"\x80\x02" + p + b"." for p in pickles) + struct.pack("<q4f", numel, 1, 2, 3, 4)


def tensor(bytes_, shape=(2, 2), stride=(2, 1), at=0):
    return reduce("torch._utils\n_rebuild_tensor_v2", reduce("torch.storage\n_load_from_bytes", text(bytes_, b"B")), b"K" + bytes([at]),
                  ints(*shape), ints(*stride), b"\x89", reduce("collections\nOrderedDict"))


def persistent(parameters=b"}", modules=b"}", version=6, source=text(SOURCE), **attributes):
    state = pairs(_parameters=parameters, _buffers=b"}", _modules=modules, **attributes)
    return reduce("torch_utils.persistence\n_reconstruct_persistent_obj", pairs(
        type=text("class"), version=b"K" + bytes([version]), module_src=source, class_name=text("M"), state=state))


def weight(bytes_=storage(), **view):
    return persistent(pairs(w=tensor(bytes_, **view)))


def write(name, root, after=b""):
    with open(f"{corpus}/modules_{name}.pkl", "wb") as f:
        f.write(b"\x80\x02" + root + b"." + after)


system = reduce("os\nsystem", text("true"))
write("source", persistent(pairs(w=tensor(storage())), source=system))      # the one that is read
write("source_length", weight().replace(text(SOURCE)[:5], b"X\xff\xff\xff\x7f"))
write("source_bomb", weight().replace(text(SOURCE), b"".join(b"]q" + bytes([i]) + (b"(" + 9 * (b"h" + bytes([i - 1])) + b"e" if i else b"")
                                                             + b"0" for i in range(99)) + b"h\x62"))
write("cycle", persistent(modules=b"}q\0") + b"q\x010h\0" + text("a") + b"h\1s0h\1")
tree = persistent()
for i in range(25):
    tree = persistent(modules=pairs(a=tree + b"q" + bytes([i]), b=b"h" + bytes([i])), source=b"N")
write("unfold", tree)
write("attributes", persistent(a=b"}q\0" + text("a") + b"h\0s"))
write("system", persistent(pairs(w=system)))
write("other", persistent(modules=pairs(a=b"cm\nM\n)\x81" + pairs(_parameters=b"}", _buffers=b"}") + b"b")))
write("version", persistent(version=7))
write("stateless", reduce("torch_utils.persistence\n_reconstruct_persistent_obj", b"}"))
write("numel", weight(storage(numel=5)))
write("magic", weight(storage(magic=b"\x1a")))
write("bigendian", weight(storage(little=b"\x89")))
write("cut", weight(storage()[:-1]))
write("garbage", weight(b"\xffgarbage"))
write("nothing", weight(b""))
write("stride", weight(stride=(4, 1)))
write("offset", weight(at=1))
write("negative", weight(stride=(-2, 1)))
write("id", weight().replace(reduce("torch.storage\n_load_from_bytes", text(storage(), b"B")), text("0") + b"Q"))
write("twice", b"}(" + text("G") + weight() + text("G") + weight() + b"u")
write("after", weight(), b"N.")
write("none", pairs(training_set_kwargs=b"}", G=b"N", os=system))
write("augment", pairs(G=weight(), augment_pipe=weight()))                   # read, too
