/* direct: correlation as products of shifted rows of pixels with the taps, without im2col. */
#include "kernels/cpu/conv.h"

#include <omp.h>

enum { STRIP_BYTES = 256 * 1024 };           /* of input: it stays in the second cache */

struct direct {
	struct corr c;
	struct panels w;
	bool by_panel;                       /* a thread has a panel, and runs all strips */
	float *packed;                       /* then: one panel per thread */
	ptrdiff_t packed_size;
	bool padded;                         /* some tap falls outside x: strips are copied */
	int rows, strips;                    /* output rows of a strip, strips of an image */
	int in_rows, in_cols;                /* of a strip's window */
	ptrdiff_t window_size;
	float *window;                       /* one per thread */
};

static bool falls_outside(const struct corr *c)
{
	return c->top > 0 || c->left > 0 || (c->P - 1) * c->stride + c->t.K - 1 - c->top >= c->H
		|| (c->Q - 1) * c->stride + c->t.L - 1 - c->left >= c->W;
}

/* A 1x1 product does not see where images and rows end: one tall image, one pixel a row. */
static void flatten(struct corr *c)
{
	if (c->t.K != 1 || c->t.L != 1 || c->stride != 1 || c->step != 1) return;
	if (c->top || c->left || c->P != c->H || c->Q != c->W) return;
	if ((int64_t)c->N * c->H * c->W > INT32_MAX) return;
	c->H = c->P = c->YH = c->N * c->H * c->W;
	c->N = c->W = c->Q = c->YW = 1;
}

/* Strips small enough for the cache, and enough of them for the threads: a pixel's sum is the
 * same in any strip. */
int direct_strip(const struct corr *c, size_t row_bytes)
{
	size_t fit = STRIP_BYTES / row_bytes;
	int rows = fit > (size_t)c->P ? c->P : (int)fit, want = ceil_div(4 * c->threads, c->N);
	int floor = ceil_div(48, c->Q);

	if (ceil_div(c->P, most(1, rows)) < want) rows = ceil_div(c->P, want);
	return least(c->P, most(rows, floor));
}

/* Few pixels and many taps, which then come from memory once, or are not written there at all. */
static void plan_panels(struct direct *d, struct room *r)
{
	const struct corr *c = &d->c;
	struct room none = { 0 };

	panels_plan(&d->w, &none, c->t.K * c->t.L * c->t.C, c->t.O);
	d->by_panel = d->w.count >= 4 * c->threads && (int64_t)c->N * c->P * c->Q < 256;
	if (c->packed) {
		d->w.p = (float *)c->t.w;
		return;
	}
	d->packed_size = (ptrdiff_t)d->w.depth * panels_width(&d->w, 0);
	if (d->by_panel) d->packed = conv_take(r, (size_t)c->threads * (size_t)d->packed_size);
	else panels_plan(&d->w, r, d->w.depth, c->t.O);
}

size_t direct_packed(const struct corr *c)
{
	struct room count = { 0 };
	struct panels p;

	panels_plan(&p, &count, c->t.K * c->t.L * c->t.C, c->t.O);
	return count.used / sizeof(float);
}

void direct_pack(const struct corr *c, float *to)
{
	struct panels p;

	panels_plan(&p, &(struct room){ 0 }, c->t.K * c->t.L * c->t.C, c->t.O);
	p.p = to;
	panels_pack(&p, &c->t, c->threads);
}

static struct direct direct_plan(const struct corr *c, struct room *r)
{
	struct direct d = { .c = *c };

	flatten(&d.c);
	c = &d.c;
	plan_panels(&d, r);
	d.padded = falls_outside(c);
	d.in_cols = (c->Q - 1) * c->stride + c->t.L;
	size_t row_bytes = sizeof(float) * (size_t)most(1, d.in_cols) * (size_t)c->t.C;
	d.rows = direct_strip(c, row_bytes * (size_t)c->stride);
	d.strips = ceil_div(c->P, d.rows);
	d.in_rows = (d.rows - 1) * c->stride + c->t.K;
	d.window_size = (ptrdiff_t)d.in_rows * d.in_cols * c->t.C;
	if (d.padded) d.window = conv_take(r, (size_t)c->threads * (size_t)d.window_size);
	return d;
}

/* Output rows [p, p + rows) of image n, for one panel: tiles of pixels, which may run over the
 * ends of rows. */
static void strip_panel(const struct direct *d, const float *x, ptrdiff_t row, int n, int p,
	int rows, int panel, const float *taps)
{
	const struct corr *c = &d->c;
	const struct tile_set *set = d->w.set;
	int first = panels_first(&d->w, panel), width = panels_width(&d->w, panel);
	int vecs = width / set->lanes, high = set->rows[vecs], C = c->t.C, q = 0;
	struct tile t = {
		.b = taps, .cols = least(width, c->t.O - first),
		.runs = c->t.K, .run = c->t.L * C, .as = row, .la = 1,
		.bs = (ptrdiff_t)c->t.L * C * width, .lb = width,
		.bias = c->ends.on ? c->ends.bias + first : NULL, .lo = c->ends.lo,
		.hi = c->ends.hi,
	};
	ptrdiff_t y_pixel = (ptrdiff_t)c->step * c->t.O, y_row = y_pixel * c->YW;
	ptrdiff_t image_row = (ptrdiff_t)n * c->YH + (ptrdiff_t)p * c->step + c->y0;
	float *y = c->y + (image_row * c->YW + c->x0) * c->t.O + first;

	for (int left = rows * c->Q; left > 0; left -= high) {
		t.rows = least(high, left);
		for (int m = 0; m < t.rows; m++) {
			t.a[m] = x + (ptrdiff_t)q * c->stride * C;
			t.c[m] = y + q * y_pixel;
			if (c->ends.more) t.more[m] = c->ends.more + (t.c[m] - c->y);
			if (++q == c->Q) q = 0, x += c->stride * row, y += y_row;
		}
		for (int m = t.rows; m < high; m++) t.a[m] = t.a[0];
		set->product[vecs](&t);
	}
}

/* Output rows from p of image n, as many as a strip has; with taps only this panel, which they
 * are of. */
static void strip(const struct direct *d, int n, int p, int panel, const float *taps)
{
	const struct corr *c = &d->c;
	int C = c->t.C, h = p * c->stride - c->top, rows = least(d->rows, c->P - p);
	const float *image = c->x + (ptrdiff_t)n * c->H * c->W * C;
	const float *x = image + ((ptrdiff_t)h * c->W - c->left) * C;
	ptrdiff_t row = (ptrdiff_t)c->W * C;

	if (d->padded) {
		int in_rows = (rows - 1) * c->stride + c->t.K;
		float *window = d->window + omp_get_thread_num() * d->window_size;

		conv_window(window, image, c->H, c->W, C, C, 1, h, in_rows, -c->left,
			d->in_cols);
		x = window;
		row = (ptrdiff_t)d->in_cols * C;
	}
	if (taps) {
		strip_panel(d, x, row, n, p, rows, panel, taps);
		return;
	}
	for (int i = 0; i < d->w.count; i++)
		strip_panel(d, x, row, n, p, rows, i, panels_at(&d->w, i));
}

static void panel_of_all(const struct direct *d, int panel)
{
	float *taps = d->c.packed ? panels_at(&d->w, panel) :
		d->packed + omp_get_thread_num() * d->packed_size;

	if (!d->c.packed) panels_one(&d->w, &d->c.t, panel, taps);
	for (int n = 0; n < d->c.N; n++)
		for (int p = 0; p < d->c.P; p += d->rows) strip(d, n, p, panel, taps);
}

void direct_run(const struct corr *corr, struct room *r)
{
	struct direct d = direct_plan(corr, r);
	const struct corr *c = &d.c;
	int items = d.by_panel ? d.w.count : c->N * d.strips;

	if (!r->base) return;
	if (!d.by_panel && !c->packed) panels_pack(&d.w, &c->t, c->threads);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) \
	if (items > 1 && (double)c->N * c->P * c->Q * c->t.O * d.w.depth > 2e5)
	for (int i = 0; i < items; i++) {
		if (d.by_panel) panel_of_all(&d, i);
		else strip(&d, i / d.strips, i % d.strips * d.rows, 0, NULL);
	}
}
