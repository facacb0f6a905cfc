/* guess: the same sample for every query. */
#include "lib/stat/guess.h"
#include "lib/base/rng.h"

#include <math.h>

int guess_rank(const struct knn *job, int n)
{
	double mean = (double)job->k * n / (double)job->base->count;

	if (n == job->base->count) return job->k + job->others;
	return (int)ceil(mean + 3 * sqrt(mean)) + 1 + job->others;
}

void guess_sample(const struct knn *job, int n, uint32_t *at)
{
	for (int i = 0; i < n; i++) {
		int64_t from = job->base->count * i / n;
		int64_t part = job->base->count * (i + 1) / n - from;
		struct rng r = rng_at(0, (uint64_t)i);
		at[i] = (uint32_t)(from + rng_below(&r, (uint32_t)part));
	}
}
