/* kmeans: rounds of exact assignment (lib/stat/pass.h) and means in double; empty clusters take
 * half of a full one. The rows are rounded once and stay; a cluster is added up again only when its
 * rows or its centre are others. */
#include "lib/stat/kmeans.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/say.h"
#include "lib/stat/mt.h"
#include "lib/stat/pair.h"
#include "lib/stat/pass.h"
#include "lib/stat/sweep.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SPLIT_SEED = 1234, RUN_STRIDE = 15486557 };   /* faiss: Clustering.cpp */
enum { ROOM = 16 };                          /* centres between which a row may be undecided */

struct run {
	struct kmeans *job;
	int64_t n;
	int width;
	const float *x;
	struct knn_set rows, centre_set;
	struct knn search;
	struct pass pass;                    /* all rows against tiles of centres */
	struct shortlist *list;              /* [n] */
	struct candidate *candidates;        /* [n][ROOM] */
	struct sweep sweep;                  /* on a device, instead of these three */
	float *centres, *before;             /* [k][width]; before: in the last round */
	uint32_t *assign;                    /* [n] */
	int64_t *start;                      /* [k + 1]: cluster c begins at order[start[c]] */
	uint32_t *order;                     /* [n]: rows by cluster, in order within each */
	double *room;                        /* [threads][2][width] */
	double *objective;                   /* [k]: of its rows, before its centre moved */
	bool *changed;                       /* [k]: rows or centre are not the last round's */
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

static float *centre(const struct run *r, int64_t c)
{
	return r->centres + (size_t)c * (size_t)r->width;
}

static void unit_centres(struct run *r)
{
	for (int c = 0; r->job->spherical && c < r->job->k; c++) {
		double norm = sqrt(pair_square(centre(r, c), r->width));
		if (norm > 0 && r->changed[c]) pair_scale(centre(r, c), r->width, 1 / norm);
	}
}

static int first_centres(struct run *r, int run)
{
	uint32_t *p = mem_big((size_t)r->n, sizeof *p, "a permutation of the rows");

	if (!p) return -1;
	mt_permutation(p, r->n, r->job->seed + 1 + (uint32_t)run * RUN_STRIDE);
	for (int c = 0; c < r->job->k; c++)
		memcpy(centre(r, c), r->x + (size_t)p[c] * (size_t)r->width,
			(size_t)r->width * sizeof *r->centres);
	free(p);
	memset(r->changed, true, (size_t)r->job->k * sizeof *r->changed);
	unit_centres(r);
	return 0;
}

static void choose(void *ctx, int64_t i, int worker)
{
	struct run *r = ctx;
	int64_t at = pass_nearest(&r->pass, (int)i, worker);

	if (at < 0) fault_at(&r->pass.fault, i);
	else r->order[i] = (uint32_t)at;
}

/* order[i]: the centre of row i. */
static int find_centres(struct run *r)
{
	int k = r->job->k;

	if (r->job->device) {
		sweep_renew(&r->sweep);
		return sweep_run(&r->sweep, 0, r->n);
	}
	for (int64_t i = 0; i < r->n; i++)
		r->list[i] = (struct shortlist){ .c = r->candidates + (size_t)i * ROOM,
			.room = ROOM,
			.k = 1,
			.floor = -INFINITY,
			.guess = -INFINITY };
	for (int c = 0; c < k; c += PASS_TILE)
		if (stop_check() || pass_tile(&r->pass, c, k - c < PASS_TILE ? k - c : PASS_TILE) ||
			pass_run(&r->pass, 0, (int)r->n, false)) return -1;
	par_for(r->n, r, choose);
	return fault_told(&r->pass.fault);
}

static int take_centres(
	void *ctx, int64_t first, int n, const uint32_t *at, const double *distance)
{
	struct run *r = ctx;

	(void)distance;
	memcpy(r->order + first, at, (size_t)n * sizeof *at);
	return 0;
}

/* Every row to its centre, exactly, ties to the lower one. */
static int assign(struct run *r, int64_t *changed)
{
	int k = r->job->k;

	if (find_centres(r)) return -1;
	for (int64_t i = 0; i < r->n; i++) {
		uint32_t from = r->assign[i], to = r->order[i];
		if (from == to) continue;
		if (from < (uint32_t)k) r->changed[from] = true;
		r->changed[to] = true;
		r->assign[i] = to;
		++*changed;
	}
	return 0;
}

/* Counting sort; start is moved on by it, and back. */
void kmeans_group(const uint32_t *assign, int64_t n, int64_t k, int64_t *start, uint32_t *order)
{
	memset(start, 0, ((size_t)k + 1) * sizeof *start);
	for (int64_t i = 0; i < n; i++) start[assign[i] + 1]++;
	for (int64_t c = 0; c < k; c++) start[c + 1] += start[c];
	for (int64_t i = 0; i < n; i++) order[start[assign[i]]++] = (uint32_t)i;
	memmove(start + 1, start, (size_t)k * sizeof *start);
	start[0] = 0;
}

/* The objective of a row, before another one, and its centre in double. */
static double cost(const struct run *r, const float *x, const float *next, const double *c)
{
	return r->job->spherical ? pair_along(c, x, r->width, next)
				 : pair_apart2(c, x, r->width, 1, next);
}

static void mean_of_cluster(void *ctx, int64_t c, int worker)
{
	struct run *r = ctx;
	size_t width = (size_t)r->width;
	double *sum = r->room + (size_t)worker * 2 * width, *old = sum + width;
	int64_t count = r->start[c + 1] - r->start[c];

	if (!r->changed[c]) return;
	r->objective[c] = 0;
	if (!count) return;
	memset(sum, 0, width * sizeof *sum);
	pair_widen(old, centre(r, c), r->width, 1);
	for (int64_t i = r->start[c]; i < r->start[c + 1]; i++) {
		const float *x = r->x + (size_t)r->order[i] * width;
		const float *next = i + 1 < r->n ? r->x + (size_t)r->order[i + 1] * width : x;
		r->objective[c] += cost(r, x, next, old);
		pair_add(sum, x, r->width);
	}
	for (size_t j = 0; j < width; j++) centre(r, c)[j] = (float)(sum[j] / (double)count);
}

/* An empty cluster takes half of cluster j, drawn with probability (count - 1) / (n - k) in rounds;
 * the two centres are moved apart by 1/1024 of themselves, even and odd columns in opposite
 * directions.  Counts are float, as in faiss. */
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
		while (!(mt_float(&m) < (float)(((double)count[j] - 1) / (float)(r->n - k))))
			j = (j + 1) % k;
		float *to = centre(r, c), *from = centre(r, j);
		for (int i = 0; i < r->width; i++) {
			to[i] = from[i] * (i % 2 ? 1 - away : 1 + away);
			from[i] *= i % 2 ? 1 + away : 1 - away;
		}
		r->changed[c] = r->changed[j] = true;
		count[c] = count[j] / 2;
		count[j] -= count[c];
		splits++;
	}
	free(count);
	return splits;
}

/* The centres after an assignment. */
static void move_centres(struct run *r, struct kmeans_step *step)
{
	size_t bytes = (size_t)r->width * sizeof *r->centres;

	memcpy(r->before, r->centres, (size_t)r->job->k * bytes);
	kmeans_group(r->assign, r->n, r->job->k, r->start, r->order);
	par_for(r->job->k, r, mean_of_cluster);
	for (int c = 0; c < r->job->k; c++) step->objective += r->objective[c];
	step->splits = split_empty(r);
	unit_centres(r);
	for (int c = 0; c < r->job->k; c++) {
		const float *before = r->before + (size_t)c * (size_t)r->width;
		double share = (double)(r->start[c + 1] - r->start[c]) / (double)r->n;
		r->changed[c] = memcmp(centre(r, c), before, bytes) != 0;
		pair_widen(r->room, centre(r, c), r->width, 1);
		step->shift += pair_apart2(r->room, before, r->width, 1, before);
		step->imbalance += r->job->k * share * share;
	}
	step->shift = sqrt(step->shift / r->job->k);
}

/* The beginning of a run: iteration -1, or where it was stopped. */
static int begin(struct run *r, int run, struct kmeans_step *last)
{
	const struct kmeans_state *from = r->job->from;
	size_t k = (size_t)r->job->k, n = (size_t)r->n;

	*last = (struct kmeans_step){ .run = run, .iteration = -1, .changed = r->n };
	if (!from || from->last.run != run) {
		memset(r->assign, 0xff, n * sizeof *r->assign);
		return first_centres(r, run);
	}
	*last = from->last;
	memcpy(r->centres, from->centres, k * (size_t)r->width * sizeof *r->centres);
	memcpy(r->assign, from->assign, n * sizeof *r->assign);
	memset(r->changed, true, k * sizeof *r->changed);
	return 0;
}

static int keep(const struct run *r, const struct kmeans_step *last)
{
	const struct kmeans *job = r->job;
	struct kmeans_state s = { *last, job->best, r->centres, r->assign };

	return job->keep && last->iteration >= 0 ? job->keep(job->ctx, &s) : 0;
}

/* One run.  The centres are a function of the assignment alone, so a repeated assignment ends
 * it. */
static int run_once(struct run *r, int run, struct kmeans_step *last)
{
	if (begin(r, run, last)) return -1;
	while (last->changed && last->iteration < r->job->iterations - 1) {
		struct kmeans_step step = { .run = run, .iteration = last->iteration + 1 };
		if (assign(r, &step.changed)) {
			if (stop_asked()) keep(r, last);
			return -1;
		}
		move_centres(r, &step);
		*last = step;
		if (r->job->step) r->job->step(r->job->ctx, last);
		if (keep(r, last)) return -1;
	}
	return 0;
}

/* The rows, rounded, and their lists. */
static int pass_over(struct run *r)
{
	size_t n = (size_t)r->n;

	r->list = mem_big(n, sizeof *r->list, "lists of centres");
	r->candidates = mem_big(n, ROOM * sizeof *r->candidates, "lists of centres");
	if (!r->list || !r->candidates) return -1;
	r->pass = (struct pass){ .job = &r->search, .room = ROOM, .list = r->list,
		.block = ((int)r->n + PASS_TILE - 1) / PASS_TILE * PASS_TILE };
	return pass_open(&r->pass) || pass_rows(&r->pass, 0, (int)r->n) ? -1 : 0;
}

static int rows_open(struct run *r)
{
	enum knn_metric metric = r->job->spherical ? KNN_IP : KNN_L2;

	if (r->n > INT32_MAX - PASS_TILE)
		return fail("%" PRId64 " rows to train on, expected at most %d", r->n,
			INT32_MAX - PASS_TILE);
	r->rows = knn_rows("rows", r->x, r->n, r->width);
	r->centre_set = knn_rows("centres", r->centres, r->job->k, r->width);
	if (knn_measure(&r->rows, metric)) return -1;
	r->search = (struct knn){ .base = &r->centre_set, .query = &r->rows, .metric = metric,
		.k = 1, .device = r->job->device, .take = take_centres, .ctx = r };
	return r->job->device ? sweep_open(&r->sweep, &r->search, r->n) : pass_over(r);
}

static int run_open(struct run *r, struct kmeans *job, const float *x, int64_t n, int width)
{
	size_t k = (size_t)job->k;

	*r = (struct run){ .job = job, .n = n, .width = width, .x = x };
	r->centres = mem_big(k * (size_t)width, sizeof *r->centres, "centres");
	r->before = mem_big(k * (size_t)width, sizeof *r->before, "centres");
	r->assign = mem_big((size_t)n, sizeof *r->assign, "assignments");
	r->order = mem_big((size_t)n, sizeof *r->order, "rows by cluster");
	r->start = mem_new(k + 1, sizeof *r->start);
	r->objective = mem_new(k, sizeof *r->objective);
	r->changed = mem_new(k, sizeof *r->changed);
	r->room = mem_new((size_t)par_threads() * 2, (size_t)width * sizeof *r->room);
	return r->centres && r->before && r->assign && r->order ? rows_open(r) : -1;
}

static void run_close(struct run *r)
{
	pass_close(&r->pass);
	sweep_close(&r->sweep);
	free(r->rows.norm);
	free(r->list);
	free(r->candidates);
	free(r->centres);
	free(r->before);
	free(r->assign);
	free(r->order);
	free(r->start);
	free(r->objective);
	free(r->changed);
	free(r->room);
}

int kmeans_train(struct kmeans *job, const float *x, int64_t n, int width, float *centres)
{
	size_t bytes = (size_t)job->k * (size_t)width * sizeof *centres;
	struct run r;
	int status = 0;

	if (n < job->k)
		return fail(
			"%" PRId64 " rows for %d centres, expected at least as many", n, job->k);
	job->best = job->from ? job->from->best : (struct kmeans_step){ .run = -1 };
	if (n == job->k) {
		memcpy(centres, x, bytes);
		return 0;
	}
	if (run_open(&r, job, x, n, width)) status = -1;
	int run = job->from ? job->from->last.run : 0;
	for (; !status && run < job->restarts; run++) {
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

/* Gives every centre its nearest row that is free, from near[k][depth]; false when a list holds
 * none. */
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
static int search_rows(const struct knn_set *rows, const struct knn_set *centres, int depth,
	struct backend *device, uint32_t *near)
{
	struct near to = { depth, near };
	struct knn job = { .base = rows,
		.query = centres,
		.metric = KNN_L2,
		.k = depth,
		.device = device,
		.take = take_near,
		.ctx = &to };

	return knn_search(&job, 0, centres->count);
}

/* At most k - 1 rows are taken before a centre's turn, so depth k always suffices. */
int kmeans_nearest(const struct knn_set *rows, const float *centres, int k, bool distinct,
	struct backend *device, uint32_t *at)
{
	struct knn_set set = knn_rows("centres", centres, k, rows->width);
	int status = knn_measure(&set, KNN_L2);
	bool found = false, *taken = mem_new((size_t)rows->count, sizeof *taken);

	if (!distinct && !status) status = search_rows(rows, &set, 1, device, at);
	for (int depth = 4; distinct && !status && !found; depth *= 2) {
		if (depth > k) depth = k;
		uint32_t *near = mem_new((size_t)k * (size_t)depth, sizeof *near);
		status = search_rows(rows, &set, depth, device, near);
		memset(taken, 0, (size_t)rows->count * sizeof *taken);
		found = !status && take_free(near, k, depth, taken, at);
		free(near);
	}
	free(taken);
	free(set.norm);
	return status;
}
