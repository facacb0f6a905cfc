/* finish: the lower of two queries measures for both: differences and products are the same from
 * either side, to the last bit. */
#include "lib/stat/finish.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

struct turn { uint32_t first; int i; };          /* the lowest candidate of query i */

int finish_open(struct finish *f)
{
	size_t most = (size_t)f->most, k = (size_t)f->job->k, room = (size_t)f->room;
	int bad = 0;

	f->fault.at = -1;
	f->at = mem_big(most * k, sizeof *f->at, "neighbours");
	f->distance = mem_big(most * k, sizeof *f->distance, "distances");
	f->base = mem_big(most * room, sizeof *f->base, "candidates");
	f->measured = mem_big(most * room, sizeof *f->measured, "distances");
	f->turn = mem_big(most, sizeof *f->turn, "an order of rows");
	f->own = mem_big(most, room * sizeof *f->own, "distances");
	f->rank = mem_new((size_t)par_threads(), sizeof *f->rank);
	for (int t = 0; t < par_threads() && !bad; t++)
		bad = rank_open(&f->rank[t], f->job->base, f->job->query, f->ground, f->room);
	bad = bad || !f->at || !f->distance || !f->measured || !f->own || !f->turn || !f->base;
	return bad ? -1 : 0;
}

void finish_close(struct finish *f)
{
	for (int t = 0; f->rank && t < par_threads(); t++) rank_close(&f->rank[t]);
	free(f->at);
	free(f->distance);
	free(f->base);
	free(f->measured);
	free(f->turn);
	free(f->own);
	free(f->rank);
	*f = (struct finish){ .job = f->job };
}

static void list_base(void *ctx, int64_t i, int worker)
{
	struct finish *f = ctx;
	const struct shortlist *l = &f->list[i];
	uint32_t *base = f->base + i * f->room;

	(void)worker;
	f->turn[i] = (struct turn){ UINT32_MAX, (int)i };
	for (int c = 0; c < l->n; c++) {
		base[c] = l->c[c].at;
		if (base[c] < f->turn[i].first) f->turn[i].first = base[c];
	}
}

/* Queries by their first candidate: what is near the same row comes together, and reads the same
 * rows. */
static int by_first(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;
	if (x->first != y->first) return x->first < y->first ? -1 : 1;
	return x->i - y->i;
}

static void order(struct finish *f)
{
	par_for(f->n, f, list_base);
	for (int i = 0; i < f->n; i++) {
		f->effort.measured += f->list[i].n;
		f->effort.undecided += f->list[i].n > f->list[i].k;
	}
	qsort(f->turn, (size_t)f->n, sizeof *f->turn, by_first);
}

/* The place where the lower query that has i as a candidate, too, measures the pair; -1: i does. */
static int64_t elsewhere(const struct finish *f, int i, uint32_t at)
{
	int64_t other = (int64_t)at - f->first;

	if (f->job->base != f->job->query || other < 0 || other >= i) return -1;
	const uint32_t *base = f->base + other * f->room, query = (uint32_t)(f->first + i);
	int n = f->list[other].n, found = -1;
	for (int c = 0; c < n; c++) found = base[c] == query ? c : found;
	return found < 0 ? -1 : other * f->room + found;
}

static void measure(void *ctx, int64_t turn, int worker)
{
	struct finish *f = ctx;
	int i = f->turn[turn].i;
	const struct shortlist *l = &f->list[i];
	bool *own = f->own + (int64_t)i * f->room;
	double *measured = f->measured + (int64_t)i * f->room;

	for (int c = 0; c < l->n; c++) {
		int64_t place = elsewhere(f, i, l->c[c].at);
		own[c] = place < 0;
		measured[c] = (double)place;
	}
	if (rank_measure(&f->rank[worker], f->first + i, l, own, measured))
		fault_at(&f->fault, f->first + i);
}

static void sort(void *ctx, int64_t i, int worker)
{
	struct finish *f = ctx;
	int k = f->job->k;
	const struct shortlist *l = &f->list[i];
	double *measured = f->measured + i * f->room;
	struct rank *r = &f->rank[worker];

	for (int c = 0; c < l->n; c++)
		if (!f->own[i * f->room + c]) measured[c] = f->measured[(int64_t)measured[c]];
	rank_sort(r, 0, l, measured);
	for (int c = 0; c < k; c++) {
		if (c >= l->n) r->list[c] = (struct ranked){ INFINITY, 0, 0, UINT32_MAX };
		double d = r->list[c].distance;
		f->at[i * k + c] = r->list[c].at;
		f->distance[i * k + c] = f->job->metric == KNN_IP ? d : sqrt(d);
	}
}

int finish_run(struct finish *f, int64_t first, int n, const struct shortlist *list)
{
	f->first = first;
	f->n = n;
	f->list = list;
	for (int i = 0; i < n; i++)
		if (list[i].n < list[i].k && !f->job->reach)
			return fail("%s: key %" PRIu64 ": %d neighbours, expected %d",
				f->job->query->name, knn_key(f->job->query, first + i), list[i].n,
				list[i].k);
	order(f);
	par_for(n, f, measure);
	if (f->fault.at < 0) par_for(n, f, sort);
	return fault_told(&f->fault);
}
