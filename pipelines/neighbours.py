"""Neighbours found by another program, as text for `ic-store load`: neighbours.py FEATURES.npy K FROM ROOT, where FROM and
ROOT are ids that `ic-store ls` shows and row i has key i.  Here numpy searches; faiss may do it in three lines."""
import sys
import numpy as np
x, k = np.load(sys.argv[1]).astype(np.float64), int(sys.argv[2])
x /= np.linalg.norm(x, axis=1, keepdims=True)
print(f"#ic-rows\t1\n#kind\tneighbours\n#type\tnear\n#width\t{k}\n#from\t{sys.argv[3]}\n#root\t{sys.argv[4]}")
print("#meta\tmetric=cosine\n#key\tvalues")
for i, row in enumerate(x):
    d = ((x - row) ** 2).sum(1)
    d[i] = np.inf
    near = np.argsort(d, kind="stable")[:k]
    print(i, *near, *(f"{v:.9g}" for v in np.sqrt(d[near])), sep="\t")
print("#end")
