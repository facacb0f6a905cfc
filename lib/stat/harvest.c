/* harvest: strips of queries first, each with its own lists, then strips of base rows with theirs:
 * no list has two owners, and its candidates come in the same order for any number of threads. */
#include "lib/stat/harvest.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"

#include <stdlib.h>

/* What one thread works with. */
struct hand { struct rank rank; double *scratch; };

static int hands_open(struct harvest *h)
{
	h->hand = mem_new((size_t)par_threads(), sizeof *h->hand);
	for (int t = 0; t < par_threads(); t++) {
		struct hand *d = &h->hand[t];
		d->scratch = mem_new((size_t)h->room, sizeof *d->scratch);
		if (rank_open(&d->rank, h->job->base, h->job->query, h->ground, h->room)) return -1;
	}
	return 0;
}

static size_t parts_of(const struct harvest *h)
{
	return (size_t)sift_tiles(h->query->side) * (size_t)sift_tiles(h->base->side);
}

/* A strip of queries by a block of base rows always fits. */
int harvest_open(struct harvest *h)
{
	struct backend *b = h->job->device;
	size_t side = (size_t)h->query->side, parts = parts_of(h);

	h->fault.at = -1;
	h->limit = SIFT_SIDE * (uint32_t)h->base->side;
	h->count = backend_take(b, sizeof *h->count);
	h->part = backend_take(b, parts * sizeof *h->part);
	h->hit = backend_take(b, h->limit * sizeof *h->hit);
	h->score = backend_take(b, side * HARVEST_SAMPLE * sizeof *h->score);
	h->kth = backend_take(b, side * sizeof *h->kth);
	h->bar = mem_new(side + (size_t)h->base->side, sizeof *h->bar);
	for (int i = 0; i < 2; i++) {
		h->batch[i].part = mem_big(parts, sizeof *h->part, "parts of a list");
		h->batch[i].hit = mem_big(h->limit, sizeof *h->hit, "near pairs");
		if (!h->batch[i].part || !h->batch[i].hit) return -1;
	}
	if (!h->count || !h->part || !h->hit || !h->score || !h->kth)
		return fail("no memory for near pairs on the device");
	return hands_open(h);
}

void harvest_close(struct harvest *h)
{
	struct backend *b = h->job ? h->job->device : NULL;
	void *const there[] = { h->count, h->part, h->hit, h->score, h->kth };

	for (size_t i = 0; b && i < LEN(there); i++) backend_give(b, there[i]);
	for (int i = 0; i < 2; i++) {
		free(h->batch[i].part);
		free(h->batch[i].hit);
	}
	for (int t = 0; h->hand && t < par_threads(); t++) {
		rank_close(&h->hand[t].rank);
		free(h->hand[t].scratch);
	}
	free(h->hand);
	free(h->bar);
	*h = (struct harvest){ 0 };
}

static int outcome(const struct harvest *h)
{
	const char *fault = backend_fault(h->job->device);
	return fault ? fail("%s: %s", h->job->device->name, fault) : 0;
}

static int64_t position(const struct shelf_rows *r, int i)
{
	return r->at ? r->at[i] : r->first + i;
}

static struct shortlist *list_of(const struct harvest *h, int64_t row)
{
	return &h->list[row - h->list_first];
}

/* Row i of x takes row j of y, unless they have one key. */
static int take(struct harvest *h, struct hand *d, const struct shelf_rows *x, int i,
	const struct shelf_rows *y, int j, float dot)
{
	const struct loss *p = &x->loss[i], *q = &y->loss[j];
	int64_t row = position(x, i), other = position(y, j);
	double slack = (double)p->norm * (double)q->rest + (double)p->rest * (double)q->norm;

	if (h->job->others && knn_key(h->job->query, row) == knn_key(h->job->base, other)) return 0;
	return rank_take(&d->rank, row, p->addend, list_of(h, row),
		shortlist_candidate((double)dot + q->addend, slack, other), d->scratch);
}

/* A strip of a, with what is left of each pair. */
static void take_left(void *ctx, int64_t strip, int worker)
{
	struct harvest *h = ctx;
	const struct batch *t = h->pending;
	int across = sift_tiles(t->b.on.n), row = (int)strip * SIFT_SIDE;

	for (int tile = 0; tile < across; tile++) {
		const struct sift_part *p = &t->part[strip * across + tile];
		for (uint32_t i = 0; i < p->n; i++) {
			const struct sift_hit *s = &t->hit[p->from + i];
			if (s->left && take(h, &h->hand[worker], &t->a, row + s->row, &t->b,
				tile * SIFT_SIDE + s->column, s->dot)) fault_at(&h->fault, strip);
		}
	}
}

static void take_right(void *ctx, int64_t strip, int worker)
{
	struct harvest *h = ctx;
	const struct batch *t = h->pending;
	int across = sift_tiles(t->b.on.n), column = (int)strip * SIFT_SIDE;

	for (int tile = 0; tile < sift_tiles(t->a.on.n); tile++) {
		const struct sift_part *p = &t->part[tile * across + strip];
		for (uint32_t i = 0; i < p->n; i++) {
			const struct sift_hit *s = &t->hit[p->from + i];
			if (s->right && take(h, &h->hand[worker], &t->b, column + s->column, &t->a,
				tile * SIFT_SIDE + s->row, s->dot)) fault_at(&h->fault, strip);
		}
	}
}

int harvest_flush(struct harvest *h)
{
	const struct batch *t = h->pending;

	if (t) par_for(sift_tiles(t->a.on.n), h, take_left);
	if (t && t->both && h->fault.at < 0) par_for(sift_tiles(t->b.on.n), h, take_right);
	h->pending = NULL;
	return fault_told(&h->fault);
}

static void put_bars(struct harvest *h, struct shelf *s, const struct shelf_rows *r)
{
	for (int i = 0; i < r->on.n; i++)
		h->bar[i] = shortlist_low_bar(list_of(h, position(r, i)));
	shelf_bars(s, r, h->bar);
}

static void launch(struct harvest *h, const struct batch *t)
{
	struct backend *b = h->job->device;
	uint32_t none = 0;
	struct sift s = { .a = t->a.on, .b = t->b.on, .wide = h->base->wide, .both = t->both,
		.upper = t->upper, .limit = h->limit, .count = h->count, .part = h->part,
		.hit = h->hit };

	if (!t->upper) put_bars(h, h->query, &t->a);     /* else they are among those of b */
	if (t->both) put_bars(h, h->base, &t->b);
	backend_put(b, h->count, &none, sizeof none);
	b->sift(b, &s);
}

/* 1, 0 when there were too many, -1 failed. */
static int collect(struct harvest *h, struct batch *t)
{
	struct backend *b = h->job->device;
	size_t parts = (size_t)sift_tiles(t->a.on.n) * (size_t)sift_tiles(t->b.on.n);

	backend_get(b, &t->hits, h->count, sizeof t->hits);
	if (outcome(h)) return -1;
	if (t->hits > h->limit) return 0;
	backend_get(b, t->part, h->part, parts * sizeof *t->part);
	backend_get(b, t->hit, h->hit, t->hits * sizeof *t->hit);
	return outcome(h) ? -1 : 1;
}

/* n rows of r from the i-th on. */
static struct shelf_rows some_of(const struct shelf_rows *r, int wide, int i, int n)
{
	struct shelf_rows s = *r;

	s.on.bits += (size_t)i * (size_t)wide;
	s.on.norm += i;
	s.on.rest += i;
	s.on.bias += i;
	s.on.bar += i;
	s.on.n = n;
	s.loss += i;
	s.first += i;
	if (s.at) s.at += i;
	return s;
}

/* The device begins with n rows of a from the i-th on; of two equal blocks the rows before them
 * have met all others. */
static struct batch *begin(struct harvest *h, const struct shelf_rows *a,
	const struct shelf_rows *b, bool both, bool upper, int i, int n)
{
	struct batch *t = &h->batch[h->pending == &h->batch[0]];

	t->a = some_of(a, h->query->wide, i, n);
	t->b = upper ? some_of(b, h->base->wide, i, b->on.n - i) : *b;
	t->both = both;
	t->upper = upper;
	launch(h, t);
	return t;
}

/* All rows at once, or where that finds too many, half of them at a time, and so on. */
int harvest_run(struct harvest *h, const struct shelf_rows *a, const struct shelf_rows *b,
	bool both, bool upper)
{
	must(!upper || both);
	for (int i = 0, got, n = a->on.n; i < a->on.n; i += got ? n : 0) {
		if (n > a->on.n - i) n = a->on.n - i;
		/* many hits are to raise bars first */
		if (h->pending && h->pending->hits > h->limit / 8 && harvest_flush(h)) return -1;
		struct batch *t = begin(h, a, b, both, upper, i, n);
		if (harvest_flush(h) || (got = collect(h, t)) < 0) return -1;
		if (got) h->pending = t;
		else n = (n / SIFT_SIDE + 1) / 2 * SIFT_SIDE;
		must(n > 0);
	}
	return 0;
}

int harvest_kth(struct harvest *h, const struct shelf_rows *a, const struct shelf_rows *b, int rank,
	float *kth)
{
	struct backend *d = h->job->device;
	struct sift s = { .a = a->on, .b = b->on, .wide = h->base->wide, .rank = rank,
		.kth = h->kth, .score = h->score };

	must(b->on.n <= HARVEST_SAMPLE && rank >= 1 && rank <= b->on.n);
	d->sift_kth(d, &s);
	backend_get(d, kth, h->kth, (size_t)a->on.n * sizeof *kth);
	return outcome(h);
}

int64_t harvest_measured(const struct harvest *h)
{
	int64_t n = 0;

	for (int t = 0; t < par_threads(); t++) n += h->hand[t].rank.measured;
	return n;
}
