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
	r->row = mem_big(width, sizeof *r->row, "a row");
	r->x = mem_big(2 * width, sizeof *r->x, "two rows");
	r->y = r->x + width;
	r->list = mem_big((size_t)room, sizeof *r->list, "candidates");
	return r->row && r->x && r->list ? 0 : -1;
}

void rank_close(struct rank *r)
{
	free(r->row);
	free(r->x);
	free(r->list);
}

/* Row i of the set to[width] in double, of norm 1 for KNN_COSINE. */
static int fetch_wide(const struct rank *r, const struct knn_set *s, int64_t i, double *to)
{
	if (s->fetch(s, i, 1, r->row)) return -1;
	pair_widen(to, r->row, s->width, r->ground->metric == KNN_COSINE ? 1 / s->norm[i] : 1);
	return 0;
}

static int by_distance(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
	if (x->key != y->key) return x->key < y->key ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

int rank_measure(struct rank *r, int64_t query, double addend, const struct shortlist *l)
{
	int width = r->base->width;

	if (fetch_wide(r, r->query, query, r->x)) return -1;
	for (int c = 0; c < l->n; c++) {
		uint32_t at = l->c[c].at;
		if (fetch_wide(r, r->base, at, r->y)) return -1;
		double d = r->ground->metric == KNN_IP ? -pair_dot(r->x, r->y, width)
			: pair_distance2(r->x, r->y, width);
		r->list[c] = (struct ranked){ d, ground_score(r->ground, addend, d),
			knn_key(r->base, at), at };
	}
	qsort(r->list, (size_t)l->n, sizeof *r->list, by_distance);
	return 0;
}

struct candidate rank_candidate(const struct ranked *r)
{
	return (struct candidate){ (float)r->score, (float)(fabs(r->score) * 0x1p-22 + 0x1p-45),
		r->at };
}
