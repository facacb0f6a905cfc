/* check-cells: neighbours among the rows of near cells: with all cells they are the exact ones,
 * with few most of them, and how many is measured as it is. */
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/rng.h"
#include "lib/stat/cells.h"
#include "lib/stat/recall.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

enum { N = 7000, M = 900, WIDTH = 10, K = 20, GROUPS = 40, FEW = 2 };

struct found { int64_t rows; uint32_t at[N * K]; double distance[N * K]; };

static const char *const metric_name[] = { "cosine", "l2", "ip" };

/* About GROUPS points, which the seed does not move. */
static float *rows(int n, uint64_t seed)
{
	float *x = mem_new((size_t)n * WIDTH, sizeof *x);
	struct rng r = rng_at(seed, 0);

	for (int i = 0; i < n; i++) {
		struct rng group = rng_at(9, rng_below(&r, GROUPS));
		for (int j = 0; j < WIDTH; j++)
			x[i * WIDTH + j] =
				(float)(2 * rng_normal(&group) + 0.5 * rng_normal(&r));
	}
	return x;
}

static int take(void *ctx, int64_t first, int n, const uint32_t *at, const double *distance)
{
	struct found *f = ctx;

	must(first == f->rows);
	memcpy(f->at + first * K, at, (size_t)n * K * sizeof *at);
	memcpy(f->distance + first * K, distance, (size_t)n * K * sizeof *distance);
	f->rows += n;
	return 0;
}

static struct knn job_of(const struct knn_set *base, const struct knn_set *query,
	enum knn_metric metric, struct found *f)
{
	f->rows = 0;
	return (struct knn){ .base = base, .query = query, .metric = metric, .k = K,
		.others = base == query, .take = take, .ctx = f };
}

static void search(const struct cells *c, const struct knn_set *query, int probes, size_t memory,
	struct found *f)
{
	struct knn job = job_of(c->base, query, c->metric, f);

	job.memory_bytes = memory;
	must(!cells_search(c, &job, probes, 0, query->count));
}

static bool same(const struct found *a, const struct found *b)
{
	size_t n = (size_t)a->rows * K;

	return a->rows == b->rows && !memcmp(a->at, b->at, n * sizeof *a->at) &&
		!memcmp(a->distance, b->distance, n * sizeof *a->distance);
}

/* How many of the exact neighbours of the rows with sample[i] were found. */
static int64_t in_common(const struct found *exact, const struct found *f, const bool *sample)
{
	int64_t n = 0;

	for (int64_t i = 0; i < exact->rows; i++)
		for (int j = 0; sample[i] && j < K; j++)
			for (int o = 0; o < K; o++) n += f->at[i * K + o] == exact->at[i * K + j];
	return n;
}

static void check_recall(const struct knn_set *query, const struct cells *c,
	const struct found *exact, const struct found *f)
{
	struct found unused;
	struct knn job = job_of(c->base, query, c->metric, &unused);
	struct recall r;
	bool *sample = mem_new((size_t)query->count, sizeof *sample);
	double low, high;

	must(!recall_open(&r, &job, 0, query->count));
	for (int64_t i = 0; i < r.n; i++) sample[r.query[i]] = true;
	for (int64_t at = 0, n; at < query->count; at += n) {
		n = query->count - at < 77 ? query->count - at : 77;
		recall_count(&r, at, (int)n, f->at + at * K);
	}
	double share = recall_share(&r, &low, &high);
	ok(r.n == RECALL_ROWS && r.next == r.n && r.found == in_common(exact, f, sample),
	   "%s: recall %.4f is what was found for %d rows", metric_name[c->metric], share,
	   (int)r.n);
	ok(low < share && share < high && high - low < 0.03,
	   "%s: in an interval, %.4f to %.4f", metric_name[c->metric], low, high);
	memset(sample, 1, (size_t)query->count * sizeof *sample);
	double all = (double)in_common(exact, f, sample) / (double)query->count / K;
	ok(fabs(all - share) < 0.02, "%s: near that of all rows, %.4f", metric_name[c->metric],
	   all);
	recall_close(&r);
	free(sample);
}

static void check(const float *x, const float *queries, enum knn_metric metric)
{
	const char *name = metric_name[metric];
	struct found *f = mem_new(3, sizeof *f);
	struct knn_set base = knn_rows("base", x, N, WIDTH);
	struct knn_set query = knn_rows("queries", queries, M, WIDTH);
	struct cells c;

	must(!knn_measure(&base, metric) && !knn_measure(&query, metric));
	must(!cells_open(&c, &base, metric, K));
	uint32_t least = N;
	for (int64_t i = 0; i < c.centres.count; i++)
		least = c.start[i + 1] - c.start[i] < least ? c.start[i + 1] - c.start[i] : least;
	ok(c.centres.count > 3 && least >= 2 * K && c.start[c.centres.count] == N,
	   "%s: %d cells of %d rows or more", name, (int)c.centres.count, (int)least);
	for (int others = 0; others < 2; others++) {
		const struct knn_set *q = others ? &query : &base;
		struct knn job = job_of(&base, q, metric, f);
		must(!knn_search(&job, 0, q->count));
		search(&c, q, 1000, 0, f + 1);
		ok(same(f, f + 1), "%s: all cells, %s: the exact neighbours", name, q->name);
		search(&c, q, FEW, 0, f + 1);
		par_set_threads(1);
		search(&c, q, FEW, 1 << 19, f + 2);
		par_set_threads(2);
		ok(same(f + 1, f + 2), "%s: one thread and little memory find the same", name);
		if (!others) check_recall(q, &c, f, f + 1);
	}
	cells_close(&c);
	free(base.norm);
	free(query.norm);
	free(f);
}

/* Rows of two opposite directions, whose mean has none. */
static void check_opposite(int n)
{
	float *x = mem_new((size_t)n * WIDTH, sizeof *x);
	struct found *f = mem_new(2, sizeof *f);
	struct knn_set base = knn_rows("base", x, n, WIDTH);
	struct cells c;

	for (int i = 0; i < n; i++) x[i * WIDTH] = i % 2 ? 1 : -1;
	must(!knn_measure(&base, KNN_COSINE));
	struct knn job = job_of(&base, &base, KNN_COSINE, f);
	must(!knn_search(&job, 0, n));
	ok(!cells_open(&c, &base, KNN_COSINE, K), "%d opposite rows", n);
	search(&c, &base, 1, 0, f + 1);
	ok(same(f, f + 1), "%d opposite rows: the exact neighbours", n);
	cells_close(&c);
	free(base.norm);
	free(x);
	free(f);
}

int main(void)
{
	float *x = rows(N, 1), *queries = rows(M, 2);

	par_set_threads(2);
	for (int metric = 0; metric < 3; metric++) check(x, queries, (enum knn_metric)metric);
	check_opposite(2 * K + 2);
	check_opposite(6000);
	free(x);
	free(queries);
	return done_testing();
}
