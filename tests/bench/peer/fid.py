"""The peer of tests/bench/fid.c: the Frechet distance of two .npz of statistics as pytorch-fid computes it, by scipy's
sqrtm of the product of the covariances; prints wall seconds, CPU seconds and the value."""
import sys, time
import numpy as np
from scipy import linalg

(m1, s1), (m2, s2) = ((z["mu"], z["sigma"]) for z in map(np.load, sys.argv[1:3]))
wall, cpu = time.perf_counter(), time.process_time()
root = linalg.sqrtm(s1 @ s2)
f = ((m1 - m2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * np.trace(root.real)
print(f"{time.perf_counter() - wall:.2f}\t{time.process_time() - cpu:.2f}\t{f:.9f}")
