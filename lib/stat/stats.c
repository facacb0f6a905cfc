/* stats: means and covariances of sets of rows, and extrapolations of the Frechet distance to
 * endless sets. */
#include "lib/stat/stats.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/base/say.h"
#include "lib/stat/moments.h"
#include "lib/stat/subset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512 };

static int add_rows(struct moments *m, const struct knn_set *s)
{
	float *room = mem_new((size_t)s->width, BLOCK * sizeof *room);
	int bad = 0;

	for (int64_t i = 0; i < s->count && !bad; i += BLOCK) {
		int n = s->count - i < BLOCK ? (int)(s->count - i) : BLOCK;
		progress(s->name, i, s->count, "%s", "");
		bad = stop_check() || s->fetch(s, i, n, room) ? -1 : 0;
		if (!bad) moments_add(m, room, n);
	}
	free(room);
	return bad;
}

int stats_of(struct stats *t, const struct knn_set *s)
{
	size_t width = (size_t)s->width;
	struct moments m;

	*t = (struct stats){ .width = s->width, .count = s->count };
	if (t->count < 2)
		return fail("%s: %" PRId64 " rows, expected at least two", s->name, t->count);
	if (moments_open(&m, s->width)) return -1;
	t->mean = mem_big(width, sizeof *t->mean, "a mean");
	t->cov = mem_big(width * width, sizeof *t->cov, "a covariance");
	int bad = t->mean && t->cov ? add_rows(&m, s) : -1;
	if (!bad) bad = moments_end(&m, t->mean, t->cov);
	moments_close(&m);
	if (bad) stats_close(t);
	return bad;
}

void stats_close(struct stats *t)
{
	free(t->mean);
	free(t->cov);
	*t = (struct stats){ 0 };
}

int stats_distance(struct frechet *f, const struct stats *a, const struct stats *b)
{
	size_t bytes = (size_t)a->width * (size_t)a->width * sizeof(double);
	double *cov_a = mem_big(bytes, 1, "a covariance"), *cov_b = mem_big(bytes, 1,
		"a covariance");
	int bad = -1;

	if (cov_a && cov_b) {
		memcpy(cov_a, a->cov, bytes);
		memcpy(cov_b, b->cov, bytes);
		bad = frechet_distance(f, a->width, a->mean, cov_a, b->mean, cov_b);
	}
	free(cov_a);
	free(cov_b);
	return bad;
}

/* The distance of the rows at[n] from real. */
static int part_distance(double *distance, const struct stats *real, const struct knn_set *rows,
	const uint32_t *at, int64_t n)
{
	struct subset part;
	struct stats stats = { 0 };
	struct frechet f;
	int bad = subset_open(&part, rows, at, n);

	if (!bad) bad = stats_of(&stats, &part.set);
	if (!bad) bad = stats_distance(&f, real, &stats);
	if (!bad) *distance = f.distance;
	stats_close(&stats);
	subset_close(&part);
	return bad;
}

int stats_halves(double *corrected, const struct stats *real, const struct knn_set *rows,
	const uint32_t *order, double distance)
{
	int64_t half = rows->count / 2;
	double d[2];

	if (rows->count < 4)
		return fail("%s: %" PRId64 " rows, expected at least four for two halves",
			rows->name, rows->count);
	if (part_distance(&d[0], real, rows, order, half) ||
		part_distance(&d[1], real, rows, order + half, rows->count - half)) return -1;
	*corrected = 2 * distance - (d[0] + d[1]) / 2;
	return 0;
}

double stats_intercept(const double *distance, const int64_t *size, int n)
{
	double x = 0, y = 0, xx = 0, xy = 0;

	for (int i = 0; i < n; i++) {
		x += 1 / (double)size[i] / n;
		y += distance[i] / n;
	}
	for (int i = 0; i < n; i++) {
		double away = 1 / (double)size[i] - x;
		xx += away * away;
		xy += away * (distance[i] - y);
	}
	return y - xy / xx * x;
}

uint32_t *stats_order(int64_t count, uint64_t seed, uint64_t stream)
{
	struct rng r = rng_at(seed, stream);
	uint32_t *order = mem_big((size_t)count, sizeof *order, "an order of rows");

	for (int64_t i = 0; i < count && order; i++) order[i] = (uint32_t)i;
	if (order) rng_shuffle(&r, order, (uint32_t)count);
	return order;
}

int stats_infinity(double *distance, const struct stats *real, const struct knn_set *rows,
	uint64_t seed)
{
	int64_t size[STATS_SIZES], count = rows->count, least = count / 10 > 2 ? count / 10 : 2;
	double d[STATS_SIZES];

	if (least > 5000) least = 5000;
	if (count <= least)
		return fail("%s: %" PRId64 " rows, expected more than %" PRId64
			" for parts of several sizes", rows->name, count, least);
	for (int i = 0; i < STATS_SIZES; i++) {
		size[i] = least + (count - least) * i / (STATS_SIZES - 1);
		uint32_t *order = stats_order(count, seed, (uint64_t)i + 1);
		int bad = order ? part_distance(&d[i], real, rows, order, size[i]) : -1;
		free(order);
		if (bad) return -1;
	}
	*distance = stats_intercept(d, size, STATS_SIZES);
	return 0;
}
