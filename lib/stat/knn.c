/* knn: blocks of queries against tiles of base rows; see knn.h for the idea, "Scores" below for the bound. */
#include "lib/stat/knn.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/say.h"
#include "lib/stat/pair.h"
#include "lib/stat/shortlist.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK = 4096, TILE = 2048, STRIP = 512,   /* queries held; base rows a tile; queries a product */
	FEW = 32,                            /* rows that one thread loads at a time */
	BLOCK_MIN = 64, WIDTH_MAX = 1 << 18,
};
#define BLOCK_BYTES (1 << 28)                    /* for the rows of a block, and for its candidates */

/* The first fault, in the order of the work, of a parallel loop: fail() speaks to its own thread only. */
struct fault { int64_t at; char text[1024]; };

static void fault_at(struct fault *f, int64_t i)
{
#pragma omp critical(knn_fault)
	if (f->at < 0 || i < f->at) {
		f->at = i;
		snprintf(f->text, sizeof f->text, "%s", why());
	}
}

static int fault_told(const struct fault *f)
{
	return f->at < 0 ? 0 : fail("%s", f->text);
}

static int fetch_memory(const struct knn_set *s, int64_t first, int n, float *to)
{
	size_t w = (size_t)s->width;
	memcpy(to, (const float *)s->ctx + (size_t)first * w, (size_t)n * w * sizeof *to);
	return 0;
}

struct knn_set knn_rows(const char *name, const float *x, int64_t count, int width)
{
	return (struct knn_set){ .name = name, .count = count, .width = width, .fetch = fetch_memory, .ctx = x };
}

uint64_t knn_key(const struct knn_set *s, int64_t i)
{
	return s->keys ? s->keys[i] : (uint64_t)i;
}

struct measure { struct knn_set *set; enum knn_metric metric; float *rows; struct fault fault; };

/* A double holds the square of any float, so a norm is finite exactly if its row is. */
static int measure_row(struct measure *m, int64_t i, const float *x)
{
	struct knn_set *s = m->set;
	double norm = sqrt(pair_square(x, s->width));
	double most = m->metric == KNN_L2 ? FLT_MAX / 2 : sqrt(FLT_MAX);

	s->norm[i] = norm;
	if (!isfinite(norm)) return fail("%s: key %" PRIu64 ": a row that is not finite", s->name, knn_key(s, i));
	if (m->metric == KNN_COSINE)
		return norm > 0 ? 0 :
			fail("%s: key %" PRIu64 ": a row of zeros has no direction", s->name, knn_key(s, i));
	if (norm > most)
		return fail("%s: key %" PRIu64 ": a row of length %g, expected at most %g", s->name,
			knn_key(s, i), norm, most);
	return 0;
}

static void measure_few(void *ctx, int64_t part, int worker)
{
	struct measure *m = ctx;
	int64_t first = part * FEW, left = m->set->count - first;
	int n = left < FEW ? (int)left : FEW, bad = -1;
	float *rows = m->rows + (size_t)worker * FEW * (size_t)m->set->width;

	if (m->set->fetch(m->set, first, n, rows)) bad = 0;
	for (int i = 0; i < n && bad < 0; i++)
		if (measure_row(m, first + i, rows + (size_t)i * (size_t)m->set->width)) bad = i;
	if (bad >= 0) fault_at(&m->fault, first + bad);
}

int knn_measure(struct knn_set *s, enum knn_metric metric)
{
	struct measure m = { .set = s, .metric = metric, .fault.at = -1 };

	if (s->width < 1 || s->width > WIDTH_MAX)
		return fail("%s: rows of %d, expected 1 to %d", s->name, s->width, WIDTH_MAX);
	if (s->count > UINT32_MAX)
		return fail("%s: %" PRId64 " rows, expected at most %" PRIu32, s->name, s->count, UINT32_MAX);
	s->norm = mem_big((size_t)s->count, sizeof *s->norm, "norms");
	m.rows = mem_big((size_t)s->width * FEW, (size_t)par_threads() * sizeof *m.rows, "a few rows");
	if (!s->norm || !m.rows) m.fault.at = 0;
	else par_for((s->count + FEW - 1) / FEW, &m, measure_few);
	free(m.rows);
	if (m.fault.at >= 0) {
		free(s->norm);
		s->norm = NULL;
		return m.fault.text[0] ? fault_told(&m.fault) : -1;
	}
	for (int64_t i = 0; i < s->count; i++) s->longest = fmax(s->longest, s->norm[i]);
	return 0;
}

/* Scores.  Rows are first scaled into the unit ball: by 1 / norm for KNN_COSINE, else all by one power of two.
 * With x, y scaled rows the score is x.y - |y|^2 / 2 for KNN_L2, else x.y.  For any order of summation
 * |fl(x.y) - x.y| <= W u |x| |y| / (1 - W u), W the width and u = 2^-24; the rest of the slack covers scaled
 * rows that are not quite unit, the rounding of |y|^2 / 2 and of the difference, and underflow. */
struct knn_work {
	struct knn *job;
	double scale;                        /* for KNN_L2 and KNN_IP */
	float *query, *tile, *half;          /* [block][width]; [TILE][width], and |y|^2 / 2 of its rows */
	struct shortlist *list;              /* [block] */
	struct candidate *candidates;        /* [block][room] */
	int room;
	struct bench *bench;                 /* [threads] */
	struct fault fault;
	int64_t first, base_first;           /* of this block and this tile */
	int n, base_n, strip;
	double tile_longest;
	uint32_t *at;
	double *distance;
};

/* What one thread works on. */
struct ranked { double distance, score; uint64_t key; uint32_t at; };
struct bench { float *scores, *row; double *x, *y, *scratch; struct ranked *ranked; };

static double row_scale(const struct knn_work *w, const struct knn_set *s, int64_t i)
{
	return w->job->metric == KNN_COSINE ? 1 / s->norm[i] : w->scale;
}

/* Rows first .. first+n-1 of the set, scaled. */
static int load(const struct knn_work *w, const struct knn_set *s, int64_t first, int n, float *to)
{
	if (s->fetch(s, first, n, to)) return -1;
	for (int i = 0; i < n; i++)
		pair_scale(to + (size_t)i * (size_t)s->width, s->width, row_scale(w, s, first + i));
	return 0;
}

static void load_queries(void *ctx, int64_t part, int worker)
{
	struct knn_work *w = ctx;
	int i = (int)part * FEW, n = w->n - i < FEW ? w->n - i : FEW;

	(void)worker;
	if (load(w, w->job->query, w->first + i, n, w->query + (size_t)i * (size_t)w->job->query->width))
		fault_at(&w->fault, w->first + i);
}

static void load_tile(void *ctx, int64_t part, int worker)
{
	struct knn_work *w = ctx;
	const struct knn_set *s = w->job->base;
	int i = (int)part * FEW, n = w->base_n - i < FEW ? w->base_n - i : FEW;

	(void)worker;
	if (load(w, s, w->base_first + i, n, w->tile + (size_t)i * (size_t)s->width))
		fault_at(&w->fault, w->base_first + i);
	for (int j = i; j < i + n; j++) {
		double norm = s->norm[w->base_first + j] * w->scale;
		w->half[j] = (float)(norm * norm / 2);
	}
}

static float slack(const struct knn_work *w, int64_t query, double longest)
{
	double width = w->job->base->width;
	double norm = w->job->metric == KNN_COSINE ? 1 : w->job->query->norm[query] * w->scale;
	double relative = (width + 8) * 1.03 * norm * longest + 4 * longest * longest;

	return (float)(relative * 0x1p-24 + width * 0x1p-120);
}

/* The distance of the rows in b->x and b->y, in double, and their score on the scale of the products. */
static struct ranked measure_pair(const struct knn_work *w, const struct bench *b, int64_t query, uint32_t at)
{
	const struct knn *job = w->job;
	struct ranked r = { .at = at, .key = knn_key(job->base, at) };
	double length = job->query->norm[query], unit = w->scale * w->scale;

	if (job->metric == KNN_IP) {
		r.distance = -pair_dot(b->x, b->y, job->base->width);
		r.score = -r.distance * unit;
		return r;
	}
	r.distance = pair_distance2(b->x, b->y, job->base->width);
	r.score = job->metric == KNN_COSINE ? 1 - r.distance / 2 : (length * length - r.distance) / 2 * unit;
	return r;
}

/* Row i of the set to[width] in double, of norm 1 for KNN_COSINE. */
static int fetch_wide(const struct knn_work *w, const struct knn_set *s, int64_t i, float *row, double *to)
{
	if (s->fetch(s, i, 1, row)) return -1;
	pair_widen(to, row, s->width, w->job->metric == KNN_COSINE ? 1 / s->norm[i] : 1);
	return 0;
}

static int by_distance(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
	if (x->key != y->key) return x->key < y->key ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Measures query i's candidates and leaves them in the worker's list, nearest first. */
static int rank(struct knn_work *w, int i, struct bench *b)
{
	const struct knn *job = w->job;
	const struct shortlist *l = &w->list[i];

	if (fetch_wide(w, job->query, w->first + i, b->row, b->x)) return -1;
	for (int c = 0; c < l->n; c++) {
		if (fetch_wide(w, job->base, l->c[c].at, b->row, b->y)) return -1;
		b->ranked[c] = measure_pair(w, b, w->first + i, l->c[c].at);
	}
	qsort(b->ranked, (size_t)l->n, sizeof *b->ranked, by_distance);
	return 0;
}

/* Makes room in a full list.  Only rows that tie to within rounding fill it: these are measured, and k remain. */
static int make_room(struct knn_work *w, int i, struct bench *b)
{
	struct shortlist *l = &w->list[i];
	double longest = w->job->metric == KNN_COSINE ? 1 : w->job->base->longest * w->scale;

	shortlist_prune(l, b->scratch);
	if (l->n <= l->room / 2) return 0;
	if (rank(w, i, b)) return -1;
	float all = slack(w, w->first + i, longest);
	for (int c = 0; c < l->k; c++)
		l->c[c] = (struct candidate){ (float)b->ranked[c].score, all, b->ranked[c].at };
	l->n = l->k;
	return 0;
}

/* Takes what may be among the k best of scores s[base_n] of query i. */
static int take(struct knn_work *w, int i, float *s, struct bench *b)
{
	struct shortlist *l = &w->list[i];
	const struct knn_set *base = w->job->base;
	uint64_t key = knn_key(w->job->query, w->first + i);
	float e = slack(w, w->first + i, w->tile_longest);

	if (w->job->metric == KNN_L2)
		for (int j = 0; j < w->base_n; j++) s[j] -= w->half[j];
	for (int j = 0; w->job->others && j < w->base_n; j++)
		if (knn_key(base, w->base_first + j) == key) s[j] = -INFINITY;
	if (isinf(l->floor)) shortlist_raise(l, s, w->base_n, e);
	float threshold = shortlist_threshold(l, e);
	for (int j = -1; (j = pair_reach(s, j + 1, w->base_n, threshold)) < w->base_n;) {
		if (isinf(s[j])) continue;
		l->c[l->n++] = (struct candidate){ s[j], e, (uint32_t)(w->base_first + j) };
		if (l->n < l->room) continue;
		if (make_room(w, i, b)) return -1;
		threshold = shortlist_threshold(l, e);
	}
	return 0;
}

static void search_strip(void *ctx, int64_t part, int worker)
{
	struct knn_work *w = ctx;
	struct bench *b = &w->bench[worker];
	int width = w->job->base->width, from = (int)part * w->strip;
	int n = w->n - from < w->strip ? w->n - from : w->strip;

	blas_sgemm(false, true, n, w->base_n, width, 1, w->query + (size_t)from * (size_t)width, width,
		w->tile, width, 0, b->scores, TILE);
	for (int i = 0; i < n; i++)
		if (take(w, from + i, b->scores + (size_t)i * TILE, b)) {
			fault_at(&w->fault, w->first + from + i);
			return;
		}
}

static void finish(void *ctx, int64_t i, int worker)
{
	struct knn_work *w = ctx;
	struct bench *b = &w->bench[worker];
	int k = w->job->k;

	shortlist_prune(&w->list[i], b->scratch);
	if (w->list[i].n < k)
		fail("%s: key %" PRIu64 ": %d neighbours, expected %d", w->job->query->name,
			knn_key(w->job->query, w->first + i), w->list[i].n, k);
	if (w->list[i].n < k || rank(w, (int)i, b)) {
		fault_at(&w->fault, w->first + i);
		return;
	}
	for (int c = 0; c < k; c++) {
		double d = b->ranked[c].distance;
		w->at[i * k + c] = b->ranked[c].at;
		w->distance[i * k + c] = w->job->metric == KNN_IP ? d : sqrt(d);
	}
}

static int search_tile(struct knn_work *w)
{
	const struct knn_set *s = w->job->base;
	int64_t left = s->count - w->base_first;

	w->base_n = left < TILE ? (int)left : TILE;
	w->tile_longest = 0;
	for (int j = 0; j < w->base_n; j++)
		w->tile_longest = fmax(w->tile_longest,
			s->norm[w->base_first + j] * row_scale(w, s, w->base_first + j));
	par_for((w->base_n + FEW - 1) / FEW, w, load_tile);
	if (fault_told(&w->fault)) return -1;
	par_for((w->n + w->strip - 1) / w->strip, w, search_strip);
	return fault_told(&w->fault);
}

int knn_search(struct knn *job, int64_t first, int n, uint32_t *at, double *distance)
{
	struct knn_work *w = job->work;

	must(n >= 1 && n <= job->block && first >= 0 && first <= job->query->count - n);
	w->first = first;
	w->n = n;
	w->at = at;
	w->distance = distance;
	w->fault.at = -1;
	w->strip = n / (2 * par_threads());
	w->strip = w->strip > STRIP ? STRIP : w->strip < FEW ? FEW : w->strip;
	for (int i = 0; i < n; i++)
		w->list[i] = (struct shortlist){ .c = w->candidates + (size_t)i * (size_t)w->room,
			.room = w->room, .k = job->k, .floor = -INFINITY };
	par_for((n + FEW - 1) / FEW, w, load_queries);
	if (fault_told(&w->fault)) return -1;
	for (w->base_first = 0; w->base_first < job->base->count; w->base_first += TILE) {
		if (stop_check() || search_tile(w)) return -1;
		if (job->tick) job->tick(job->tick_ctx, (double)(w->base_first + w->base_n) / (double)job->base->count);
	}
	par_for(n, w, finish);
	return fault_told(&w->fault);
}

static int bench_open(struct bench *b, size_t width, size_t room)
{
	b->scores = mem_big((size_t)STRIP * TILE, sizeof *b->scores, "a tile of scores");
	b->row = mem_big(width, sizeof *b->row, "a row");
	b->x = mem_big(2 * width, sizeof *b->x, "two rows");
	b->y = b->x + width;
	b->scratch = mem_big(room, sizeof *b->scratch, "candidates");
	b->ranked = mem_big(room, sizeof *b->ranked, "candidates");
	return b->scores && b->row && b->x && b->scratch && b->ranked ? 0 : -1;
}

int knn_open(struct knn *job)
{
	size_t width = (size_t)job->base->width, k = (size_t)job->k;
	struct knn_work *w = job->work = mem_new(1, sizeof *w);
	double longest = fmax(job->base->longest, job->query->longest);
	int exponent = 0;

	must(job->base->norm && job->query->norm && job->k >= 1 && job->query->width == job->base->width);
	frexp(longest, &exponent);
	w->job = job;
	w->scale = ldexp(1, -exponent);
	w->room = (int)(4 * k + 64);
	size_t rows = BLOCK_BYTES / (width * sizeof *w->query);
	size_t lists = BLOCK_BYTES / ((size_t)w->room * sizeof *w->candidates);
	size_t block = rows < lists ? rows : lists;
	job->block = block > BLOCK ? BLOCK : block < BLOCK_MIN ? BLOCK_MIN : (int)block;
	if (job->block > job->query->count) job->block = (int)job->query->count;
	w->query = mem_big((size_t)job->block, width * sizeof *w->query, "a block of queries");
	w->tile = mem_big(TILE, width * sizeof *w->tile, "a tile of rows");
	w->half = mem_big(TILE, sizeof *w->half, "a tile of norms");
	w->candidates = mem_big((size_t)job->block, (size_t)w->room * sizeof *w->candidates, "candidates");
	w->list = mem_new((size_t)job->block, sizeof *w->list);
	w->bench = mem_new((size_t)par_threads(), sizeof *w->bench);
	bool good = w->query && w->tile && w->half && w->candidates;
	for (int t = 0; good && t < par_threads(); t++) good = !bench_open(&w->bench[t], width, (size_t)w->room);
	if (!good) knn_close(job);
	return good ? 0 : -1;
}

void knn_close(struct knn *job)
{
	struct knn_work *w = job->work;

	for (int t = 0; w && w->bench && t < par_threads(); t++) {
		free(w->bench[t].scores);
		free(w->bench[t].row);
		free(w->bench[t].x);
		free(w->bench[t].scratch);
		free(w->bench[t].ranked);
	}
	if (w) {
		free(w->bench);
		free(w->query);
		free(w->tile);
		free(w->half);
		free(w->candidates);
		free(w->list);
	}
	free(w);
	job->work = NULL;
}
