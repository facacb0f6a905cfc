/* peak: the clock of benchmarks, and the rate of OpenBLAS's matrix product to hold others against.
 */
#ifndef IC_BENCH_PEAK_H
#define IC_BENCH_PEAK_H

#include "kernels/cpu/blas.h"

#include <omp.h>
#include <stdlib.h>
#include <time.h>

/* Seconds: of one thread by its own clock, so that other work on the machine does not count; of
 * more by the clock on the wall. */
static double peak_now(int threads)
{
	struct timespec t;

	clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* GFLOP/s of OpenBLAS's sgemm of 768, one on each thread. */
static double peak_sgemm(int threads)
{
	enum { M = 768 };
	size_t count = (size_t)threads * 3 * M * M;
	float *m = aligned_alloc(64, count * sizeof *m);
	double best = 1e9;

	if (!m) exit(1);
	for (size_t i = 0; i < count; i++) m[i] = (float)(i * 2654435761u % 1000) / 500 - 1;
	for (int i = 0; i < 40; i++) {
		double start = peak_now(threads);

#pragma omp parallel num_threads(threads)
		{
			float *a = m + (size_t)omp_get_thread_num() * 3 * M * M;
			float *b = a + M * M, *c = b + M * M;

			for (int k = 0; k < 4; k++)
				blas_sgemm(false, false, M, M, M, 1, a, M, b, M, 0, c, M);
		}
		double took = (peak_now(threads) - start) / 4;
		if (took < best) best = took;
	}
	free(m);
	return 2e-9 * M * M * M * threads / best;
}

#endif
