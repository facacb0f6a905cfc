/* pass: strips of queries first, each with its own lists, then groups of base rows with theirs: no
 * list has two owners, and its candidates come in the same order for any number of threads. */
#include "lib/stat/pass.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"

#include <math.h>
#include <stdlib.h>

enum { FEW = 16, PANEL = 4 * NEAR_RIGHT };
enum { STRIPS = PASS_BOTH / PASS_STRIP, GROUPS = PASS_TILE / PASS_GROUP };
enum { OFFERS = PASS_STRIP * PASS_GROUP };

struct offer { struct candidate c; int to; };

/* What one thread works on. */
struct bench {
	struct rank rank;
	float *row, *room;                   /* [width] */
	int32_t *products;                   /* [PASS_STRIP][PASS_TILE] */
	struct hit hit[REFINE_MOST];         /* of the strip at work, not yet taken */
	int hits;
	double *scratch;                     /* [room or PASS_TILE] */
	struct knn_effort effort;            /* halved and refined */
};

static int bench_open(struct bench *b, const struct pass *p)
{
	size_t scratch = (size_t)(p->room > PASS_TILE ? p->room : PASS_TILE);

	b->row = mem_big((size_t)p->job->base->width, sizeof *b->row, "a row");
	b->room = mem_big((size_t)p->job->base->width, sizeof *b->room, "a row");
	b->products = mem_big((size_t)PASS_STRIP * PASS_TILE, sizeof *b->products, "products");
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
	p->row_bar = mem_new((size_t)p->block, sizeof *p->row_bar);
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
		free(b->scratch);
	}
	free(p->bench);
	free(p->bar);
	free(p->row_bar);
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
		e->halved += p->bench[t].effort.halved;
		e->refined += p->bench[t].effort.refined;
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
	if (first == p->row_first && n == p->row_n && !p->which) return 0;
	p->which = NULL;
	p->row_first = first;
	p->row_n = n;
	par_for((n + FEW - 1) / FEW, p, load_rows);
	quant_end(&p->rows, n);
	return fault_told(&p->fault);
}

int pass_tile(struct pass *p, int64_t first, int n)
{
	must(n >= 1 && n <= PASS_TILE);
	p->tile_first = first;
	p->tile_n = n;
	int64_t at = first - p->row_first;
	if (p->rows.right && at >= 0 && at + n <= p->row_n && at % PASS_TILE == 0) {
		p->tile = quant_part(&p->rows, (int)at);
		return 0;
	}
	p->tile = p->other;
	par_for((n + FEW - 1) / FEW, p, load_tile);
	quant_end(&p->other, n);
	return fault_told(&p->fault);
}

static struct shortlist *list_of(const struct pass *p, int64_t row)
{
	return &p->list[row - p->list_first];
}

/* A refined pair to the lists of both. */
static int take(struct pass *p, struct bench *b, const struct hit *h)
{
	int64_t row = p->row_first + h->i, at = p->tile_first + h->j;

	if (p->job->others && knn_key(p->job->query, row) == knn_key(p->job->base, at)) return 0;
	if (h->right) {
		struct candidate c =
			shortlist_candidate(h->dot + p->rows.addend[h->i], h->slack, row);
		int slot = (h->i - p->run_first) / PASS_STRIP * GROUPS + h->j / PASS_GROUP;
		p->offers[(size_t)slot * OFFERS + (size_t)p->offered[slot]++] =
			(struct offer){ c, h->j };
	}
	if (!h->left) return 0;
	if (!rank_take(&b->rank, row, p->rows.addend[h->i], list_of(p, row),
		    shortlist_candidate(h->dot + p->tile.addend[h->j], h->slack, at), b->scratch))
		return 0;
	fault_at(&p->fault, row);
	return -1;
}

/* All hits of the strip so far to the lists that they may belong to. */
static int take_hits(struct pass *p, struct bench *b)
{
	int n = refine(p->near, &p->rows, p->row_bar, &p->tile, p->bar, b->hit, b->hits,
		&b->effort);

	b->hits = 0;
	for (int h = 0; h < n; h++)
		if (take(p, b, &b->hit[h])) return -1;
	return 0;
}

static struct near_row row_of(const struct pass *p, int i)
{
	const struct quant *q = &p->rows;
	return (struct near_row){ q->step[i], q->norm[i], q->rest[i], q->bias[i],
		p->row_bar[i] };
}

/* The row of the block that is packed as the left row `left`. */
static int row_at(const struct pass *p, int left)
{
	return p->which ? p->which[left] : left;
}

/* The left rows from .. from+n-1 by base rows at .. at+width-1 of the tile.  All bytes of a panel
 * come into the cache meanwhile: most of them are next. */
static void multiply(struct pass *p, int from, int n, int at, int width, int32_t *c)
{
	size_t wide = (size_t)p->rows.wide;
	int rows = (n + NEAR_LEFT - 1) / NEAR_LEFT * NEAR_LEFT;
	int columns = (width + NEAR_RIGHT - 1) / NEAR_RIGHT * NEAR_RIGHT;

	p->near->products(p->rows.left + (size_t)from * wide, rows,
		p->tile.right + (size_t)at * wide, p->tile.sum + at, columns, (int)wide, c,
		PASS_TILE, quant_high(&p->tile, at), width <= PANEL ? (size_t)width * 2 * wide : 0);
}

/* The largest that the score of the row x with base row j can be, its product being c. */
static float most_of(const struct near_row *x, const struct quant *y, int j, int32_t c)
{
	return (float)c * (x->step * y->step[j]) + (x->norm * y->rest[j] + x->rest * y->norm[j]) +
		y->bias[j];
}

/* A list without a bar takes all: a floor for one that is empty are the k likely ones of the tile,
 * which will come again. */
static int find_floor(struct pass *p, struct bench *b, int i, const int32_t *products)
{
	struct shortlist *l = list_of(p, p->row_first + i);
	struct near_row x = row_of(p, i);
	int k = l->k + p->job->others;
	double likely = -INFINITY;

	if (l->n || shortlist_bar(l) != -INFINITY || p->tile_n < k) return 0;
	for (int j = 0; j < p->tile_n; j++) {
		b->scratch[j] = (double)most_of(&x, &p->tile, j, products[j]);
		likely = b->scratch[j] > likely ? b->scratch[j] : likely;
	}
	if (k > 1) likely = shortlist_kth(b->scratch, p->tile_n, k);
	for (int j = 0; j < p->tile_n; j++) {
		if ((double)most_of(&x, &p->tile, j, products[j]) < likely) continue;
		b->hit[b->hits++] = (struct hit){ i, j, true, false, products[j], 0 };
		if (b->hits == REFINE_MOST && take_hits(p, b)) return -1;
	}
	if (take_hits(p, b)) return -1;
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
	bool own = p->job->others && p->job->base == p->job->query;

	multiply(p, from, n, 0, p->tile_n, b->products);
	for (int i = 0; i < n; i++) {
		const int32_t *c = b->products + (size_t)i * PASS_TILE;
		double step = (double)p->rows.step[from + i];
		for (int j = 0; j < p->tile_n; j++)
			b->scratch[j] = c[j] * step * (double)p->tile.step[j] + p->tile.addend[j];
		for (int j = 0; own && j < p->tile_n; j++)
			if (p->sample[j] == p->row_first + from + i) b->scratch[j] = -INFINITY;
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
	quant_end(&p->other, n);
	if (p->fault.at < 0) par_for((p->row_n + PASS_STRIP - 1) / PASS_STRIP, p, guess_strip);
	p->sample = NULL;
	return fault_told(&p->fault);
}

/* Row i by n base rows of the tile, at most PANEL, from `at` on. */
static int take_row(struct pass *p, struct bench *b, int i, int at, int n, const int32_t *products)
{
	const struct quant *q = &p->tile;
	struct near_row x = row_of(p, i);
	struct near_rows y = { q->step + at, q->norm + at, q->rest + at, q->bias + at,
		p->bar + at };
	uint32_t found[PANEL];
	int n_found = p->near->scan(products, n, &x, &y, found);

	for (int h = 0; h < n_found; h++) {
		int j = (int)(found[h] >> 2);
		b->hit[b->hits++] = (struct hit){ i, at + j, found[h] & 1, found[h] >> 1 & 1,
			products[j], 0 };
	}
	return b->hits > REFINE_MOST - PANEL ? take_hits(p, b) : 0;
}

static void find_bars(struct pass *p, int from, int n)
{
	for (int left = from; left < from + n; left++) {
		int i = row_at(p, left);
		p->row_bar[i] = shortlist_low_bar(list_of(p, p->row_first + i));
	}
}

/* Panels of the tile are narrow, so that what is multiplied again is still in the cache. */
static int take_panels(struct pass *p, struct bench *b, int from, int n, bool empty)
{
	for (int at = 0; at < p->tile_n; at += PANEL) {
		int width = p->tile_n - at < PANEL ? p->tile_n - at : PANEL;
		int32_t *c = b->products + (empty ? at : 0);
		if (!empty) multiply(p, from, n, at, width, c);
		find_bars(p, from, n);
		for (int i = 0; i < n; i++, c += PASS_TILE)
			if (take_row(p, b, row_at(p, from + i), at, width, c)) return -1;
		if (take_hits(p, b)) return -1;
	}
	return 0;
}

static void run_strip(void *ctx, int64_t strip, int worker)
{
	struct pass *p = ctx;
	struct bench *b = &p->bench[worker];
	int from = p->run_first + (int)strip * PASS_STRIP, end = p->run_first + p->run_n;
	int n = end - from < PASS_STRIP ? end - from : PASS_STRIP;
	bool empty = shortlist_bar(list_of(p, p->row_first + row_at(p, from))) == -INFINITY;
	bool bad = false;

	find_bars(p, from, n);
	if (empty) multiply(p, from, n, 0, p->tile_n, b->products);
	for (int i = 0; empty && !bad && i < n; i++)
		bad = find_floor(p, b, row_at(p, from + i), b->products + (size_t)i * PASS_TILE);
	if (!bad) take_panels(p, b, from, n, empty);
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

void pass_some(struct pass *p, const int *which, int n)
{
	for (int left = 0; left < n; left++) quant_left(&p->rows, left, which[left]);
	p->which = which;
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
