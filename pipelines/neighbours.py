"""Neighbours found by another program, as text for `ic-store load`: neighbours.py FEATURES.mdb K.  The store of f32 rows
is read as ic-store(5) and ic-rows(5) say; here numpy searches, faiss may do it in three lines."""
import lmdb, struct, sys
import numpy as np

store, k = lmdb.open(sys.argv[1], subdir=False, readonly=True, lock=False, max_dbs=2), int(sys.argv[2])
meta, data = store.open_db(b"meta", create=False), store.open_db(b"data", create=False)
with store.begin(buffers=True) as t:
    _, kind, width, _, _, root, labelled, _ = struct.unpack_from("<8sIIqQQII", t.get(b"head", db=meta))
    ident = struct.unpack_from("<Q", t.get(b"end", db=meta), 8)[0]
    blocks = [(block, struct.unpack_from("<I", block)[0]) for _, block in t.cursor(data)]
    keys = np.concatenate([np.frombuffer(block, "<u8", n, 16) for block, n in blocks])
    x = np.concatenate([np.frombuffer(block, "<f4", n * width, -(-(16 + (8 + 4 * labelled) * n) // 16) * 16)
                        for block, n in blocks]).reshape(-1, width).astype(np.float64)
assert kind == 2, "rows that are not f32"

x /= np.linalg.norm(x, axis=1, keepdims=True)
print(f"#ic-rows\t1\n#kind\tneighbours\n#type\tnear\n#width\t{k}\n#from\t{ident:016x}\n#root\t{root or ident:016x}")
print("#meta\tmetric=cosine\n#key\tvalues")
for i, row in enumerate(x):
    d = ((x - row) ** 2).sum(1)
    d[i] = np.inf
    near = np.argsort(d, kind="stable")[:k]
    print(keys[i], *keys[near], *(f"{v:.9g}" for v in np.sqrt(d[near])), sep="\t")
print("#end")
