"""The peers of tests/bench/stat.c: faiss and scipy on the same shapes; the same arguments and output lines."""
import os, sys, time
import numpy as np

what, n = sys.argv[1], [int(a) for a in sys.argv[2:]]
threads = int(os.environ.get("THREADS", len(os.sched_getaffinity(0))))

def unit(n, d):
    x = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)

def gauss(d, s):
    x = unit(2 * d + s, d).astype(np.float64)
    x[:d] *= (np.arange(d) % 7 + s)[:, None]
    return x.mean(0), np.cov(x, rowvar=False)

if what == "frechet":
    import scipy.linalg
    (m1, s1), (m2, s2) = gauss(n[0], 0), gauss(n[0], 1)
    t = time.perf_counter()
    root = scipy.linalg.sqrtm(s1 @ s2)
    f = ((m1 - m2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * np.trace(root.real)
    print(f"frechet {n[0]}\t{time.perf_counter() - t:.3f}\tscipy {scipy.__version__} sqrtm, value {f:.6f}")
else:
    import faiss
    faiss.omp_set_num_threads(threads)
    x = unit(n[0], n[1])
    t = time.perf_counter()
    if what == "knn":
        index = faiss.IndexFlatL2(n[1])
        index.add(x)
        index.search(x, n[2] + 1)
        t = time.perf_counter() - t
        print(f"knn {n[0]}x{n[1]} k{n[2]}\t{t:.3f}\tfaiss {faiss.__version__} IndexFlatL2, {2e-9 * n[0] * n[0] * n[1] / t:.0f} GFLOP/s")
    else:
        km = faiss.Kmeans(n[1], n[2], niter=n[3], max_points_per_centroid=n[0], seed=1234)
        km.train(x)
        print(f"kmeans {n[0]}x{n[1]} k{n[2]} x{n[3]}\t{time.perf_counter() - t:.3f}\tfaiss {faiss.__version__}, objective {km.obj[-1]:.1f}")
