/* direct_dw: the adjoint in the taps, any shape: sums over pixels of input column times output
 * row, without im2col.  Groups of strips are summed apart and then in order; groups and strips
 * depend on the shape alone. */
#include "kernels/cpu/conv.h"

#include <omp.h>
#include <string.h>

enum { STRIP_PIXELS = 128, GROUPS = 16, PART_BYTES = 32 << 20 };

struct direct_dw {
	struct corr_dw c;
	const struct tile_set *set;
	bool swapped;                        /* y[k][l][i][o] is our [K-1-k][L-1-l][o][i] */
	bool padded, widened;                /* x in windows; rows of dy widened to whole vectors */
	struct panels cut;                   /* of the columns */
	int depth, wide;                     /* K L I; O in whole vectors */
	int rows, strips, units;             /* of a strip; strips of an image, and in all */
	int groups, blocks, block;           /* of the units; of the depth, and its size */
	int in_rows, in_cols;
	size_t window, dense;                /* floats a thread */
	float *work, *part;                  /* part[group][depth][wide] */
};

/* With few outputs and more inputs dy and x change roles: the long one goes along the vectors. */
static bool swap_pays(const struct corr_dw *c, int lanes)
{
	if (c->stride != 1) return false;
	int64_t kept = (int64_t)c->I * ceil_div(c->O, lanes);
	int64_t swapped = (int64_t)c->O * ceil_div(c->I, lanes);

	return 5 * swapped < 4 * kept;
}

static struct corr_dw swap(const struct corr_dw *c)
{
	struct corr_dw s = *c;

	s.x = c->dy, s.H = c->P, s.W = c->Q, s.I = c->O;
	s.dy = c->x, s.P = c->H, s.Q = c->W, s.O = c->I;
	s.top = c->K - 1 - c->top;
	s.left = c->L - 1 - c->left;
	return s;
}

static void flatten(struct corr_dw *c)
{
	if (c->K != 1 || c->L != 1 || c->stride != 1) return;
	if (c->top || c->left || c->P != c->H || c->Q != c->W) return;
	if ((int64_t)c->N * c->H * c->W > INT32_MAX) return;
	c->H = c->P = c->N * c->H * c->W;
	c->N = c->W = c->Q = 1;
}

static struct direct_dw dw_plan(const struct corr_dw *problem, struct room *r)
{
	struct direct_dw d = { .c = *problem, .set = tile_best() };
	struct corr_dw *c = &d.c;

	d.swapped = swap_pays(c, d.set->lanes);
	if (d.swapped) *c = swap(c);
	flatten(c);
	d.depth = c->K * c->L * c->I;
	panels_plan(&d.cut, &(struct room){ 0 }, 0, c->O);
	d.wide = panels_first(&d.cut, d.cut.count);
	d.widened = d.wide != c->O;
	d.padded = c->top > 0 || c->left > 0 || (c->P - 1) * c->stride + c->K - 1 - c->top >= c->H
		|| (c->Q - 1) * c->stride + c->L - 1 - c->left >= c->W;
	d.rows = least(c->P, ceil_div(STRIP_PIXELS, c->Q));
	d.strips = ceil_div(c->P, d.rows);
	d.units = c->N * d.strips;
	size_t part = sizeof(float) * (size_t)d.depth * (size_t)d.wide;
	size_t fit = PART_BYTES / part;
	d.groups = most(1, least(least(GROUPS, fit > GROUPS ? GROUPS : (int)fit), d.units / 4));
	d.blocks = least(ceil_div(GROUPS, d.groups), ceil_div(d.depth, 48));
	d.block = ceil_div(ceil_div(d.depth, d.blocks), 6) * 6;
	d.blocks = ceil_div(d.depth, d.block);
	d.in_rows = (d.rows - 1) * c->stride + c->K;
	d.in_cols = (c->Q - 1) * c->stride + c->L;
	size_t window = (size_t)d.in_rows * (size_t)d.in_cols * (size_t)c->I;
	d.window = d.padded ? (window + 15) / 16 * 16 : 0;
	d.dense = d.widened ? (size_t)d.rows * (size_t)c->Q * (size_t)d.wide : 0;
	d.work = conv_take(r, (size_t)c->threads * (d.window + d.dense));
	d.part = conv_take(r, (size_t)d.groups * (size_t)d.depth * (size_t)d.wide);
	return d;
}

/* part[m][o] += sum over the strip's pixels of x[pixel at tap and channel m] * dy[pixel][o], for m
 * in [from, until). */
static void products(const struct direct_dw *d, const float *x, ptrdiff_t row, const float *dy,
	int rows, int from, int until, float *part, bool add)
{
	const struct corr_dw *c = &d->c;
	struct tile t = {
		.runs = rows, .run = c->Q, .as = c->stride * row, .la = (ptrdiff_t)c->stride * c->I,
		.bs = (ptrdiff_t)c->Q * d->wide, .lb = d->wide, .add = add,
	};

	if (c->Q == 1) t.runs = 1, t.run = rows, t.la = t.as, t.lb = t.bs;
	for (int panel = 0; panel < d->cut.count; panel++) {
		int first = panels_first(&d->cut, panel), run = c->L * c->I;
		int vecs = panels_width(&d->cut, panel) / d->set->lanes, high = d->set->rows[vecs];

		t.b = dy + first;
		t.cols = vecs * d->set->lanes;
		for (int m0 = from; m0 < until; m0 += high) {
			t.rows = least(high, until - m0);
			for (int m = 0; m < high; m++) {
				int at = m0 + (m < t.rows ? m : 0);

				t.a[m] = x + at / run * row + at % run;
				t.c[m] = part + (ptrdiff_t)at * d->wide + first;
			}
			d->set->product[vecs](&t);
		}
	}
}

static void widen(float *to, const float *from, int pixels, int channels, int wide)
{
	for (int i = 0; i < pixels; i++, to += wide, from += channels) {
		memcpy(to, from, sizeof(float) * (size_t)channels);
		memset(to + channels, 0, sizeof(float) * (size_t)(wide - channels));
	}
}

static void sum_unit(const struct direct_dw *d, int unit, int block, float *part, bool add)
{
	const struct corr_dw *c = &d->c;
	int n = unit / d->strips, p = unit % d->strips * d->rows, rows = least(d->rows, c->P - p);
	int h = p * c->stride - c->top;
	float *window = d->work + (size_t)omp_get_thread_num() * (d->window + d->dense);
	float *dense = window + d->window;
	const float *image = c->x + (ptrdiff_t)n * c->H * c->W * c->I;
	const float *x = image + ((ptrdiff_t)h * c->W - c->left) * c->I;
	const float *dy = c->dy + ((ptrdiff_t)n * c->P + p) * c->Q * c->O;
	ptrdiff_t row = (ptrdiff_t)c->W * c->I;

	if (d->padded) {
		conv_window(window, c->I, image, c->H, c->W, c->I, c->I, 1, h,
			(rows - 1) * c->stride + c->K, -c->left, d->in_cols);
		x = window;
		row = (ptrdiff_t)d->in_cols * c->I;
	}
	if (d->widened) {
		widen(dense, dy, rows * c->Q, c->O, d->wide);
		dy = dense;
	}
	int from = block * d->block;

	products(d, x, row, dy, rows, from, least(d->depth, from + d->block), part, add);
}

/* One row of the result, [depth = (k, l, i)]: the groups in order. */
static void sum_groups(const struct direct_dw *d, int m)
{
	const struct corr_dw *c = &d->c;
	size_t size = (size_t)d->depth * (size_t)d->wide;
	float *part = d->part + (size_t)m * (size_t)d->wide;

	for (int g = 1; g < d->groups; g++)
		for (int o = 0; o < c->O; o++) part[o] += part[(size_t)g * size + (size_t)o];
	if (!d->swapped) {
		memcpy(c->dw + (ptrdiff_t)m * c->O, part, sizeof(float) * (size_t)c->O);
		return;
	}
	int tap = c->K * c->L - 1 - m / c->I;

	for (int o = 0; o < c->O; o++)
		c->dw[((ptrdiff_t)tap * c->O + o) * c->I + m % c->I] = part[o];
}

void direct_dw_run(const struct corr_dw *problem, struct room *r)
{
	struct direct_dw d = dw_plan(problem, r);
	int64_t work = (int64_t)d.depth * d.wide * d.units * d.rows * d.c.Q;

	if (!r->base) return;
#pragma omp parallel num_threads(d.c.threads) if (work > 200000)
	{
#pragma omp for schedule(dynamic)
		for (int i = 0; i < d.groups * d.blocks; i++) {
			int g = i / d.blocks, from = (int)((int64_t)d.units * g / d.groups);
			int until = (int)((int64_t)d.units * (g + 1) / d.groups);
			float *part = d.part + (ptrdiff_t)g * d.depth * d.wide;

			for (int u = from; u < until; u++)
				sum_unit(&d, u, i % d.blocks, part, u > from);
		}
#pragma omp for
		for (int m = 0; m < d.depth; m++) sum_groups(&d, m);
	}
}
