/* cells: k-means of a sample of the rows, then exact searches, one for each cell, of the queries
 * that it is near to; what they find is merged. */
#include "lib/stat/cells.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/stat/kmeans.h"
#include "lib/stat/subset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of the sample for each centre, and passes, of k-means.  Means of few rows in many dimensions
 * are long for what they are the mean of: those of more rows then attract all others. */
enum { PER_CENTRE = 128, ROUNDS = 10 };

/* Rows of the sample, for KNN_COSINE at unit length. */
static float *load_sample(const struct cells *c, const uint32_t *at, int64_t n)
{
	const struct knn_set *s = c->base;
	size_t width = (size_t)s->width;
	float *x = mem_big((size_t)n, width * sizeof *x, "rows to make cells of");

	for (int64_t i = 0; x && i < n; i++) {
		float *to = x + (size_t)i * width;
		double by = c->metric == KNN_COSINE ? 1 / s->norm[at[i]] : 1;
		if (s->fetch(s, at[i], 1, to)) {
			free(x);
			return NULL;
		}
		for (size_t j = 0; j < width; j++) to[j] = (float)((double)to[j] * by);
	}
	return x;
}

static bool is_zero(const float *x, size_t width)
{
	for (size_t j = 0; j < width; j++)
		if (x[j] != 0) return false;
	return true;
}

/* Leaves out the centres that are not to be kept. */
static void keep_centres(struct cells *c, const bool *keep)
{
	size_t width = (size_t)c->base->width;
	int64_t kept = 0;

	for (int64_t i = 0; i < c->centres.count; i++)
		if (keep[i])
			memmove(c->x + (size_t)kept++ * width, c->x + (size_t)i * width,
				width * sizeof *c->x);
	c->centres.count = kept;
}

/* A mean of rows of unit length can be zero, which has no direction.  Where all are, one cell has
 * all rows, whatever its centre is. */
static int measure_centres(struct cells *c)
{
	size_t width = (size_t)c->base->width;
	bool *keep = mem_new((size_t)c->centres.count, sizeof *keep);
	int bad = 0;

	for (int64_t i = 0; i < c->centres.count; i++)
		keep[i] = c->metric != KNN_COSINE || !is_zero(c->x + (size_t)i * width, width);
	keep_centres(c, keep);
	free(keep);
	if (!c->centres.count) {
		c->centres.count = 1;
		bad = c->base->fetch(c->base, 0, 1, c->x);
	}
	free(c->centres.norm);
	c->centres = knn_rows("centres of cells", c->x, c->centres.count, c->base->width);
	return bad ? -1 : knn_measure(&c->centres, c->metric);
}

static int make_centres(struct cells *c, int count)
{
	struct kmeans job = { .k = count, .iterations = ROUNDS, .restarts = 1,
		.spherical = c->metric == KNN_COSINE };
	int64_t n;
	uint32_t *at = kmeans_sample(&job, c->base->count, PER_CENTRE, &n);
	float *x = at ? load_sample(c, at, n) : NULL;

	c->x = mem_big((size_t)count, (size_t)c->base->width * sizeof *c->x, "centres of cells");
	int bad = !x || !c->x || kmeans_train(&job, x, n, c->base->width, c->x);
	free(at);
	free(x);
	c->centres.count = count;
	return bad ? -1 : measure_centres(c);
}

/* Neighbours without their distances, at[k][n]: all that are nearest first; of the n queries from
 * `from` on. */
struct near { int k; int64_t n, from; uint32_t *at; };

static int take_near(void *ctx, int64_t first, int n, const uint32_t *at, const double *distance)
{
	const struct near *t = ctx;

	(void)distance;
	for (int i = 0; i < n; i++)
		for (int j = 0; j < t->k; j++)
			t->at[j * t->n + first - t->from + i] = at[(int64_t)i * t->k + j];
	return 0;
}

/* Each row's cell.  By distance even where inner products decide: a long centre would have all
 * rows. */
static int assign(const struct cells *c, uint32_t *cell)
{
	struct near near = { 1, c->base->count, 0, cell };
	struct knn job = { .base = &c->centres, .query = c->base, .k = 1, .take = take_near,
		.metric = c->metric == KNN_COSINE ? KNN_COSINE : KNN_L2, .ctx = &near };

	return knn_search(&job, 0, c->base->count);
}

/* Leaves out the centres of cells with fewer than `least` rows; returns whether there were any. */
static bool drop_small(struct cells *c, int64_t least)
{
	bool *keep = mem_new((size_t)c->centres.count, sizeof *keep), any = false;

	for (int64_t i = 0; i < c->centres.count; i++) {
		keep[i] = c->start[i + 1] - c->start[i] >= least;
		any |= !keep[i];
	}
	if (any) keep_centres(c, keep);
	free(keep);
	return any;
}

/* Cells of 4k rows on average: some have 2k, and stay. */
int cells_open(struct cells *c, const struct knn_set *base, enum knn_metric metric, int k)
{
	int64_t rows = base->count, each = k > CELLS_ROWS / 4 ? 4 * (int64_t)k : CELLS_ROWS;
	int count = rows < 2 * each ? 1 : (int)(rows / each), bad;

	*c = (struct cells){ .base = base, .metric = metric };
	c->row = mem_big((size_t)rows, sizeof *c->row, "rows by cell");
	c->start = mem_new((size_t)count + 1, sizeof *c->start);
	uint32_t *cell = mem_big((size_t)rows, sizeof *cell, "cells of rows");
	bad = !c->row || !cell || make_centres(c, count);
	while (!bad && !(bad = assign(c, cell))) {
		kmeans_group(cell, rows, c->centres.count, c->start, c->row);
		if (c->centres.count == 1 || !drop_small(c, 2 * (int64_t)k)) break;
		bad = measure_centres(c);
	}
	free(cell);
	return bad ? -1 : 0;
}

void cells_close(struct cells *c)
{
	free(c->centres.norm);
	free(c->x);
	free(c->row);
	free(c->start);
	*c = (struct cells){ .base = NULL };
}

/* Some queries, from..to-1; first all in the cells nearest to them, then all in the next. */
struct visit {
	const struct cells *cells;
	struct knn *job;
	int probes;
	int64_t first, last, from, to;       /* of the whole search; of these */
	uint32_t *probe;                     /* [probes][queries] */
	int64_t *start;                      /* of the queries of each cell, */
	uint32_t *query;                     /* counted from `from` */
	uint32_t *at;                        /* [queries][k], nearest first; */
	double *distance;                    /* [queries][k], infinite where there is none yet */
	double *reach;                       /* [queries]: of the cell at work */
	int64_t cell, visited;
	uint32_t *room_at;                   /* [k] */
	double *room;                        /* [k] */
};

static bool is_nearer(const struct knn_set *base, double d, uint32_t at, double than,
	uint32_t other)
{
	if (d != than) return d < than;
	return knn_key(base, at) < knn_key(base, other);
}

/* What a cell has for one query into what other cells had. */
static void merge(struct visit *v, int64_t query, const uint32_t *at, const double *distance)
{
	const struct cells *c = v->cells;
	const uint32_t *row = c->row + c->start[v->cell];
	size_t k = (size_t)v->job->k, old = 0, new = 0;
	uint32_t *to = v->at + (size_t)query * k;
	double *far = v->distance + (size_t)query * k;

	for (size_t i = 0; i < k; i++) {
		bool nearer = distance[new] < INFINITY &&
			is_nearer(c->base, distance[new], row[at[new]], far[old], to[old]);
		v->room_at[i] = nearer ? row[at[new]] : to[old];
		v->room[i] = nearer ? distance[new++] : far[old++];
	}
	memcpy(to, v->room_at, k * sizeof *to);
	memcpy(far, v->room, k * sizeof *far);
}

static int take_cell(void *ctx, int64_t first, int n, const uint32_t *at, const double *distance)
{
	struct visit *v = ctx;
	size_t k = (size_t)v->job->k;
	const uint32_t *query = v->query + v->start[v->cell] + first;

	for (int i = 0; i < n; i++)
		merge(v, query[i] - v->from, at + (size_t)i * k, distance + (size_t)i * k);
	return 0;
}

/* The queries that are in a cell now, among its rows. */
static int visit_cell(struct visit *v, int64_t cell)
{
	const struct cells *c = v->cells;
	const struct knn *job = v->job;
	uint32_t *query = v->query + v->start[cell];
	int64_t n = v->start[cell + 1] - v->start[cell];
	struct subset rows, queries = { .of = NULL };

	if (!n) return 0;
	for (int64_t i = 0; i < n; i++) {
		v->reach[i] = v->distance[((size_t)query[i] + 1) * (size_t)job->k - 1];
		query[i] += (uint32_t)v->from;
	}
	v->cell = cell;
	struct knn part = { .base = &rows.set, .query = &queries.set, .metric = job->metric,
		.k = job->k, .others = job->others, .reach = v->reach, .take = take_cell,
		.ctx = v };
	int bad = subset_open(&rows, c->base, c->row + c->start[cell],
			c->start[cell + 1] - c->start[cell]) ||
		subset_open(&queries, job->query, query, n) || knn_search(&part, 0, n) ? -1 : 0;
	knn_effort_add(&v->job->effort, &part.effort);
	subset_close(&rows);
	subset_close(&queries);
	v->visited += n;
	if (!bad && job->tick)
		job->tick(job->ctx, (double)v->visited / v->probes / (double)(v->last - v->first));
	return bad;
}

static int visit_all(struct visit *v)
{
	const struct cells *c = v->cells;
	struct knn *job = v->job;
	int64_t n = v->to - v->from;
	struct near near = { v->probes, n, v->from, v->probe };
	struct knn nearest = { .base = &c->centres, .query = job->query, .metric = c->metric,
		.k = v->probes, .take = take_near, .ctx = &near };

	if (knn_search(&nearest, v->from, v->to)) return -1;
	for (int64_t i = 0; i < n * job->k; i++) v->distance[i] = INFINITY;
	for (int probe = 0; probe < v->probes; probe++) {
		kmeans_group(v->probe + probe * n, n, c->centres.count, v->start, v->query);
		for (int64_t cell = 0; cell < c->centres.count; cell++)
			if (visit_cell(v, cell)) return -1;
	}
	return job->take(job->ctx, v->from, (int)n, v->at, v->distance);
}

/* How many queries at once: within memory. */
static int64_t queries(const struct visit *v)
{
	size_t each = (size_t)v->job->k * (sizeof *v->at + sizeof *v->distance) +
		(size_t)v->probes * sizeof *v->probe + sizeof *v->query + sizeof *v->reach;
	int64_t most = (int64_t)(knn_memory(v->job) / each), rows = v->last - v->first;

	if (most > INT32_MAX / v->job->k) most = INT32_MAX / v->job->k;
	return most < 1 ? 1 : most < rows ? most : rows;
}

static int visit_open(struct visit *v, size_t n)
{
	size_t p = (size_t)v->probes, k = (size_t)v->job->k;

	v->probe = mem_big(n, p * sizeof *v->probe, "cells of queries");
	v->query = mem_big(n, sizeof *v->query, "queries by cell");
	v->reach = mem_big(n, sizeof *v->reach, "distances");
	v->at = mem_big(n, k * sizeof *v->at, "neighbours");
	v->distance = mem_big(n, k * sizeof *v->distance, "neighbours");
	v->start = mem_new((size_t)v->cells->centres.count + 1, sizeof *v->start);
	v->room_at = mem_new(k, sizeof *v->room_at);
	v->room = mem_new(k, sizeof *v->room);
	return v->probe && v->query && v->reach && v->at && v->distance ? 0 : -1;
}

static void visit_close(struct visit *v)
{
	free(v->probe);
	free(v->query);
	free(v->reach);
	free(v->at);
	free(v->distance);
	free(v->start);
	free(v->room_at);
	free(v->room);
}

int cells_search(const struct cells *c, struct knn *job, int probes, int64_t first, int64_t last)
{
	struct visit v = { .cells = c, .job = job, .first = first, .last = last, .probes = probes };

	must(job->base == c->base && job->metric == c->metric && probes > 0);
	job->effort = (struct knn_effort){ 0 };
	if (first == last) return 0;
	if (probes > c->centres.count) v.probes = (int)c->centres.count;
	int64_t most = queries(&v);
	int bad = visit_open(&v, (size_t)most);
	for (v.from = first; !bad && v.from < last; v.from = v.to) {
		v.to = last - v.from < most ? last : v.from + most;
		bad = visit_all(&v);
	}
	visit_close(&v);
	return bad;
}
