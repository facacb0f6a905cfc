/* check-knn: searches large enough for guesses, some of them wrong, against all distances in
 * double. */
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/rng.h"
#include "lib/stat/knn.h"
#include "tests/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 6000, M = 1000, WIDTH = 12, K = 50, FIRST = 1000 };

struct found { uint32_t at[N * K]; double distance[N * K]; };

static float *rows(int n, uint64_t seed)
{
	float *x = mem_new((size_t)n * WIDTH, sizeof *x);
	struct rng r = rng_at(seed, 0);

	for (int i = 0; i < n * WIDTH; i++) x[i] = (float)rng_normal(&r);
	return x;
}

static int take(void *ctx, int64_t first, int n, const uint32_t *at, const double *distance)
{
	struct found *f = ctx;

	memcpy(f->at + first * K, at, (size_t)n * K * sizeof *at);
	memcpy(f->distance + first * K, distance, (size_t)n * K * sizeof *distance);
	return 0;
}

static struct knn_effort search(const struct knn_set *base, const struct knn_set *query,
	enum knn_metric metric, size_t memory, int64_t first, struct found *f)
{
	struct knn job = { .base = base, .query = query, .metric = metric, .k = K,
		.others = base == query, .memory_bytes = memory, .take = take, .ctx = f };

	must(!knn_search(&job, first, query->count));
	return job.effort;
}

/* What is compared: rows in double, of norm 1 for cosines. */
static double *wide(const float *x, int n, enum knn_metric metric)
{
	double *w = mem_new((size_t)n * WIDTH, sizeof *w);

	for (int i = 0; i < n; i++) {
		double s = 0;
		for (int j = 0; j < WIDTH; j++)
			s += (double)x[i * WIDTH + j] * (double)x[i * WIDTH + j];
		double by = metric == KNN_COSINE ? 1 / sqrt(s) : 1;
		for (int j = 0; j < WIDTH; j++) w[i * WIDTH + j] = (double)x[i * WIDTH + j] * by;
	}
	return w;
}

static double distance(enum knn_metric metric, const double *x, const double *y)
{
	double s = 0;

	for (int j = 0; j < WIDTH; j++)
		s += metric == KNN_IP ? -x[j] * y[j] : (x[j] - y[j]) * (x[j] - y[j]);
	return metric == KNN_IP ? s : sqrt(s);
}

/* Rows whose neighbours are not theirs: another distance, no order, or a nearer row left out. */
static int wrong_rows(const double *x, const double *y, int n, bool others, enum knn_metric metric,
	const struct found *f)
{
	int wrong = 0;

	for (int i = 0; i < n; i++) {
		const uint32_t *at = f->at + i * K;
		const double *d = f->distance + i * K;
		int nearer = 0, bad = 0;
		for (int c = 0; c < K; c++) {
			double true_d = distance(metric, x + i * WIDTH, y + at[c] * WIDTH);
			bad |= fabs(d[c] - true_d) > 1e-7 || (c && d[c] < d[c - 1]) ||
				(others && at[c] == (uint32_t)i);
		}
		for (int o = 0; o < N; o++)
			nearer += !(others && o == i) &&
				distance(metric, x + i * WIDTH, y + o * WIDTH) < d[K - 1] - 1e-7;
		wrong += bad || nearer >= K;
	}
	return wrong;
}

/* Returns how many guesses were wrong. */
static int64_t check(const float *x, const float *queries, enum knn_metric metric, const char *name)
{
	struct found *f = mem_new(2, sizeof *f);
	struct knn_set base = knn_rows("base", x, N, WIDTH);
	struct knn_set query = knn_rows("query", queries, M, WIDTH);
	double *y = wide(x, N, metric), *q = wide(queries, M, metric);

	must(!knn_measure(&base, metric) && !knn_measure(&query, metric));
	struct knn_effort e = search(&base, &base, metric, 0, 0, f);
	ok(!wrong_rows(y, y, N, true, metric, f), "%s: among one set", name);
	ok(e.again < N / 100, "%s: %d guesses were wrong", name, (int)e.again);
	par_set_threads(1);
	search(&base, &base, metric, 1, 0, f + 1);
	par_set_threads(2);
	ok(!memcmp(f, f + 1, sizeof *f), "%s: one thread and little memory find the same", name);
	memset(f[1].at + FIRST * K, 0, (N - FIRST) * K * sizeof *f->at);
	e.again += search(&base, &base, metric, 0, FIRST, f + 1).again;
	ok(!memcmp(f, f + 1, sizeof *f), "%s: so does a search from row %d on", name, FIRST);
	search(&base, &query, metric, 0, 0, f);
	ok(!wrong_rows(q, y, M, false, metric, f), "%s: for queries", name);
	free(base.norm);
	free(query.norm);
	free(f);
	free(y);
	free(q);
	return e.again;
}

/* Ranges of a set, of fewer rows than k, some more, and all: what was found among their own rows
 * first is kept beside the others. */
static void check_ranges(const float *x)
{
	enum { FEW = 300 };
	static const int sizes[] = { 1, 7, K - 1, K, K + 1, K + 2, 99 };
	struct found *f = mem_new(2, sizeof *f);
	struct knn_set base = knn_rows("base", x, FEW, WIDTH);
	struct knn job = { .base = &base, .query = &base, .metric = KNN_L2, .k = K,
		.others = true, .take = take, .ctx = f };

	must(!knn_measure(&base, KNN_L2) && !knn_search(&job, 0, FEW));
	job.ctx = f + 1;
	for (size_t i = 0; i < LEN(sizes); i++) {
		memset(f + 1, 0, sizeof *f);
		for (int at = 0, n = sizes[i]; at < FEW; at += n)
			must(!knn_search(&job, at, FEW - at < n ? FEW : at + n));
		ok(!memcmp(f, f + 1, sizeof *f), "%d rows at a time find the same", sizes[i]);
	}
	free(base.norm);
	free(f);
}

int main(void)
{
	float *x = rows(N, 1), *queries = rows(M, 2);
	int64_t again = check(x, queries, KNN_COSINE, "cosine");

	again += check(x, queries, KNN_L2, "l2");
	again += check(x, queries, KNN_IP, "ip");
	check_ranges(x);
	ok(again > 0, "some guesses were wrong");
	free(x);
	free(queries);
	return done_testing();
}
