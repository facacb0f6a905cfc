/* pass: strips of queries first, each with its own lists, then groups of base rows with theirs: no
 * list has two owners, and its candidates come in the same order for any number of threads. */
#include "lib/stat/pass.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEW = 16, PANEL = 2 * NEAR_RIGHT };
enum { STRIPS = PASS_BOTH / PASS_STRIP, GROUPS = PASS_TILE / PASS_GROUP };
#define LOWEST_BITS 0x0101010101010101u
enum { OFFERS = PASS_STRIP * PASS_GROUP };

/* A base row that may be near a query, perhaps the other way round, or both; most: the largest
 * that its score for the query can be; dot within slack: from 16 bits. */
struct hit { float most; int at; bool left, right; double dot, slack; };
struct offer { struct candidate c; int to; };

/* What one thread works on. */
struct bench {
	struct rank rank;
	float *row, *room;                   /* [width] */
	int32_t *products;                   /* [PASS_STRIP][PASS_TILE] */
	uint8_t *mark;                       /* [PASS_TILE] */
	double *scratch;                     /* [room or PASS_TILE] */
	int64_t refined;
};

static int bench_open(struct bench *b, const struct pass *p)
{
	size_t scratch = (size_t)(p->room > PASS_TILE ? p->room : PASS_TILE);

	b->row = mem_big((size_t)p->job->base->width, sizeof *b->row, "a row");
	b->room = mem_big((size_t)p->job->base->width, sizeof *b->room, "a row");
	b->products = mem_big((size_t)PASS_STRIP * PASS_TILE, sizeof *b->products, "products");
	b->mark = mem_new(PASS_TILE, 1);
	b->scratch = mem_big(scratch, sizeof *b->scratch, "candidates");
	return rank_open(&b->rank, p->job->base, p->job->query, &p->ground, p->room) ||
		!b->row || !b->room || !b->products || !b->scratch ? -1 : 0;
}

enum quant_sides pass_sides(const struct knn *job)
{
	return job->base == job->query ? QUANT_LEFT | QUANT_RIGHT : QUANT_LEFT;
}

int pass_open(struct pass *p)
{
	const struct knn *job = p->job;
	bool both = job->base == job->query;
	bool bad = ground_open(&p->ground, job->metric, job->query, job->base);

	p->near = near_best();
	p->fault.at = -1;
	p->bar = mem_new(PASS_TILE, sizeof *p->bar);
	p->bench = mem_new((size_t)par_threads(), sizeof *p->bench);
	p->offered = mem_new(STRIPS, GROUPS * sizeof *p->offered);
	if (both) p->offers = mem_big(STRIPS * GROUPS, OFFERS * sizeof *p->offers, "candidates");
	bad = bad || (both && !p->offers) ||
		quant_open(&p->rows, job->query->width, p->block, pass_sides(job)) ||
		quant_open(&p->other, job->base->width, PASS_TILE, QUANT_RIGHT);
	for (int t = 0; !bad && t < par_threads(); t++) bad = bench_open(&p->bench[t], p);
	if (bad) pass_close(p);
	return bad ? -1 : 0;
}

void pass_close(struct pass *p)
{
	for (int t = 0; p->bench && t < par_threads(); t++) {
		struct bench *b = &p->bench[t];
		rank_close(&b->rank);
		free(b->row);
		free(b->room);
		free(b->products);
		free(b->mark);
		free(b->scratch);
	}
	free(p->bench);
	free(p->bar);
	free(p->offered);
	free(p->offers);
	quant_close(&p->rows);
	quant_close(&p->other);
	ground_close(&p->ground);
	*p = (struct pass){ .job = p->job };
}

void pass_effort(const struct pass *p, struct knn_effort *e)
{
	for (int t = 0; t < par_threads(); t++) {
		e->refined += p->bench[t].refined;
		e->measured += p->bench[t].rank.measured;
	}
}

/* Few rows of a set into a block or tile. */
static void load(struct pass *p, struct quant *q, const struct knn_set *s, const uint32_t *at,
	int64_t first, int n, int part, int worker)
{
	int from = part * FEW, end = n - from < FEW ? n : from + FEW;
	struct bench *b = &p->bench[worker];

	for (int i = from; i < end; i++) {
		int64_t row = at ? at[i] : first + i;
		const float *x = knn_row(s, row, b->row);
		if (!x) {
			fault_at(&p->fault, row);
			return;
		}
		quant_set(q, i, &p->ground, ground_scale(&p->ground, s, row), x, b->room);
	}
}

static void load_rows(void *ctx, int64_t part, int worker)
{
	struct pass *p = ctx;
	load(p, &p->rows, p->job->query, NULL, p->row_first, p->row_n, (int)part, worker);
}

static void load_tile(void *ctx, int64_t part, int worker)
{
	struct pass *p = ctx;
	load(p, &p->other, p->job->base, p->sample, p->tile_first, p->tile_n, (int)part, worker);
}

int pass_rows(struct pass *p, int64_t first, int n)
{
	must(n >= 1 && n <= p->block);
	if (first == p->row_first && n == p->row_n) return 0;
	p->row_first = first;
	p->row_n = n;
	par_for((n + FEW - 1) / FEW, p, load_rows);
	return fault_told(&p->fault);
}

int pass_tile(struct pass *p, int64_t first, int n)
{
	must(n >= 1 && n <= PASS_TILE);
	p->tile_first = first;
	p->tile_n = n;
	if (p->rows.right && first >= p->row_first && first + n <= p->row_first + p->row_n) {
		p->tile = quant_part(&p->rows, (int)(first - p->row_first));
		return 0;
	}
	p->tile = p->other;
	par_for((n + FEW - 1) / FEW, p, load_tile);
	return fault_told(&p->fault);
}

static struct shortlist *list_of(const struct pass *p, int64_t row)
{
	return &p->list[row - p->list_first];
}

/* Whether the pair of query i and base row h->at is worth its 16 bits, and for whom. */
static bool is_worth(const struct pass *p, int i, struct hit *h)
{
	int64_t row = p->row_first + i;

	h->left = h->left && (double)h->most >= shortlist_bar(list_of(p, row));
	if (!h->left && !h->right) return false;
	return !p->job->others ||
		knn_key(p->job->query, row) != knn_key(p->job->base, p->tile_first + h->at);
}

static void refine(const struct pass *p, struct bench *b, int i, struct hit *h)
{
	h->dot = quant_dot(&p->rows, i, &p->tile, h->at, p->near, &h->slack);
	b->refined++;
}

/* A refined pair to the lists of both. */
static int take(struct pass *p, struct bench *b, int i, const struct hit *h)
{
	int64_t row = p->row_first + i;

	if (h->right) {
		struct candidate c = shortlist_candidate(h->dot + p->rows.addend[i], h->slack, row);
		int slot = (i - p->run_first) / PASS_STRIP * GROUPS + h->at / PASS_GROUP;
		if (c.score + c.slack >= p->bar[h->at])
			p->offers[(size_t)slot * OFFERS + (size_t)p->offered[slot]++] =
				(struct offer){ c, h->at };
	}
	if (!h->left) return 0;
	return rank_take(&b->rank, row, p->rows.addend[i], list_of(p, row),
		shortlist_candidate(
			h->dot + p->tile.addend[h->at], h->slack, p->tile_first + h->at),
		b->scratch);
}

static struct near_row row_of(const struct pass *p, int i)
{
	const struct quant *q = &p->rows;
	return (struct near_row){ q->step[i], q->norm[i], q->rest[i], q->bias[i],
		shortlist_low_bar(list_of(p, p->row_first + i)) };
}

/* The strip's rows from .. from+n-1 by base rows at .. at+width-1 of the tile. */
static void multiply(struct pass *p, int from, int n, int at, int width, int32_t *c)
{
	size_t wide = (size_t)p->rows.wide;
	int rows = (n + NEAR_LEFT - 1) / NEAR_LEFT * NEAR_LEFT;
	int columns = (width + NEAR_RIGHT - 1) / NEAR_RIGHT * NEAR_RIGHT;

	p->near->products(p->rows.left + (size_t)from * wide, rows,
		p->tile.right + (size_t)at * wide, p->tile.sum + at, columns, (int)wide, c,
		PASS_TILE);
}

/* The largest that the score of the row x with base row j can be, its product being c. */
static float most_of(const struct near_row *x, const struct quant *y, int j, int32_t c)
{
	return (float)c * (x->step * y->step[j]) + (x->norm * y->rest[j] + x->rest * y->norm[j]) +
		y->bias[j];
}

/* A list that is still empty takes all: a floor for it are the k likely ones of the tile, which
 * will come again. */
static int find_floor(struct pass *p, struct bench *b, int i, const int32_t *products)
{
	struct shortlist *l = list_of(p, p->row_first + i);
	struct near_row x = row_of(p, i);
	int k = l->k + p->job->others;
	double likely = -INFINITY;

	if (shortlist_bar(l) != -INFINITY || p->tile_n < k) return 0;
	for (int j = 0; j < p->tile_n; j++) {
		b->scratch[j] = (double)most_of(&x, &p->tile, j, products[j]);
		likely = b->scratch[j] > likely ? b->scratch[j] : likely;
	}
	if (k > 1) likely = shortlist_kth(b->scratch, p->tile_n, k);
	for (int j = 0; j < p->tile_n && isinf(l->floor); j++) {
		struct hit h = { .most = most_of(&x, &p->tile, j, products[j]), .at = j,
			.left = true };
		if ((double)h.most < likely || !is_worth(p, i, &h)) continue;
		refine(p, b, i, &h);
		if (take(p, b, i, &h)) return -1;
	}
	l->n = 0;
	return 0;
}

/* A strip's guesses; a product as it is may be off by little, and a guess by anything. */
static void guess_strip(void *ctx, int64_t strip, int worker)
{
	struct pass *p = ctx;
	struct bench *b = &p->bench[worker];
	int from = (int)strip * PASS_STRIP;
	int n = p->row_n - from < PASS_STRIP ? p->row_n - from : PASS_STRIP;

	multiply(p, from, n, 0, p->tile_n, b->products);
	for (int i = 0; i < n; i++) {
		const int32_t *c = b->products + (size_t)i * PASS_TILE;
		double step = (double)p->rows.step[from + i];
		for (int j = 0; j < p->tile_n; j++)
			b->scratch[j] = c[j] * step * (double)p->tile.step[j] + p->tile.addend[j];
		list_of(p, p->row_first + from + i)->guess =
			shortlist_kth(b->scratch, p->tile_n, p->rank);
	}
}

int pass_guess(struct pass *p, const uint32_t *at, int n, int rank)
{
	must(n <= PASS_TILE && rank >= 1 && rank <= n);
	p->sample = at;
	p->rank = rank;
	p->tile = p->other;
	p->tile_n = n;
	par_for((n + FEW - 1) / FEW, p, load_tile);
	p->sample = NULL;
	if (p->fault.at < 0) par_for((p->row_n + PASS_STRIP - 1) / PASS_STRIP, p, guess_strip);
	return fault_told(&p->fault);
}

/* What a scan of n base rows of the tile, from `at` on, at most PANEL, has marked: all are refined
 * before any is taken, since the processor does several at once. */
static int take_marked(struct pass *p, struct bench *b, int i, const struct near_row *x, int at,
	int n, const int32_t *products)
{
	struct hit hit[PANEL];
	int hits = 0;

	for (int from = 0; from < n; from += 8) {
		uint64_t eight;                      /* marks, the first the lowest byte */
		memcpy(&eight, b->mark + from, sizeof eight);
		for (eight = (eight | eight >> 1) & LOWEST_BITS; eight; eight &= eight - 1) {
			int j = from + __builtin_ctzll(eight) / 8;
			hit[hits] = (struct hit){ .most = most_of(x, &p->tile, at + j, products[j]),
				.at = at + j, .left = b->mark[j] & 1, .right = b->mark[j] & 2 };
			hits += is_worth(p, i, &hit[hits]);
		}
	}
	for (int h = 0; h < hits; h++) refine(p, b, i, &hit[h]);
	for (int h = 0; h < hits; h++)
		if (take(p, b, i, &hit[h])) return -1;
	return 0;
}

static int take_row(struct pass *p, struct bench *b, int i, int at, int n, const int32_t *products)
{
	const struct quant *q = &p->tile;
	struct near_row x = row_of(p, i);
	struct near_rows y = { q->step + at, q->norm + at, q->rest + at, q->bias + at,
		p->bar + at };

	return p->near->scan(products, n, &x, &y, b->mark)
		? take_marked(p, b, i, &x, at, n, products)
		: 0;
}

/* Panels of the tile are narrow, so that what is multiplied again in 16 bits is still in the
 * cache. */
static int take_panels(struct pass *p, struct bench *b, int from, int n, bool empty)
{
	for (int at = 0; at < p->tile_n; at += PANEL) {
		int width = p->tile_n - at < PANEL ? p->tile_n - at : PANEL;
		int32_t *c = b->products + (empty ? at : 0);
		if (!empty) multiply(p, from, n, at, width, c);
		for (int i = 0; i < n; i++)
			if (take_row(p, b, from + i, at, width, c + (size_t)i * PASS_TILE))
				return from + i;
	}
	return -1;
}

static void run_strip(void *ctx, int64_t strip, int worker)
{
	struct pass *p = ctx;
	struct bench *b = &p->bench[worker];
	int from = p->run_first + (int)strip * PASS_STRIP, end = p->run_first + p->run_n, bad = -1;
	int n = end - from < PASS_STRIP ? end - from : PASS_STRIP;
	bool empty = shortlist_bar(list_of(p, p->row_first + from)) == -INFINITY;

	if (empty) multiply(p, from, n, 0, p->tile_n, b->products);
	for (int i = 0; empty && bad < 0 && i < n; i++)
		if (find_floor(p, b, from + i, b->products + (size_t)i * PASS_TILE)) bad = from + i;
	if (bad < 0) bad = take_panels(p, b, from, n, empty);
	if (bad >= 0) fault_at(&p->fault, p->row_first + bad);
}

/* What all strips offer to a group of the tile's rows. */
static void run_group(void *ctx, int64_t group, int worker)
{
	struct pass *p = ctx;
	struct bench *b = &p->bench[worker];

	for (int s = 0; s < STRIPS; s++) {
		int slot = s * GROUPS + (int)group;
		const struct offer *o = p->offers + (size_t)slot * OFFERS;
		for (int i = 0; i < p->offered[slot]; i++) {
			int64_t row = p->tile_first + o[i].to;
			if (rank_take(&b->rank, row, p->tile.addend[o[i].to], list_of(p, row),
				    o[i].c, b->scratch)) {
				fault_at(&p->fault, row);
				return;
			}
		}
		p->offered[slot] = 0;
	}
}

int pass_run(struct pass *p, int from, int n, bool both)
{
	must(from % NEAR_LEFT == 0 && from + n <= p->row_n && (!both || n <= PASS_BOTH));
	for (int j = 0; j < p->tile_n; j++)
		p->bar[j] = both ? shortlist_low_bar(list_of(p, p->tile_first + j)) : INFINITY;
	p->run_first = from;
	p->run_n = n;
	par_for((n + PASS_STRIP - 1) / PASS_STRIP, p, run_strip);
	if (both) par_for(GROUPS, p, run_group);
	return fault_told(&p->fault);
}

int64_t pass_nearest(struct pass *p, int i, int worker)
{
	int64_t query = p->row_first + i;
	struct bench *b = &p->bench[worker];
	struct shortlist *l = list_of(p, query);

	shortlist_prune(l, b->scratch);
	if (l->n == 1) return l->c[0].at;
	if (rank_measure(&b->rank, query, l, NULL, b->rank.distance)) return -1;
	rank_sort(&b->rank, p->rows.addend[i], l, b->rank.distance);
	return b->rank.list[0].at;
}
