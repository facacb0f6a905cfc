"""Packs the StyleGAN2 golden cases (computed with the reference PyTorch implementation in float64) into one small safetensors file a
network: python3 stylegan2.py FOLDER_OF_CASES OUT.  Needs numpy.  Metadata: the configuration, and of each input of a case its name, fill
and shape.  Arrays are flat, of more than THIN numbers every STRIDE-th is kept; [sum, norm, dot] under NAME~ where the cases have no more."""
import json, sys

import numpy as np

from safetensors import save

THIN, STRIDE = 1024, 7


def pack(path, tensors, meta):
    save(path + ".safetensors", [(k, np.float64(x)) for k, x in tensors.items()], meta, align=8)


def thin(a):
    a = np.ravel(a)
    return a[::STRIDE] if a.size > THIN else a


def shapes(net, j, tensors):
    for i, (name, shape) in enumerate(j["params"]):
        tensors[f"shape.{net}.{name}"] = np.array([i] + shape, float)
    for name, shape in j["buffers"]:
        tensors[f"shape.{net}.{name}"] = np.array([-1] + shape, float)


def tiny(folder, out):
    nets = json.load(open(folder + "/tiny.json"))["nets"]
    z = np.load(folder + "/tiny.npz")
    for net, n in nets.items():
        t, meta = {}, {k: str(v) for k, v in n["cfg"].items()}
        shapes("G", n["G"], t)
        shapes("D", n["D"], t)
        for c in n["cases"]:
            group = c["id"].split(".", 1)[1]
            if group == "g6d":
                continue
            for name, i in c["inputs"].items():
                assert "put" not in i and i.get("scale", 1) == 1
                meta[f"{group}.{name}"] = " ".join([i["name"], i["fill"]] + [str(d) for d in i["shape"]])
            for k, v in c["params"].items():
                meta[f"{group}.{k}"] = str(v)
            for name, o in c["outputs"].items():
                if name.startswith(("const.", "fake.")) or name in ("w_avg0", "w_avg2"):
                    continue
                if "at" in o:
                    t[f"{group}.{name}"] = thin(z[c["id"]][o["at"]:o["at"] + int(np.prod(o["shape"]))])
                else:
                    assert o["probe"]["name"] == f"probe/{c['id']}.{name}"
                    t[f"{group}.{name}~"] = np.array([o["sum"], o["norm"], o["probe"]["dot"]])
        pack(f"{out}/{net}", t, meta)


def full(folder, out):
    j = json.load(open(folder + "/full128.json"))
    z = np.load(folder + "/full128.npz")
    t, meta = {}, {k: str(v) for k, v in j["meta"]["cfg"].items()}
    shapes("G", j["G"], t)
    shapes("D", j["D"], t)
    for name, i in j["inputs"].items():
        meta[name] = " ".join([i["name"], i["fill"]] + [str(d) for d in i["shape"]])
    for k in j["meta"]:
        if k.endswith("key_prefix"):
            meta[k] = j["meta"][k]
    for name in "w", "img", "logit_img", "logit_x", "G.img.b4", "G.img.b8", "G.img.b16":
        a = np.ravel(z[name + "_fp64"])
        t[name] = a[::97] if a.size > 8192 else a
    pack(f"{out}/full128", t, meta)


def train(folder, out):
    for c in json.load(open(folder + "/train.json"))["cases"]:
        t, meta = {}, {k: str(v) for k, v in c["meta"].items() if not isinstance(v, dict)}
        shapes("G", c["G"], t)
        shapes("D", c["D"], t)
        order = {net: [name for name, _ in c[net]["params"]] for net in "GD"}

        def rows(net, stats):
            return np.array([(stats[name] + [0] * 8)[:8] for name in order[net]])

        for i, step in enumerate(c["steps"]):
            for phase, p in step["phases"].items():
                t[f"it{i}.{phase}.grad"] = rows(phase[0], p["grad"])
                for r, one in enumerate(p["rounds"]):
                    for k, v in one.items():
                        if k == "cutoff":
                            meta[f"it{i}.{phase}.r{r}"] = str(v)
                        else:
                            t[f"it{i}.{phase}.r{r}.{k}"] = np.ravel(v)
            for k in ("G_after", "G_v", "D_after", "D_v"):
                t[f"it{i}.{k}"] = rows(k[0], step[k])
            t[f"it{i}.EMA_after"] = rows("G", step["EMA_after"])
            t[f"it{i}.w_avg"] = np.ravel(step["w_avg"])
            t[f"it{i}.pl_mean"] = np.array([step["pl_mean"]])
        pack(f"{out}/{c['meta']['case']}", t, meta)


tiny(sys.argv[1], sys.argv[2])
train(sys.argv[1], sys.argv[2])
full(sys.argv[1], sys.argv[2])
