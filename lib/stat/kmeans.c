/* kmeans: rounds of exact assignment (lib/stat/knn.h) and means in double; empty clusters take half of a full one. */
#include "lib/stat/kmeans.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/stat/mt.h"
#include "lib/stat/pair.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SPLIT_SEED = 1234, RUN_STRIDE = 15486557 };   /* faiss: Clustering.cpp */

struct run {
	struct kmeans *job;
	int64_t n;
	int width;
	const float *x;
	struct knn_set rows, centre_set;
	struct knn search;
	float *centres;                      /* [k][width] */
	uint32_t *assign;                    /* [n] */
	int64_t *start;                      /* [k + 1]: cluster c holds order[start[c]] .. order[start[c + 1] - 1] */
	uint32_t *order;                     /* [n]: rows by cluster, in order within each */
	double *sum;                         /* [threads][width] */
	bool same;                           /* no row has changed its centre */
	double objective;
};

uint32_t *kmeans_sample(const struct kmeans *job, int64_t rows, int per_centre, int64_t *count)
{
	int64_t most = (int64_t)job->k * per_centre;
	uint32_t *p = mem_big((size_t)rows, sizeof *p, "a permutation of the rows");

	*count = per_centre && rows > most ? most : rows;
	if (p && *count < rows) mt_permutation(p, rows, job->seed);
	else if (p)
		for (int64_t i = 0; i < rows; i++) p[i] = (uint32_t)i;
	return p;
}

static void unit_centres(struct run *r)
{
	for (int c = 0; r->job->spherical && c < r->job->k; c++) {
		float *x = r->centres + (size_t)c * (size_t)r->width;
		double norm = sqrt(pair_square(x, r->width));
		if (norm > 0) pair_scale(x, r->width, 1 / norm);
	}
}

static int first_centres(struct run *r, int run)
{
	uint32_t *p = mem_big((size_t)r->n, sizeof *p, "a permutation of the rows");

	if (!p) return -1;
	mt_permutation(p, r->n, r->job->seed + 1 + (uint32_t)run * RUN_STRIDE);
	for (int c = 0; c < r->job->k; c++)
		memcpy(r->centres + (size_t)c * (size_t)r->width, r->x + (size_t)p[c] * (size_t)r->width,
			(size_t)r->width * sizeof *r->centres);
	free(p);
	unit_centres(r);
	return 0;
}

static int take_centres(void *ctx, int64_t first, int n, const uint32_t *at, const double *distance)
{
	struct run *r = ctx;

	for (int i = 0; i < n; i++) {
		r->same = r->same && r->assign[first + i] == at[i];
		r->assign[first + i] = at[i];
		r->objective += r->job->spherical ? -distance[i] : distance[i] * distance[i];
	}
	return 0;
}

/* Every row to its centre. */
static int assign(struct run *r)
{
	free(r->centre_set.norm);
	r->centre_set.norm = NULL;
	r->centre_set.longest = 0;
	r->objective = 0;
	r->same = true;
	return knn_measure(&r->centre_set, r->search.metric) || knn_search(&r->search, 0, r->n) ? -1 : 0;
}

/* Counting sort of the rows by cluster. */
static void group(struct run *r)
{
	int k = r->job->k;

	memset(r->start, 0, ((size_t)k + 1) * sizeof *r->start);
	for (int64_t i = 0; i < r->n; i++) r->start[r->assign[i] + 1]++;
	for (int c = 0; c < k; c++) r->start[c + 1] += r->start[c];
	int64_t *next = mem_new((size_t)k, sizeof *next);
	memcpy(next, r->start, (size_t)k * sizeof *next);
	for (int64_t i = 0; i < r->n; i++) r->order[next[r->assign[i]]++] = (uint32_t)i;
	free(next);
}

static void mean_of_cluster(void *ctx, int64_t c, int worker)
{
	struct run *r = ctx;
	double *sum = r->sum + (size_t)worker * (size_t)r->width;
	float *to = r->centres + (size_t)c * (size_t)r->width;
	int64_t count = r->start[c + 1] - r->start[c];

	if (!count) return;
	memset(sum, 0, (size_t)r->width * sizeof *sum);
	for (int64_t i = r->start[c]; i < r->start[c + 1]; i++)
		pair_add(sum, r->x + (size_t)r->order[i] * (size_t)r->width, r->width);
	for (int j = 0; j < r->width; j++) to[j] = (float)(sum[j] / (double)count);
}

/* An empty cluster takes half of cluster j, drawn with probability (count - 1) / (n - k) in rounds; the two
 * centres are moved apart by 1/1024 of themselves, even and odd columns in opposite directions.  Counts are float,
 * as in faiss. */
static int split_empty(struct run *r)
{
	int k = r->job->k, splits = 0;
	float *count = mem_new((size_t)k, sizeof *count), away = 1.f / 1024;
	struct mt m;

	mt_seed(&m, SPLIT_SEED);
	for (int c = 0; c < k; c++) count[c] = (float)(r->start[c + 1] - r->start[c]);
	for (int c = 0; c < k; c++) {
		if (count[c] != 0) continue;
		int j = 0;
		while (!(mt_float(&m) < (float)(((double)count[j] - 1) / (float)(r->n - k)))) j = (j + 1) % k;
		float *to = r->centres + (size_t)c * (size_t)r->width;
		float *from = r->centres + (size_t)j * (size_t)r->width;
		for (int i = 0; i < r->width; i++) {
			to[i] = from[i] * (i % 2 ? 1 - away : 1 + away);
			from[i] *= i % 2 ? 1 + away : 1 - away;
		}
		count[c] = count[j] / 2;
		count[j] -= count[c];
		splits++;
	}
	free(count);
	return splits;
}

/* One run.  The centres are a function of the assignment alone, so a repeated assignment ends it. */
static int run_once(struct run *r, int run, struct kmeans_step *last)
{
	if (first_centres(r, run)) return -1;
	memset(r->assign, 0xff, (size_t)r->n * sizeof *r->assign);
	for (int i = 0; i < r->job->iterations; i++) {
		*last = (struct kmeans_step){ .run = run, .iteration = i };
		if (assign(r)) return -1;
		last->objective = r->objective;
		group(r);
		par_for(r->job->k, r, mean_of_cluster);
		last->splits = split_empty(r);
		unit_centres(r);
		if (r->job->step) r->job->step(r->job->step_ctx, last);
		if (r->same) break;
	}
	return 0;
}

static int run_open(struct run *r, struct kmeans *job, const float *x, int64_t n, int width)
{
	enum knn_metric metric = job->spherical ? KNN_IP : KNN_L2;
	size_t k = (size_t)job->k;

	*r = (struct run){ .job = job, .n = n, .width = width, .x = x };
	r->centres = mem_big(k * (size_t)width, sizeof *r->centres, "centres");
	r->assign = mem_big((size_t)n, sizeof *r->assign, "assignments");
	r->order = mem_big((size_t)n, sizeof *r->order, "rows by cluster");
	r->start = mem_new(k + 1, sizeof *r->start);
	r->sum = mem_new((size_t)par_threads() * (size_t)width, sizeof *r->sum);
	if (!r->centres || !r->assign || !r->order) return -1;
	r->rows = knn_rows("rows", x, n, width);
	r->centre_set = knn_rows("centres", r->centres, job->k, width);
	if (first_centres(r, 0) || knn_measure(&r->rows, metric) || knn_measure(&r->centre_set, metric)) return -1;
	r->search = (struct knn){ .base = &r->centre_set, .query = &r->rows, .metric = metric, .k = 1,
		.take = take_centres, .ctx = r };
	return 0;
}

static void run_close(struct run *r)
{
	free(r->rows.norm);
	free(r->centre_set.norm);
	free(r->centres);
	free(r->assign);
	free(r->order);
	free(r->start);
	free(r->sum);
}

int kmeans_train(struct kmeans *job, const float *x, int64_t n, int width, float *centres)
{
	size_t bytes = (size_t)job->k * (size_t)width * sizeof *centres;
	struct run r;
	int status = 0;

	if (n < job->k) return fail("%" PRId64 " rows for %d centres, expected at least as many", n, job->k);
	job->best = (struct kmeans_step){ .run = -1 };
	if (n == job->k) {
		memcpy(centres, x, bytes);
		return 0;
	}
	if (run_open(&r, job, x, n, width)) status = -1;
	for (int run = 0; !status && run < job->restarts; run++) {
		struct kmeans_step last;
		status = run_once(&r, run, &last);
		double gain = job->best.objective - last.objective;
		bool better = job->spherical ? gain < 0 : gain > 0;
		if (status || (job->best.run >= 0 && !better)) continue;
		job->best = last;
		memcpy(centres, r.centres, bytes);
	}
	run_close(&r);
	return status;
}

/* Gives every centre its nearest row that is free, from near[k][depth]; false when a list holds none. */
static bool take_free(const uint32_t *near, int k, int depth, bool *taken, uint32_t *at)
{
	for (int c = 0; c < k; c++) {
		int i = 0;
		while (i < depth && taken[near[(size_t)c * (size_t)depth + (size_t)i]]) i++;
		if (i == depth) return false;
		at[c] = near[(size_t)c * (size_t)depth + (size_t)i];
		taken[at[c]] = true;
	}
	return true;
}

struct near { int depth; uint32_t *at; };        /* [k][depth] */

static int take_near(void *ctx, int64_t first, int n, const uint32_t *at, const double *distance)
{
	const struct near *t = ctx;

	(void)distance;
	memcpy(t->at + first * t->depth, at, (size_t)n * (size_t)t->depth * sizeof *at);
	return 0;
}

/* The depth nearest rows of every centre, near[k][depth]. */
static int search_rows(const struct knn_set *rows, const struct knn_set *centres, int depth, uint32_t *near)
{
	struct near to = { depth, near };
	struct knn job = { .base = rows, .query = centres, .metric = KNN_L2, .k = depth, .take = take_near, .ctx = &to };

	return knn_search(&job, 0, centres->count);
}

/* At most k - 1 rows are taken before a centre's turn, so depth k always suffices. */
int kmeans_nearest(const struct knn_set *rows, const float *centres, int k, bool distinct, uint32_t *at)
{
	struct knn_set set = knn_rows("centres", centres, k, rows->width);
	int status = knn_measure(&set, KNN_L2);
	bool found = false, *taken = mem_new((size_t)rows->count, sizeof *taken);

	if (!distinct && !status) status = search_rows(rows, &set, 1, at);
	for (int depth = 4; distinct && !status && !found; depth *= 2) {
		if (depth > k) depth = k;
		uint32_t *near = mem_new((size_t)k * (size_t)depth, sizeof *near);
		status = search_rows(rows, &set, depth, near);
		memset(taken, 0, (size_t)rows->count * sizeof *taken);
		found = !status && take_free(near, k, depth, taken, at);
		free(near);
	}
	free(taken);
	free(set.norm);
	return status;
}
