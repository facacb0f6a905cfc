/* prdc: |x - y|^2 = |x|^2 + |y|^2 - 2 x.y from blocked products; pairs too close to a radius
 * for the rounding of these are measured again as the radius was, by the sum of squared
 * differences. */
#include "lib/stat/prdc.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/stat/pair.h"
#include "lib/stat/tiles.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

struct radii { int k; double *radius; };

static int take_radii(void *ctx, int64_t first, int n, const uint32_t *at, const double *distance)
{
	const struct radii *r = ctx;

	(void)at;
	for (int i = 0; i < n; i++)
		r->radius[first + i] = distance[(size_t)(i + 1) * (size_t)r->k - 1];
	return 0;
}

/* The k-th smallest distance of each row to the others, radius[count]; rows are told apart by
 * position, not by key. */
static int radii(const struct knn_set *set, int k, double *radius)
{
	struct radii r = { k, radius };
	struct knn_set rows = *set;
	rows.keys = NULL;
	struct knn knn = { .base = &rows, .query = &rows, .metric = KNN_L2, .k = k,
		.others = true, .take = take_radii, .ctx = &r };

	return knn_search(&knn, 0, rows.count);
}

struct count {
	const struct knn_set *x, *y;
	const double *radius_x, *radius_y;
	bool closed;
	uint8_t *recalled, *covered;         /* [x count]; set by several threads, always to 1 */
	int64_t *inside;                     /* [y count]: balls of x around it */
};

/* A product of width terms is off by at most about width eps |x| |y|, and so is every norm. */
static double slack(const struct tile *t, double scale)
{
	return 8 * (t->width + 8) * 0x1p-53 * scale;
}

static bool reaches(double distance, double radius, bool closed)
{
	return closed ? distance <= radius : distance < radius;
}

/* Row i of the tile is y, column j is x. */
static void judge(const struct count *c, const struct tile *t, int i, int j)
{
	int64_t y = t->row + i, x = t->column + j;
	double xx = c->x->norm[x] * c->x->norm[x], yy = c->y->norm[y] * c->y->norm[y];
	double far = c->radius_x[x] > c->radius_y[y] ? c->radius_x[x] : c->radius_y[y];
	double d2 = xx + yy - 2 * t->dot[(size_t)i * (size_t)t->n + (size_t)j];

	if (d2 - slack(t, xx + yy) > far * far * (1 + 0x1p-50)) return;
	const double *a = t->a + (size_t)i * (size_t)t->width, *b = t->b +
		(size_t)j * (size_t)t->width;
	double d = sqrt(pair_distance2(a, b, t->width));
	if (reaches(d, c->radius_y[y], c->closed))
		__atomic_store_n(&c->recalled[x], 1, __ATOMIC_RELAXED);
	if (!reaches(d, c->radius_x[x], c->closed)) return;
	__atomic_store_n(&c->covered[x], 1, __ATOMIC_RELAXED);
	c->inside[y]++;
}

static void judge_tile(void *ctx, const struct tile *t)
{
	for (int i = 0; i < t->m; i++)
		for (int j = 0; j < t->n; j++) judge(ctx, t, i, j);
}

static void conclude(struct prdc *p, const struct count *c)
{
	for (int64_t i = 0; i < c->x->count; i++) {
		p->recalled += c->recalled[i];
		p->covered += c->covered[i];
	}
	for (int64_t i = 0; i < c->y->count; i++) {
		p->inside += c->inside[i];
		p->precise += c->inside[i] > 0;
	}
}

int prdc_count(struct prdc *p, const struct knn_set *x, const struct knn_set *y)
{
	const struct knn_set *few = x->count < y->count ? x : y;

	if (p->k >= few->count)
		return fail("%s: %" PRId64 " rows, expected more than %d for balls of %d "
			"neighbours", few->name, few->count, p->k, p->k);
	double *radius_x = mem_new((size_t)x->count, sizeof *radius_x);
	double *radius_y = mem_new((size_t)y->count, sizeof *radius_y);
	struct count c = { x, y, radius_x, radius_y, p->closed, mem_new((size_t)x->count, 1),
		mem_new((size_t)x->count, 1), mem_new((size_t)y->count, sizeof *c.inside) };
	int bad = radii(x, p->k, radius_x) || radii(y, p->k, radius_y) ||
		tiles_run(&(struct tiles){ .a = y, .b = x, .visit = judge_tile, .ctx = &c,
			.what = "balls" }) ? -1 : 0;
	*p = (struct prdc){ .k = p->k, .closed = p->closed };
	if (!bad) conclude(p, &c);
	free(radius_x);
	free(radius_y);
	free(c.recalled);
	free(c.covered);
	free(c.inside);
	return bad;
}
