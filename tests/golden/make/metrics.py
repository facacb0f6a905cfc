"""tests/golden/metrics.safetensors from the reference vectors of the metrics beside the Frechet distance itself.

usage: metrics.py FOLDER, which holds {frechet,kid,prdc,is}.{json,npz}: influence values in double, kernel distances and counts in
exact arithmetic, Inception Scores in 80 bits.  The sets of frechet.npz are in stat.safetensors.  Never run by `make check`."""
import json, pathlib, sys

import numpy as np

import safetensors

here = pathlib.Path(sys.argv[1])
out = {}

def put(name, a, dtype):
    b = np.ascontiguousarray(a, dtype)
    assert np.array_equal(b.astype("f8"), np.asarray(a, "f8"), equal_nan=True), name
    out[name] = b

def load(name): return np.load(here / (name + ".npz")), json.load(open(here / (name + ".json")))

z, j = load("frechet")
for side in "AB": put("se.phi_" + side, z["se.phi_" + side], "f8")
put("se", [j["standard_error"][k] for k in ("fid", "se_A", "se_B", "se_both")], "f8")
put("half.order", z["half.perm"], "u4")
put("half", [j["half_split"][k] for k in ("fid", "corrected")], "f8")
put("infinity.size", j["infinity"]["sizes"], "u4")
put("infinity.fd", j["infinity"]["fids"], "f8")
put("infinity", [j["infinity"]["intercept"]], "f8")
for n in j["infinity"]["sizes"]: put(f"infinity.rows{n}", z[f"inf.rows{n}"], "u4")

# Expectation over all directions of 3 d (sorted projections' mean squared difference), and what 1000 directions spread.
a, b, draw = z["set_A"][:300].astype("f8"), z["set_B"].astype("f8"), np.random.default_rng(5)
cost = []
for _ in range(100):
    u = draw.standard_normal((64, 1000))
    u /= np.linalg.norm(u, axis=0)
    cost.append(3 * 64 * ((np.sort(a @ u, axis=0) - np.sort(b @ u, axis=0)) ** 2).mean(axis=0))
put("mind", [np.mean(cost), np.std(cost) / 1000 ** .5], "f8")

z, j = load("kid")
put("kid.x", z["subset_x"], "u4")
put("kid.y", z["subset_y"], "u4")
put("kid.values", j["subsets"]["values"], "f8")
put("kid", [j["full"]["value"], j["same_distribution"]["value"]], "f8")

z, j = load("prdc")
for name in sorted({c[side] for c in j["cases"] for side in ("real", "fake")}): put("prdc." + name, z[name], "f4")
for c in j["cases"]:
    put("prdc.%s.%s.%s" % (c["id"], c["real"], c["fake"]), [c["k"], c["compare"] == "<=", c["precision"][0], c["recall"][0],
        c["density"][0], c["coverage"][0]], "u4")

z, j = load("is")
for name in "normal", "extreme", "onehot", "same": put("is." + name, z["logits_" + name], "f4")
put("is.shuffle", z["shuffle"], "u4")
for c in j["cases"]: put("is.case." + c["id"], c["scores"] + [c["mean"], c["std"]], "f8")

safetensors.save(pathlib.Path(__file__).parent.parent / "metrics.safetensors", out.items())
