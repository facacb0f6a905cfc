"""The peer of ic-knn in knn.sh: knn.py make random|clustered N D X.npy | search X.npy K IDS.npy | compare IDS.npy
NEAR.safetensors X.npy.
random: unit rows in random directions, the worst case of bounds; clustered: non-negative rows about centres, as pooled features are."""
import json, os, sys, time
import numpy as np

def make(kind, n, d, path):
    g, n, d = np.random.default_rng(0), int(n), int(d)
    x = g.standard_normal((n, d), dtype=np.float32)
    if kind == "clustered":
        centres = g.standard_normal((max(n // 100, 1), d), dtype=np.float32)
        x = np.maximum(centres[g.integers(len(centres), size=n)] + 0.7 * x, 0)
    np.save(path, x / np.linalg.norm(x, axis=1, keepdims=True))

def search(path, k, ids):
    import faiss
    faiss.omp_set_num_threads(int(os.environ.get("THREADS", len(os.sched_getaffinity(0)))))
    x, k = np.load(path), int(k)
    index = faiss.IndexFlatL2(x.shape[1])
    index.add(x)
    cpu, wall = time.process_time(), time.perf_counter()
    found = index.search(x, k + 1)[1]
    print(f"{time.perf_counter() - wall:.2f}\t{time.process_time() - cpu:.2f}")
    np.save(ids, np.array([[j for j in row if j != i][:k] for i, row in enumerate(found)]))

# Rows with another set, and those of them whose last neighbour is farther in ours, in double.
def compare(ids, near, path):
    theirs, b = np.load(ids), open(near, "rb").read()
    n = int.from_bytes(b[:8], "little")
    t = json.loads(b[8:8 + n])["ids"]
    ours = np.frombuffer(b[8 + n:][slice(*t["data_offsets"])], "<u4").reshape(t["shape"])
    x = np.load(path, mmap_mode="r")
    far = lambda i, js: ((x[js].astype(np.float64) - x[i].astype(np.float64)) ** 2).sum(1).max()
    other = [i for i in range(len(ours)) if set(ours[i].tolist()) != set(theirs[i].tolist())]
    print(len(other), sum(far(i, ours[i]) > far(i, theirs[i]) for i in other), sep="\t")

{"make": make, "search": search, "compare": compare}[sys.argv[1]](*sys.argv[2:])
