/* pick: the beginning of a random permutation; balanced: of one sorted by each row's rank among the
 * rows of its label. */
#include "lib/stat/pick.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/stat/mt.h"

#include <stdlib.h>
#include <string.h>

/* Row p of a permutation, its place there, and how many rows of its label come before it. */
struct turn { uint32_t label, place, row, rank; };

static uint32_t *permutation(int64_t rows, int k, uint32_t seed)
{
	must(k >= 1 && k <= rows && rows <= UINT32_MAX);
	uint32_t *p = mem_big((size_t)rows, sizeof *p, "a permutation of the rows");
	if (p) mt_permutation(p, rows, seed);
	return p;
}

int pick_random(int64_t rows, int k, uint32_t seed, uint32_t *at)
{
	uint32_t *p = permutation(rows, k, seed);

	if (!p) return -1;
	memcpy(at, p, (size_t)k * sizeof *at);
	free(p);
	return 0;
}

static int order(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	return a != b ? (a < b ? -1 : 1) : c < d ? -1 : c > d;
}

static int by_label(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;
	return order(x->label, y->label, x->place, y->place);
}

static int by_rank(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;
	return order(x->rank, y->rank, x->place, y->place);
}

int pick_balanced(const uint32_t *labels, int64_t rows, int k, uint32_t seed, uint32_t *at)
{
	uint32_t *p = permutation(rows, k, seed);
	struct turn *t = mem_big((size_t)rows, sizeof *t, "rows by label");
	int bad = p && t ? 0 : -1;

	for (int64_t i = 0; !bad && i < rows; i++)
		t[i] = (struct turn){ labels[p[i]], (uint32_t)i, p[i], 0 };
	if (!bad) qsort(t, (size_t)rows, sizeof *t, by_label);
	for (int64_t i = 1; !bad && i < rows; i++)
		if (t[i].label == t[i - 1].label) t[i].rank = t[i - 1].rank + 1;
	if (!bad) qsort(t, (size_t)rows, sizeof *t, by_rank);
	for (int i = 0; !bad && i < k; i++) at[i] = t[i].row;
	free(p);
	free(t);
	return bad;
}
