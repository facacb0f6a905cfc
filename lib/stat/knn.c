/* knn: blocks of queries against tiles of base rows; lib/stat/pass.h is one of these. */
#include "lib/stat/knn.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/say.h"
#include "lib/stat/fault.h"
#include "lib/stat/finish.h"
#include "lib/stat/guess.h"
#include "lib/stat/pair.h"
#include "lib/stat/pass.h"
#include "lib/stat/sweep.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	PIECE = 1 << 20,                     /* neighbours handed over at once */
	FEW = 32,                            /* rows that one thread loads at a time */
	WIDTH_MAX = 1 << 18,
	GUESSED = 4 * PASS_TILE,             /* base rows from which on guesses are worth it */
};
#define REACH_ERROR 1e-9
#define BLOCK_BYTES ((size_t)1 << 28)            /* for the rows of a block */

static int fetch_memory(const struct knn_set *s, int64_t first, int n, float *to)
{
	size_t w = (size_t)s->width;
	memcpy(to, (const float *)s->ctx + (size_t)first * w, (size_t)n * w * sizeof *to);
	return 0;
}

static const float *row_memory(const struct knn_set *s, int64_t i)
{
	return (const float *)s->ctx + (size_t)i * (size_t)s->width;
}

struct knn_set knn_rows(const char *name, const float *x, int64_t count, int width)
{
	return (struct knn_set){ .name = name, .count = count, .width = width,
		.fetch = fetch_memory, .row = row_memory, .ctx = x };
}

const float *knn_row(const struct knn_set *s, int64_t i, float *room)
{
	if (s->row) return s->row(s, i);
	return s->fetch(s, i, 1, room) ? NULL : room;
}

uint64_t knn_key(const struct knn_set *s, int64_t i)
{
	return s->keys ? s->keys[i] : (uint64_t)i;
}

size_t knn_memory(const struct knn *job)
{
	return job->memory_bytes ? job->memory_bytes : (size_t)4 << 30;
}

int knn_room(const struct knn *job)
{
	return 2 * job->k + 28;
}

void knn_effort_add(struct knn_effort *to, const struct knn_effort *e)
{
	to->halved += e->halved;
	to->refined += e->refined;
	to->measured += e->measured;
	to->undecided += e->undecided;
	to->again += e->again;
}

struct measure { struct knn_set *set; enum knn_metric metric; float *room; struct fault fault; };

/* A double holds the square of any float, so a norm is finite exactly if its row is. */
static int measure_row(struct measure *m, int64_t i, const float *x)
{
	struct knn_set *s = m->set;
	double norm = sqrt(pair_square(x, s->width));
	double most = m->metric == KNN_L2 ? FLT_MAX / 2 : sqrt(FLT_MAX);

	s->norm[i] = norm;
	if (!isfinite(norm))
		return fail(
			"%s: key %" PRIu64 ": a row that is not finite", s->name, knn_key(s, i));
	if (m->metric == KNN_COSINE)
		return norm > 0 ? 0
				: fail("%s: key %" PRIu64 ": a row of zeros has no direction",
					  s->name, knn_key(s, i));
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
	float *room = m->room + (size_t)worker * (size_t)m->set->width;

	for (int i = 0; i < n && bad < 0; i++) {
		const float *x = knn_row(m->set, first + i, room);
		if (!x || measure_row(m, first + i, x)) bad = i;
	}
	if (bad >= 0) fault_at(&m->fault, first + bad);
}

int knn_measure(struct knn_set *s, enum knn_metric metric)
{
	struct measure m = { .set = s, .metric = metric, .fault.at = -1 };

	if (s->width < 1 || s->width > WIDTH_MAX)
		return fail("%s: rows of %d, expected 1 to %d", s->name, s->width, WIDTH_MAX);
	if (s->count > UINT32_MAX)
		return fail("%s: %" PRId64 " rows, expected at most %" PRIu32, s->name, s->count,
			UINT32_MAX);
	s->norm = mem_big((size_t)s->count, sizeof *s->norm, "norms");
	m.room = mem_big((size_t)s->width, (size_t)par_threads() * sizeof *m.room, "a few rows");
	if (!s->norm || !m.room) m.fault.at = 0;
	else par_for((s->count + FEW - 1) / FEW, &m, measure_few);
	free(m.room);
	if (m.fault.at >= 0) {
		free(s->norm);
		s->norm = NULL;
		return m.fault.text[0] ? fault_told(&m.fault) : -1;
	}
	for (int64_t i = 0; i < s->count; i++) s->longest = fmax(s->longest, s->norm[i]);
	return 0;
}

/* A stretch of queries, `from` to `to`, whose shortlists are held at once; inside one set its pairs
 * are multiplied once. */
struct search {
	struct knn *job;
	struct pass pass;
	struct shortlist *list;              /* [stretch] */
	struct candidate *candidates;        /* [stretch][room] */
	int64_t stretch, from, to;
	double *scratch;                     /* [threads][room] */
	int *wrong;                          /* [block]: queries whose guesses were */
	double done, all;                    /* pairs of this search */
	struct finish finish;
};

static int at_most(int64_t n, int most)
{
	return n < most ? (int)n : most;
}

static bool within(const struct knn *job)
{
	return job->base == job->query;
}

static double pairs(const struct knn *job, double rows)
{
	return rows * (double)job->base->count - (within(job) ? rows * (rows - PASS_TILE) / 2 : 0);
}

static int advance(struct search *s, int from, int rows, bool both)
{
	struct knn *job = s->job;

	if (stop_check() || pass_run(&s->pass, from, rows, both)) return -1;
	s->done += (double)rows * s->pass.tile_n;
	if (job->tick) job->tick(job->ctx, fmin(s->done / s->all, 1));
	return 0;
}

/* The tiles first .. last-1 of base rows for the whole block. */
static int run_tiles(struct search *s, int64_t first, int64_t last)
{
	for (int64_t at = first; at < last; at += PASS_TILE)
		if (pass_tile(&s->pass, at, at_most(last - at, PASS_TILE)) ||
			advance(s, 0, s->pass.row_n, false))
			return -1;
	return 0;
}

/* Each tile of the block in itself, all of its pairs both ways. */
static int run_diagonal(struct search *s)
{
	struct pass *p = &s->pass;
	int64_t first = p->row_first, end = first + p->row_n;

	for (int64_t at = first; at < end; at += PASS_TILE) {
		int n = at_most(end - at, PASS_TILE);
		if (pass_tile(p, at, n) || advance(s, (int)(at - first), n, false)) return -1;
	}
	return 0;
}

/* The query itself is not counted. */
static int guess(struct search *s)
{
	const struct knn *job = s->job;
	int rank = guess_rank(job, PASS_TILE) - (job->others && within(job));
	uint32_t at[PASS_TILE];

	if (job->base->count < GUESSED || rank > PASS_TILE || job->reach) return 0;
	guess_sample(job, PASS_TILE, at);
	return pass_guess(&s->pass, at, PASS_TILE, rank);
}

static int take_block(struct search *s, int64_t at)
{
	return pass_rows(&s->pass, at, at_most(s->to - at, s->pass.block));
}

/* What is farther than a query's reach never gets into its list; a reach is less exact than a
 * candidate's score. */
static void bound(struct search *s)
{
	const struct knn *job = s->job;
	const struct pass *p = &s->pass;
	struct shortlist *l = s->list + (p->row_first - s->from);

	for (int i = 0; job->reach && i < p->row_n; i++) {
		double d = job->reach[p->row_first + i];
		if (!isfinite(d)) continue;
		l[i].floor = ground_score(&p->ground, p->rows.addend[i],
			job->metric == KNN_IP ? d : d * d);
		l[i].floor -= REACH_ERROR * (1 + fabs(l[i].floor));
	}
}

/* Afterwards no list takes everything. */
static int start_lists(struct search *s)
{
	for (int64_t at = s->from; at < s->to; at += s->pass.block) {
		if (take_block(s, at) || guess(s)) return -1;
		bound(s);
		if (within(s->job) && run_diagonal(s)) return -1;
	}
	return 0;
}

/* The block with the later tiles of the stretch, for both; the queries before a tile are whole
 * tiles.  A tile takes at once no more rows than it has seen: its floors would be out of date. */
static int run_later(struct search *s)
{
	struct pass *p = &s->pass;

	for (int64_t at = p->row_first + PASS_TILE; at < s->to; at += PASS_TILE) {
		int rows = at_most(at - p->row_first, p->row_n), n;
		if (pass_tile(p, at, at_most(s->to - at, PASS_TILE))) return -1;
		for (int from = 0; from < rows; from += n) {
			n = at_most(p->row_first - s->from + from, rows - from);
			if (n < PASS_TILE) n = at_most(rows - from, PASS_TILE);
			n = at_most(n, PASS_BOTH);
			if (advance(s, from, n, true)) return -1;
		}
	}
	return 0;
}

/* Prunes a list, and has it take no more; or, if its guess was wrong, forgets its candidates. */
static void settle_list(void *ctx, int64_t i, int worker)
{
	struct search *s = ctx;
	struct shortlist *l = s->list + (s->pass.row_first - s->from) + i;

	shortlist_prune(l, s->scratch + (size_t)worker * (size_t)l->room);
	bool good = s->job->reach || (l->n >= l->k && l->floor >= l->guess);
	l->guess = good ? INFINITY : -INFINITY;
	if (!good) l->n = 0;
}

/* The n queries of the block whose guess was wrong, against all base rows again. */
static int search_again(struct search *s, int n)
{
	struct pass *p = &s->pass;
	int64_t count = s->job->base->count;

	pass_some(p, s->wrong, n);
	for (int64_t at = 0; at < count; at += PASS_TILE)
		if (stop_check() || pass_tile(p, at, at_most(count - at, PASS_TILE)) ||
			pass_run(p, 0, n, false))
			return -1;
	for (int i = 0; i < n; i++)
		shortlist_prune(s->list + (p->row_first - s->from) + s->wrong[i], s->scratch);
	return 0;
}

/* Lists that hold everything that can be among the k nearest. */
static int settle(struct search *s)
{
	const struct shortlist *list = s->list + (s->pass.row_first - s->from);
	int wrong = 0;

	par_for(s->pass.row_n, s, settle_list);
	for (int i = 0; i < s->pass.row_n; i++)
		if (list[i].guess == -INFINITY) s->wrong[wrong++] = i;
	s->job->effort.again += wrong;
	return wrong ? search_again(s, wrong) : 0;
}

static int finish_block(struct search *s)
{
	const struct pass *p = &s->pass;
	struct finish *f = &s->finish;
	const struct shortlist *list = s->list + (p->row_first - s->from);

	for (int from = 0; from < p->row_n; from += f->most) {
		int n = at_most(p->row_n - from, f->most);
		if (stop_check() || finish_run(f, p->row_first + from, n, list + from)) return -1;
		if (s->job->take(s->job->ctx, p->row_first + from, n, f->at, f->distance))
			return -1;
	}
	return 0;
}

static int run_stretch(struct search *s)
{
	struct knn *job = s->job;
	bool both = within(job);

	for (int64_t i = 0; i < s->to - s->from; i++)
		s->list[i] =
			(struct shortlist){ .c = s->candidates + (size_t)i * (size_t)s->pass.room,
				.room = s->pass.room,
				.k = job->k,
				.floor = -INFINITY,
				.guess = -INFINITY };
	s->pass.list_first = s->from;
	if (start_lists(s)) return -1;
	for (int64_t at = s->from; at < s->to; at += s->pass.block) {
		if (take_block(s, at)) return -1;
		if (both ? run_later(s) || run_tiles(s, 0, s->from) ||
					run_tiles(s, s->to, job->base->count)
			 : run_tiles(s, 0, job->base->count))
			return -1;
		if (settle(s) || finish_block(s)) return -1;
	}
	return 0;
}

/* Whole tiles of rows within memory; at least one. */
static int64_t tiles_in(size_t bytes, size_t each, int64_t most)
{
	int64_t tiles = (int64_t)(bytes / each / PASS_TILE);

	return tiles < 1 ? PASS_TILE : tiles * PASS_TILE < most ? tiles * PASS_TILE : most;
}

static int search_open(struct search *s, int64_t rows)
{
	struct knn *job = s->job;
	int64_t all = (rows + PASS_TILE - 1) / PASS_TILE * PASS_TILE;

	s->pass.job = job;
	s->pass.room = knn_room(job);
	size_t each = (size_t)s->pass.room * sizeof *s->candidates + sizeof *s->list;
	s->stretch = tiles_in(knn_memory(job), each, all);
	s->pass.block = (int)tiles_in(
		BLOCK_BYTES, quant_bytes(job->query->width, pass_sides(job)), s->stretch);
	int piece = job->k > PIECE / PASS_STRIP ? PASS_STRIP : PIECE / job->k;
	s->finish = (struct finish){ .job = job,
		.ground = &s->pass.ground,
		.room = s->pass.room,
		.most = at_most(piece, s->pass.block) };
	s->candidates = mem_big(
		(size_t)s->stretch, (size_t)s->pass.room * sizeof *s->candidates, "candidates");
	s->scratch = mem_new((size_t)par_threads() * (size_t)s->pass.room, sizeof *s->scratch);
	s->wrong = mem_new((size_t)s->pass.block, sizeof *s->wrong);
	s->pass.list = s->list = mem_big((size_t)s->stretch, sizeof *s->list, "candidates");
	if (!s->candidates || !s->list) return -1;
	return pass_open(&s->pass) || finish_open(&s->finish) ? -1 : 0;
}

static int search_on_device(struct knn *job, int64_t first, int64_t last)
{
	struct sweep s;

	if (sweep_open(&s, job, last - first)) return -1;
	int bad = sweep_run(&s, first, last);
	sweep_close(&s);
	return bad;
}

int knn_search(struct knn *job, int64_t first, int64_t last)
{
	struct search s = { .job = job };
	bool bad;

	must(job->base->norm && job->query->norm && job->k >= 1 &&
		job->query->width == job->base->width);
	must(first >= 0 && first <= last && last <= job->query->count);
	job->effort = (struct knn_effort){ 0 };
	if (first == last) return 0;
	if (job->device) return search_on_device(job, first, last);
	bad = search_open(&s, last - first);
	for (int64_t at = first; !bad && at < last; at += s.stretch)
		s.all += pairs(job, (double)(last - at < s.stretch ? last - at : s.stretch));
	for (s.from = first; !bad && s.from < last; s.from = s.to) {
		s.to = last - s.from < s.stretch ? last : s.from + s.stretch;
		bad = run_stretch(&s);
	}
	if (!bad) pass_effort(&s.pass, &job->effort);
	job->effort.measured += s.finish.effort.measured;
	job->effort.undecided = s.finish.effort.undecided;
	finish_close(&s.finish);
	pass_close(&s.pass);
	free(s.candidates);
	free(s.list);
	free(s.scratch);
	free(s.wrong);
	return bad ? -1 : 0;
}
