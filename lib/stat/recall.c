/* recall: a sample of queries, their exact neighbours, and a count. */
#include "lib/stat/recall.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/stat/subset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static int take(void *ctx, int64_t first, int n, const uint32_t *at, const double *distance)
{
	const struct recall *r = ctx;
	size_t k = (size_t)r->k;
	uint32_t *to = r->at + (size_t)first * k;

	(void)distance;
	memcpy(to, at, (size_t)n * k * sizeof *to);
	for (int i = 0; i < n; i++) qsort(to + (size_t)i * k, k, sizeof *to, by_value);
	return 0;
}

int recall_open(struct recall *r, const struct knn *job, int64_t first, int64_t last)
{
	int64_t rows = last - first, n = rows < RECALL_ROWS ? rows : RECALL_ROWS;
	struct rng rng = rng_at(0, 0);
	struct subset queries;

	*r = (struct recall){ .k = job->k, .n = n };
	r->query = mem_new((size_t)n, sizeof *r->query);
	r->at = mem_new((size_t)n, (size_t)job->k * sizeof *r->at);
	for (int64_t i = 0; i < n; i++) {
		int64_t from = rows * i / n, part = rows * (i + 1) / n - from;
		r->query[i] = (uint32_t)(first + from + rng_below(&rng, (uint32_t)part));
	}
	struct knn exact = { .base = job->base, .query = &queries.set, .metric = job->metric,
		.k = job->k, .others = job->others, .take = take, .ctx = r };
	int bad = subset_open(&queries, job->query, r->query, n) || knn_search(&exact, 0, n);
	subset_close(&queries);
	return bad ? -1 : 0;
}

void recall_close(struct recall *r)
{
	free(r->query);
	free(r->at);
	*r = (struct recall){ .n = 0 };
}

void recall_count(struct recall *r, int64_t first, int n, const uint32_t *at)
{
	size_t k = (size_t)r->k;

	for (; r->next < r->n && r->query[r->next] < first + n; r->next++) {
		const uint32_t *found = at + (size_t)(r->query[r->next] - first) * k;
		const uint32_t *want = r->at + (size_t)r->next * k;
		for (size_t i = 0; i < k; i++)
			r->found += bsearch(&found[i], want, k, sizeof *want, by_value) != NULL;
	}
}

double recall_share(const struct recall *r, double *low, double *high)
{
	const double z = 1.959964;
	double n = (double)r->n * r->k, p = (double)r->found / n;
	double middle = (p + z * z / (2 * n)) / (1 + z * z / n);
	double half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));

	*low = middle - half;
	*high = middle + half;
	return p;
}
