/* rank: distances by direct differences, so that equal rows are at distance 0 and order of
 * summation is fixed. */
#include "lib/stat/rank.h"
#include "lib/base/mem.h"
#include "lib/stat/pair.h"

#include <math.h>
#include <stdlib.h>

int rank_open(struct rank *r, const struct knn_set *base, const struct knn_set *query,
	const struct ground *g, int room)
{
	size_t width = (size_t)base->width;

	*r = (struct rank){ .base = base, .query = query, .ground = g };
	r->row[0] = mem_big(width, sizeof **r->row, "a row");
	r->row[1] = mem_big(width, sizeof **r->row, "a row");
	r->x = mem_big(width + (size_t)room, sizeof *r->x, "a row");
	r->distance = r->x + width;
	r->list = mem_big((size_t)room, sizeof *r->list, "candidates");
	return r->row[0] && r->row[1] && r->x && r->list ? 0 : -1;
}

void rank_close(struct rank *r)
{
	free(r->row[0]);
	free(r->row[1]);
	free(r->x);
	free(r->list);
}

/* What row i is multiplied by before it is compared. */
static double unit(const struct rank *r, const struct knn_set *s, int64_t i)
{
	return r->ground->metric == KNN_COSINE ? 1 / s->norm[i] : 1;
}

static int by_distance(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
	if (x->key != y->key) return x->key < y->key ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static int next_own(const struct shortlist *l, const bool *own, int c)
{
	while (own && c < l->n && !own[c]) c++;
	return c;
}

int rank_measure(struct rank *r, int64_t query, const struct shortlist *l, const bool *own,
	double *distance)
{
	int width = r->base->width, c = next_own(l, own, 0);
	const float *y = knn_row(r->query, query, r->row[0]);

	if (!y) return -1;
	pair_widen(r->x, y, width, unit(r, r->query, query));
	if (c < l->n && !(y = knn_row(r->base, l->c[c].at, r->row[0]))) return -1;
	for (int other = 1, after; c < l->n; c = after, other ^= 1) {
		const float *next = y;
		after = next_own(l, own, c + 1);
		if (after < l->n) next = knn_row(r->base, l->c[after].at, r->row[other]);
		if (!next) return -1;
		distance[c] = r->ground->metric == KNN_IP
			? -pair_along(r->x, y, width, next)
			: pair_apart2(r->x, y, width, unit(r, r->base, l->c[c].at), next);
		y = next;
	}
	return 0;
}

void rank_sort(struct rank *r, double addend, const struct shortlist *l, const double *distance)
{
	for (int c = 0; c < l->n; c++)
		r->list[c] = (struct ranked){ distance[c],
			ground_score(r->ground, addend, distance[c]),
			knn_key(r->base, l->c[c].at), l->c[c].at };
	qsort(r->list, (size_t)l->n, sizeof *r->list, by_distance);
}

static struct candidate as_candidate(const struct ranked *r)
{
	return (struct candidate){ (float)r->score, (float)(fabs(r->score) * 0x1p-22 + 0x1p-45),
		r->at };
}

static int make_room(
	struct rank *r, int64_t query, double addend, struct shortlist *l, double *scratch)
{
	shortlist_prune(l, scratch);
	if (l->n <= l->room - l->room / 8) return 0;
	r->measured += l->n;
	if (rank_measure(r, query, l, NULL, r->distance)) return -1;
	rank_sort(r, addend, l, r->distance);
	for (int c = 0; c < l->k; c++) l->c[c] = as_candidate(&r->list[c]);
	l->n = l->k;
	return 0;
}

/* The first k candidates are a floor, too. */
int rank_take(struct rank *r, int64_t query, double addend, struct shortlist *l, struct candidate c,
	double *scratch)
{
	if (!((double)c.score + (double)c.slack >= shortlist_bar(l))) return 0;
	l->c[l->n++] = c;
	return l->n == l->room || (l->n == l->k && isinf(l->floor))
		? make_room(r, query, addend, l, scratch)
		: 0;
}
