/* stat: times exact neighbours, k-means and the Frechet distance on random rows:
 * "what<tab>seconds<tab>detail" lines for stat.sh and gpu.sh.  usage: stat [BACKEND] knn N D K |
 * kmeans N D K ROUNDS | frechet D */
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/rng.h"
#include "lib/stat/frechet.h"
#include "lib/stat/kmeans.h"
#include "lib/stat/moments.h"
#include "lib/stat/pair.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct backend *device;               /* NULL: the processor */

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct rows { float *x; int d; };            /* x[n][d] */

static void make_unit(void *ctx, int64_t i, int worker)
{
	const struct rows *to = ctx;
	float *row = to->x + i * to->d;
	struct rng r = rng_at(1, (uint64_t)i);

	(void)worker;
	for (int k = 0; k < to->d; k++) row[k] = (float)rng_normal(&r);
	pair_scale(row, to->d, 1 / sqrt(pair_square(row, to->d)));
}

/* Rows of length 1, [n][d], in random directions; NULL: see why(). */
static float *unit_rows(int n, int d)
{
	struct rows rows = { mem_big((size_t)n * (size_t)d, sizeof *rows.x, "rows"), d };

	if (rows.x) par_for(n, &rows, make_unit);
	return rows.x;
}

static int take(void *ctx, int64_t first, int n, const uint32_t *at, const double *distance)
{
	(void)ctx, (void)first, (void)n, (void)at, (void)distance;
	return 0;
}

static int bench_knn(int n, int d, int k)
{
	float *x = unit_rows(n, d);
	if (!x) return -1;
	struct knn_set set = knn_rows("rows", x, n, d);
	struct knn job = { .base = &set,
		.query = &set,
		.metric = KNN_COSINE,
		.k = k,
		.others = true,
		.device = device,
		.take = take };
	double start = now(), cpu = (double)clock() / CLOCKS_PER_SEC;

	if (knn_measure(&set, job.metric) || knn_search(&job, 0, n)) return -1;
	double t = now() - start;
	cpu = (double)clock() / CLOCKS_PER_SEC - cpu;
	printf("knn %dx%d k%d\t%.3f\t%.2f s of CPU, %.0f GFLOP/s, a row %.0f pairs in 16 by 8 "
		"bits, "
	       "%.0f in 16 by 16 and %.1f in double; %" PRId64 " rows again\n",
		n, d, k, t, cpu, 2e-9 * n * n * d / t, (double)job.effort.halved / n,
		(double)job.effort.refined / n, (double)job.effort.measured / n, job.effort.again);
	free(set.norm);
	free(x);
	return 0;
}

static int bench_kmeans(int n, int d, int k, int rounds)
{
	float *x = unit_rows(n, d), *centres = mem_new((size_t)k * (size_t)d, sizeof *centres);
	struct kmeans job = {
		.k = k, .iterations = rounds, .restarts = 1, .seed = 1234, .device = device
	};
	double start = now(), cpu = (double)clock() / CLOCKS_PER_SEC;

	if (!x || kmeans_train(&job, x, n, d, centres)) return -1;
	printf("kmeans %dx%d k%d x%d\t%.3f\t%.2f s of CPU, objective %.1f\n", n, d, k, rounds,
		now() - start, (double)clock() / CLOCKS_PER_SEC - cpu, job.best.objective);
	free(centres);
	free(x);
	return 0;
}

/* Two Gaussians of full rank; the time is that of the distance alone. */
static int bench_frechet(int d)
{
	size_t w = (size_t)d;
	struct frechet f;
	double *mean[2], *cov[2];

	for (int s = 0; s < 2; s++) {
		struct moments m;
		float *x = unit_rows(2 * d + s, d);
		if (!x) return -1;
		mean[s] = mem_new(w, sizeof *mean[s]);
		cov[s] = mem_new(w * w, sizeof *cov[s]);
		if (moments_open(&m, d)) return -1;
		for (int i = 0; i < d; i++) pair_scale(x + (size_t)i * w, d, i % 7 + s);
		moments_add(&m, x, 2 * d + s);
		if (moments_end(&m, mean[s], cov[s])) return -1;
		moments_close(&m);
		free(x);
	}
	double start = now();
	if (frechet_distance(&f, d, mean[0], cov[0], mean[1], cov[1])) return -1;
	printf("frechet %d\t%.3f\tvalue %.6f\n", d, now() - start, f.distance);
	for (int s = 0; s < 2; s++) {
		free(mean[s]);
		free(cov[s]);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int n[4] = { 0 }, bad = -1;

	blas_start(argv);
	if (argc > 1 && (!strncmp(argv[1], "cuda-", 5) || !strcmp(argv[1], "ref"))) {
		if (!(device = backend_new(argv[1], 0))) {
			fprintf(stderr, "stat: %s\n", backend_why());
			return 1;
		}
		argc--, argv++;
	}
	for (int i = 2; i < argc && i < 6; i++) n[i - 2] = atoi(argv[i]);
	if (argc == 1)
		bad = bench_knn(8000, 2048, 50) || bench_kmeans(20000, 2048, 500, 5) ||
				bench_frechet(2048)
			? -1
			: 0;
	else if (!strcmp(argv[1], "knn") && argc == 5) bad = bench_knn(n[0], n[1], n[2]);
	else if (!strcmp(argv[1], "kmeans") && argc == 6)
		bad = bench_kmeans(n[0], n[1], n[2], n[3]);
	else if (!strcmp(argv[1], "frechet") && argc == 3) bad = bench_frechet(n[0]);
	else fail("usage: stat [BACKEND] [knn N D K | kmeans N D K ROUNDS | frechet D]");
	backend_free(device);
	if (bad) fprintf(stderr, "stat: %s\n", why());
	return bad ? 1 : 0;
}
