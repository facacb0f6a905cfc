/* direct: correlation as products of shifted rows of pixels with the taps, without im2col. */
#include "kernels/cpu/conv.h"

#include <omp.h>

enum {
	STRIP_BYTES = 256 * 1024,            /* of input: it stays in the second cache */
	LONG_BYTES = 1536 * 1024,            /* where the taps do not */
	GROUP_BYTES = 512 * 1024,            /* of those taken together then */
};

struct direct {
	struct corr c;
	struct panels w;
	bool by_panel;                       /* a thread has a panel, and runs all strips */
	float *packed;                       /* then: one panel per thread */
	ptrdiff_t packed_size;
	bool padded;                         /* some tap falls outside x: strips are copied */
	int images;                          /* of a strip: several whole ones, or one's rows */
	int rows, strips;                    /* output rows of a strip, strips of its images */
	int in_rows, in_cols;                /* of an image's window */
	ptrdiff_t window_size;               /* of a strip's */
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
static int strip_rows(const struct corr *c, size_t bytes, size_t row_bytes)
{
	size_t fit = bytes / row_bytes;
	int rows = fit > (size_t)c->P ? c->P : (int)fit, want = ceil_div(4 * c->threads, c->N);
	int floor = ceil_div(48, c->Q);

	if (ceil_div(c->P, most(1, rows)) < want) rows = ceil_div(c->P, want);
	return least(c->P, most(rows, floor));
}

int direct_strip(const struct corr *c, size_t row_bytes)
{
	return strip_rows(c, STRIP_BYTES, row_bytes);
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

/* The end of the panels from `from` on that are taken together: tiles of the same height, and taps
 * that stay in the second cache, be it only just if they are all. */
static int group_end(const struct direct *d, int from)
{
	const struct panels *w = &d->w;
	int width = panels_width(w, from), until = from + 1;
	size_t row = sizeof(float) * (size_t)w->depth, panel = row * (size_t)width;
	size_t all = row * (size_t)w->vecs * (size_t)w->set->lanes;
	size_t bytes = all <= 2 * GROUP_BYTES ? all : GROUP_BYTES;

	while (until < w->count && panels_width(w, until) == width
		&& (size_t)(until + 1 - from) * panel <= bytes) until++;
	return until;
}

static void plan_strips(struct direct *d)
{
	const struct corr *c = &d->c;
	size_t row = sizeof(float) * (size_t)most(1, d->in_cols) * (size_t)c->t.C;
	size_t bytes = group_end(d, 0) < d->w.count ? LONG_BYTES : STRIP_BYTES;
	int share = c->threads > 1 ? ceil_div(c->N, 4 * c->threads) : c->N;

	d->rows = strip_rows(c, bytes, row * (size_t)c->stride);
	d->strips = ceil_div(c->P, d->rows);
	d->in_rows = (d->rows - 1) * c->stride + c->t.K;
	size_t fit = bytes / (row * (size_t)most(1, d->in_rows));
	d->images = d->strips > 1 || !fit ? 1 : fit < (size_t)share ? (int)fit : share;
	d->window_size = (ptrdiff_t)d->images * d->in_rows * d->in_cols * c->t.C;
}

static struct direct direct_plan(const struct corr *c, struct room *r)
{
	struct direct d = { .c = *c };

	flatten(&d.c);
	c = &d.c;
	plan_panels(&d, r);
	d.padded = falls_outside(c);
	d.in_cols = (c->Q - 1) * c->stride + c->t.L;
	plan_strips(&d);
	if (d.padded) d.window = conv_take(r, (size_t)c->threads * (size_t)d.window_size);
	return d;
}

/* Where the taps of a pixel begin in x and its outputs in y; what is added from pixel to pixel, at
 * the end of a row as well, and at that of an image as well; rows of x in floats. */
struct walk {
	const float *x;
	float *y;
	ptrdiff_t x_step[3], y_step[3], x_row;
	int q, p, Q, P;
};

static void walk_on(struct walk *w)
{
	w->x += w->x_step[0], w->y += w->y_step[0];
	if (++w->q < w->Q) return;
	w->q = 0, w->x += w->x_step[1], w->y += w->y_step[1];
	if (++w->p < w->P) return;
	w->p = 0, w->x += w->x_step[2], w->y += w->y_step[2];
}

/* The panels [from, until) of a tile of pixels whose places in x and y are in t. */
static void tile_panels(const struct direct *d, struct tile *t, int from, int until,
	const float *taps)
{
	const struct corr *c = &d->c;
	int width = panels_width(&d->w, from);

	t->lb = width;
	t->bs = (ptrdiff_t)c->t.L * c->t.C * width;
	for (int i = from; i < until; i++) {
		int first = panels_first(&d->w, i);

		t->b = taps ? taps : panels_at(&d->w, i);
		t->cols = least(width, c->t.O - first);
		if (c->ends.on) t->bias = c->ends.bias + first;
		tile_run(d->w.set, t, width / d->w.set->lanes);
		for (int m = 0; m < t->rows; m++) {
			t->c[m] += width;
			if (c->ends.more) t->more[m] += width;
		}
	}
}

/* What is read after a tile of pixels: its outputs' lines and what is added to them, or its
 * inputs; where the panels are not all there are, the next ones' taps. */
static void fetch_soon(const struct direct *d, struct tile *t, const float *next, int from,
	int until, int pixels)
{
	const struct corr *c = &d->c;
	int high = d->w.set->rows[panels_width(&d->w, from) / d->w.set->lanes];
	int64_t steps = (int64_t)d->w.depth * (until - from);

	if (from || until < d->w.count) {
		int first = until < d->w.count ? until : 0, end = group_end(d, first);
		int columns = panels_first(&d->w, end) - panels_first(&d->w, first);
		const float *taps = panels_at(&d->w, first);

		if (!t->soon)
			tile_fetch(t, taps, taps, (int64_t)d->w.depth * columns,
				steps * ceil_div(pixels, high));
	} else if (c->step == 1 && t->runs == 1) {
		int out = high * c->t.O, in = high * c->stride * c->t.C;

		if (t->more[0]) tile_fetch(t, t->c[0] + out, t->more[0] + out, out, steps);
		else tile_fetch(t, t->c[0] + out, next, most(out, in), steps);
	}
}

/* The panels [from, until), of the same width, of so many pixels. */
static void strip_panels(const struct direct *d, struct walk walk, int pixels, int from,
	int until, const float *taps)
{
	const struct corr *c = &d->c;
	int high = d->w.set->rows[panels_width(&d->w, from) / d->w.set->lanes];
	struct tile t = {
		.runs = c->t.K, .run = c->t.L * c->t.C, .as = walk.x_row, .la = 1,
		.lo = c->ends.lo, .hi = c->ends.hi,
	};

	walk.y += panels_first(&d->w, from);
	for (int left = pixels; left > 0; left -= high) {
		t.rows = least(high, left);
		for (int m = 0; m < t.rows; m++, walk_on(&walk)) {
			t.a[m] = walk.x;
			t.c[m] = walk.y;
			if (c->ends.more) t.more[m] = c->ends.more + (walk.y - c->y);
		}
		for (int m = t.rows; m < high; m++) t.a[m] = t.a[0];
		if (!taps) fetch_soon(d, &t, walk.x, from, until, pixels);
		tile_panels(d, &t, from, until, taps);
	}
}

/* The pixels of a strip: its images' from row p on; padded ones are copied. */
static struct walk walk_strip(const struct direct *d, int n, int images, int p, int rows)
{
	const struct corr *c = &d->c;
	int C = c->t.C, h = p * c->stride - c->top, in_rows = (rows - 1) * c->stride + c->t.K;
	ptrdiff_t image = (ptrdiff_t)c->H * c->W * C, row = (ptrdiff_t)c->W * C;
	ptrdiff_t y_pixel = (ptrdiff_t)c->step * c->t.O, y_row = y_pixel * c->YW;
	ptrdiff_t y_first = ((ptrdiff_t)n * c->YH + (ptrdiff_t)p * c->step + c->y0) * c->YW + c->x0;
	const float *x = c->x + n * image + ((ptrdiff_t)h * c->W - c->left) * C;

	if (d->padded) {
		float *window = d->window + omp_get_thread_num() * d->window_size;

		x = window;
		for (int i = 0; i < images; i++) {
			conv_window(window, C, c->x + (n + i) * image, c->H, c->W, C, C, 1,
				h, in_rows, -c->left, d->in_cols);
			window += (ptrdiff_t)in_rows * d->in_cols * C;
		}
		row = (ptrdiff_t)d->in_cols * C;
		image = in_rows * row;
	}
	return (struct walk){
		.x = x, .y = c->y + y_first * c->t.O, .Q = c->Q, .P = rows, .x_row = row,
		.x_step = { c->stride * C, c->stride * (row - (ptrdiff_t)c->Q * C),
			image - rows * c->stride * row },
		.y_step = { y_pixel, y_row - c->Q * y_pixel,
			(ptrdiff_t)c->YH * c->YW * c->t.O - rows * y_row },
	};
}

/* All panels, or with taps only this one, which they are of. */
static void strip(const struct direct *d, int item, int panel, const float *taps)
{
	const struct corr *c = &d->c;
	int n = item / d->strips * d->images, p = item % d->strips * d->rows;
	int images = least(d->images, c->N - n), rows = least(d->rows, c->P - p);
	int pixels = images * rows * c->Q;
	struct walk walk = walk_strip(d, n, images, p, rows);

	if (taps) {
		strip_panels(d, walk, pixels, panel, panel + 1, taps);
		return;
	}
	for (int i = 0, end; i < d->w.count; i = end) {
		end = group_end(d, i);
		strip_panels(d, walk, pixels, i, end, NULL);
	}
}

static void panel_of_all(const struct direct *d, int panel, int strips)
{
	float *taps = d->c.packed ? panels_at(&d->w, panel) :
		d->packed + omp_get_thread_num() * d->packed_size;

	if (!d->c.packed) panels_one(&d->w, &d->c.t, panel, taps);
	for (int i = 0; i < strips; i++) strip(d, i, panel, taps);
}

void direct_run(const struct corr *corr, struct room *r)
{
	struct direct d = direct_plan(corr, r);
	const struct corr *c = &d.c;
	int strips = ceil_div(c->N, d.images) * d.strips, items = d.by_panel ? d.w.count : strips;

	if (!r->base) return;
	if (!d.by_panel && !c->packed) panels_pack(&d.w, &c->t, c->threads);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) \
	if (items > 1 && (double)c->N * c->P * c->Q * c->t.O * d.w.depth > 2e5)
	for (int i = 0; i < items; i++) {
		if (d.by_panel) panel_of_all(&d, i, strips);
		else strip(&d, i, 0, NULL);
	}
}
