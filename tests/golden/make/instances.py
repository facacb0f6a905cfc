"""tests/golden/instances.npy, centres.npy and tests/fuzz/corpus/npy/dict_*.npy: stored instances as
the published code has them, a pickled dictionary in an array of objects, and such a k-means; prints
their lines of tests/golden/weightfiles.tsv.  Feature c of row r is ((31 r + c) mod 64) / 64 - 1/2.
Usage: instances.py GOLDEN CORPUS.  Needs numpy."""
import sys

import numpy as np

TYPES = {"<f4": "F32", "<f8": "F64", "<i8": "I64"}


def features(rows, width, dtype="float32"):
    r, c = np.indices((rows, width))
    return ((31 * r + c) % 64 / 64 - 0.5).astype(dtype)


def fnv1a(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = (h ^ b) * 0x100000001B3 % 2**64
    return h


def save(path, value, name=None):
    x = np.empty((), object)
    x[()] = value
    np.save(path, x)
    if name is None:
        return
    arrays = {k: np.asarray(v) for k, v in value.items() if k != "image_path"}
    print(f"{name}\taccept\t{len(arrays)}")
    for k, v in arrays.items():
        little = np.ascontiguousarray(v).astype(v.dtype.newbyteorder("<"))
        shape = ",".join(map(str, v.shape))
        print(f"{name}\ttensor\t{k.encode().hex()}\t{TYPES[little.dtype.str]} {shape}", end="\t")
        print(f"{fnv1a(little.tobytes()):016x}")


golden, corpus = sys.argv[1:]
save(f"{golden}/centres.npy", {"center_examples": np.array([[7], [0], [5], [7]])})
paths = [f"val/{i}.jpg" for i in range(4)]
labels = list(np.arange(4) % 3)
save(f"{golden}/instances.npy",
     {"instance_features": features(4, 1280), "labels": labels, "image_path": paths})
for name, value in {
    "scalars": {"instance_features": features(4, 6), "labels": labels, "image_path": paths},
    "numbers": {"instance_features": features(3, 5, "float64"), "labels": [2, 0, 1]},
    "array": {"instance_features": features(3, 5), "labels": np.array([[2], [0], [1]])},
    "fortran": {"instance_features": np.asfortranarray(features(4, 6)),
                "image_path": np.array(paths)},
    "big_endian": {"instance_features": features(4, 6, ">f8")},
}.items():
    save(f"{corpus}/dict_{name}.npy", value, f"npy/dict_{name}.npy")
