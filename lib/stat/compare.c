/* compare: runs the metrics that are wanted; moments are taken once for all that need them. */
#include "lib/stat/compare.h"
#include "lib/stat/influence.h"
#include "lib/stat/sliced.h"

#include <math.h>
#include <stdlib.h>

/* What the rows of a side add to the variance of the distance; statistics are taken for exact. */
static int add_variance(const struct compare_side *s, const struct compare_side *other,
	double *variance)
{
	struct influence f;
	double v;

	if (!s->rows) return 0;
	if (influence_open(&f, s->stats.width, s->stats.mean, s->stats.cov, other->stats.mean,
		other->stats.cov)) return -1;
	int bad = influence_variance(&f, s->rows, &v);
	if (!bad) *variance += v;
	influence_close(&f);
	return bad;
}

static int measure_halves(struct scores *r, const struct compare *job,
	const struct compare_side *real, const struct compare_side *fake)
{
	uint32_t *order = stats_order(fake->rows->count, job->seed, 0);
	int bad = order ? 0 : -1;

	if (!bad) bad = stats_halves(&r->half, &real->stats, fake->rows, order, r->fd.distance);
	free(order);
	return bad;
}

static int measure_moments(struct scores *r, const struct compare *job, struct compare_side *real,
	struct compare_side *fake)
{
	double variance = 0;

	if (real->rows && stats_of(&real->stats, real->rows)) return -1;
	if (fake->rows && stats_of(&fake->stats, fake->rows)) return -1;
	if (stats_distance(&r->fd, &real->stats, &fake->stats)) return -1;
	if (job->wanted & COMPARE_SE) {
		if (add_variance(real, fake, &variance)) return -1;
		if (add_variance(fake, real, &variance)) return -1;
		r->error = sqrt(variance);
	}
	if (job->wanted & COMPARE_HALF && measure_halves(r, job, real, fake)) return -1;
	if (!(job->wanted & COMPARE_INF)) return 0;
	return stats_infinity(&r->endless, &real->stats, fake->rows, job->seed);
}

int compare_sides(struct scores *r, const struct compare *job, struct compare_side *real,
	struct compare_side *fake)
{
	const struct knn_set *x = real->rows, *y = fake->rows;
	int wanted = job->wanted;

	*r = (struct scores){ .prdc = { .k = job->k, .closed = job->closed } };
	if (wanted & COMPARE_MOMENTS && measure_moments(r, job, real, fake)) return -1;
	if (wanted & COMPARE_KID && kid_distance(&r->kid, x, y)) return -1;
	if (wanted & COMPARE_PRDC && prdc_count(&r->prdc, x, y)) return -1;
	if (wanted & COMPARE_MIND &&
		sliced_distance(&r->mind, x, y, COMPARE_DIRECTIONS, job->seed)) return -1;
	if (wanted & COMPARE_IS && iscore_parts(&r->is, y, COMPARE_PARTS)) return -1;
	return 0;
}
