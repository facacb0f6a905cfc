"""tests/golden/stat.safetensors from the reference vectors of knn, k-means and the Frechet distance.

usage: stat.py FOLDER, which holds knn/{knn,kmeans}.{json,npz} and metrics/frechet.{json,npz}: neighbours by direct differences in
double, k-means as faiss 1.7.3 ran it, Frechet distances with 50 digits.  Never run by `make check`."""
import json, pathlib, struct, sys
import numpy as np

here = pathlib.Path(sys.argv[1])
out = {}

def put(name, a, dtype):
    b = np.ascontiguousarray(a, dtype)
    assert np.array_equal(b.astype("f8"), np.asarray(a, "f8"), equal_nan=True), name
    out[name] = b

z = np.load(here / "knn/knn.npz")
put("knn.x", z["x"], "f4")
put("knn.labels", z["labels"], "u4")
put("knn.ids", z["ids"], "u2")
put("knn.radius5", z["dist"][:, 4], "f8")
put("knn.radius50", z["dist"][:, 49], "f8")
put("knn.agreement", [j for k in ("5", "50") for j in json.load(open(here / "knn/knn.json"))["main"]["label_agreement"][k]], "u4")
for case in "six", "same20":
    put(f"knn.{case}.x", z[case + ".x"], "f4")
    put(f"knn.{case}.ids", z[case + ".ids"], "u2")
    put(f"knn.{case}.dist", z[case + ".dist"], "f8")
for case in "six_k6", "nan", "zero", "inf":
    if case + ".x" in z: put(f"knn.{case}.x", z[case + ".x"], "f4")

z = np.load(here / "knn/kmeans.npz")
j = json.load(open(here / "knn/kmeans.json"))
for name in "x", "xu", "xdup", "xten": put("kmeans." + name, z[name], "f4")
for c in j["cases"]:
    i = c["id"]
    if c.get("expect"): continue
    put(f"kmeans.{i}.init", z[i + ".init"], "u4")
    put(f"kmeans.{i}.centres", z[i + ".centroids64"], "f8")
    put(f"kmeans.{i}.assign", z[i + ".assign"], "u2")
    put(f"kmeans.{i}.nearest", z[i + ".nearest"], "u2")
    put(f"kmeans.{i}.objective", c["objective_double"], "f8")
    put(f"kmeans.{i}.splits", c["nsplit"], "u4")
    if i + ".subsample" in z: put(f"kmeans.{i}.subsample", z[i + ".subsample"], "u4")
put("kmeans.near.rows", z["near.rows"], "f4")
put("kmeans.near.centres", z["near.centroids"], "f4")
put("kmeans.near.nearest", j["nearest_rows"]["nearest"], "u4")
put("kmeans.near.distinct", j["nearest_rows"]["distinct"], "u4")
put("mt.seed", [m["seed"] for m in j["mt19937"]], "u4")
put("mt.permutation", [m["rand_perm_20"] for m in j["mt19937"]], "u4")

z = np.load(here / "metrics/frechet.npz")
j = json.load(open(here / "metrics/frechet.json"))
for name in z:
    if name.startswith("set_"): put("frechet." + name, z[name], "f4")
    if name.startswith("given."): put("frechet." + name, z[name], "f8")
for c in j["cases"]:
    put("frechet.%s.%s.%s" % (c["id"], c["x"], c["y"]),
        [c["fid"], c["mean_term"], c["tr1"], c["tr2"], c["tr_sqrt"], c["rank1"], c["rank2"]], "f8")
for c in j["given"]: put("frechet.given.%s.fid" % c["id"], [c["fid"]], "f8")

names = {"float32": "F32", "float64": "F64", "uint16": "U16", "uint32": "U32"}
head, at = {}, 0
for name, a in out.items():
    head[name] = {"dtype": names[a.dtype.name], "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
    at += a.nbytes
text = json.dumps(head, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)
with open(pathlib.Path(__file__).parent.parent / "stat.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text)
    for a in out.values(): f.write(a.tobytes())
