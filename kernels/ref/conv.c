/* ref/conv: convolution, its two adjoints, and the forward-only ones with bias and bounds.  Output
 * pixel p, q reads input pixel p * stride + k - top, q * stride + l - left under tap k, l.  With i7
 * one of the two images is given at half its side: read as its up2, or written as its sum2. */
#include "kernels/ref/ref.h"

#include <stdbool.h>

/* x_half, y_half: 1 where x or y is given at half its side, else 0. */
struct taps { int stride, top, left, x_half, y_half; };

static struct taps taps_of(const struct attr *a)
{
	return (struct taps){ a->i[0], a->i[1], a->i[3], a->i[7] == CONV_UP, a->i[7] == CONV_DOWN };
}

/* The shape of an image that is given at half its side. */
static struct shape grown(struct shape s, int half)
{
	return (struct shape){ { s.d[0], s.d[1] << half, s.d[2] << half, s.d[3] } };
}

static const real *pixel(const struct view *v, int n, int row, int col, int half)
{
	return v->p + ref_at(v->s, n, row >> half, col >> half, 0);
}

static bool inside(struct shape s, int h, int w)
{
	return h >= 0 && h < s.d[1] && w >= 0 && w < s.d[2];
}

enum { BLOCK = 64 };                         /* channels summed at a time, in double */

static void store_sums(double *sum, int n, real *y)
{
	for (int c = 0; c < n; c++) {
		y[c] = (real)sum[c];
		sum[c] = 0;
	}
}

static int at_most_block(int n)
{
	return n < BLOCK ? n : BLOCK;
}

/* sum[o] += sum of the taps of output pixel p, q over channels of x, for m outputs from the o0. */
static void add_taps(double *sum, int m, const struct view *x, struct taps t, int n, int p, int q,
	int o0)
{
	struct shape f = x[1].s, in = grown(x[0].s, t.x_half);

	for (int k = 0; k < f.d[0]; k++)
		for (int l = 0; l < f.d[1]; l++) {
			int row = p * t.stride + k - t.top, col = q * t.stride + l - t.left;
			if (!inside(in, row, col)) continue;
			const real *from = pixel(x, n, row, col, t.x_half);
			const real *tap = x[1].p + ref_at(f, k, l, 0, o0);
			for (int i = 0; i < f.d[2]; i++, tap += f.d[3])
				for (int o = 0; o < m; o++)
					sum[o] += (double)from[i] * (double)tap[o];
		}
}

void ref_conv(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct taps t = taps_of(a);
	struct shape f = x[1].s, blocks = y.s;
	int each = 1 << t.y_half;
	double sum[BLOCK] = { 0 };

	(void)b;
	blocks.d[3] = (f.d[3] + BLOCK - 1) / BLOCK;
	REF_EACH(blocks) {
		int m = at_most_block(f.d[3] - c * BLOCK);
		for (int p = h * each; p < (h + 1) * each; p++)
			for (int q = w * each; q < (w + 1) * each; q++)
				add_taps(sum, m, x, t, n, p, q, c * BLOCK);
		store_sums(sum, m, y.p + ref_at(y.s, n, h, w, c * BLOCK));
	}
}

/* The same of input pixel row, col over channels of dy, for m inputs from the i0. */
static void add_taps_back(double *sum, int m, const struct view *x, struct taps t, int n, int row,
	int col, int i0)
{
	struct shape f = x[1].s, out = grown(x[0].s, t.y_half);

	for (int k = 0; k < f.d[0]; k++)
		for (int l = 0; l < f.d[1]; l++) {
			int p = row + t.top - k, q = col + t.left - l;
			if (p % t.stride || q % t.stride) continue;
			p /= t.stride, q /= t.stride;
			if (!inside(out, p, q)) continue;
			const real *dy = pixel(x, n, p, q, t.y_half);
			const real *tap = x[1].p + ref_at(f, k, l, i0, 0);
			for (int i = 0; i < m; i++, tap += f.d[3])
				for (int o = 0; o < f.d[3]; o++)
					sum[i] += (double)dy[o] * (double)tap[o];
		}
}

void ref_conv_dx(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct taps t = taps_of(a);
	struct shape f = x[1].s, blocks = y.s;
	int each = 1 << t.x_half;
	double sum[BLOCK] = { 0 };

	(void)b;
	blocks.d[3] = (f.d[2] + BLOCK - 1) / BLOCK;
	REF_EACH(blocks) {
		int m = at_most_block(f.d[2] - c * BLOCK);
		for (int p = h * each; p < (h + 1) * each; p++)
			for (int q = w * each; q < (w + 1) * each; q++)
				add_taps_back(sum, m, x, t, n, p, q, c * BLOCK);
		store_sums(sum, m, y.p + ref_at(y.s, n, h, w, c * BLOCK));
	}
}

/* sum[o] += sum over the pixels of x, channel i, under tap k, l times dy, m outputs from the o0. */
static void add_pixels(double *sum, int m, const struct view *x, struct taps t, int k, int l, int i,
	int o0)
{
	struct shape in = grown(x[0].s, t.x_half), out = grown(x[1].s, t.y_half);

	out.d[3] = 1;
	REF_EACH(out) {
		int row = h * t.stride + k - t.top, col = w * t.stride + l - t.left;
		if (!inside(in, row, col)) continue;
		double v = (double)pixel(x, n, row, col, t.x_half)[i];
		const real *dy = pixel(x + 1, n, h, w, t.y_half) + o0 + c;
		for (int o = 0; o < m; o++) sum[o] += v * (double)dy[o];
	}
}

void ref_conv_dw(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct taps t = taps_of(a);
	struct shape f = y.s, blocks = f;
	double sum[BLOCK] = { 0 };

	(void)b;
	blocks.d[3] = (f.d[3] + BLOCK - 1) / BLOCK;
	REF_EACH(blocks) {
		int m = at_most_block(f.d[3] - c * BLOCK);
		add_pixels(sum, m, x, t, n, h, w, c * BLOCK);
		store_sums(sum, m, y.p + ref_at(f, n, h, w, c * BLOCK));
	}
}

/* y = min(max(y + bias + more, f0), f1) */
static void finish(struct view y, const real *bias, const real *more, const struct attr *a)
{
	size_t i = 0;

	REF_EACH(y.s) {
		real v = y.p[i] + bias[c] + (more ? more[i] : 0);
		v = v < a->f[0] ? a->f[0] : v;
		y.p[i++] = v > a->f[1] ? a->f[1] : v;
	}
}

void ref_conv_act(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	ref_conv(b, y, x, a);
	finish(y, x[2].p, x[3].p, a);
}

void ref_dwconv_act(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct taps t = taps_of(a);
	size_t i = 0;

	(void)b;
	REF_EACH(y.s) {
		double sum = 0;
		for (int k = 0; k < x[1].s.d[0]; k++)
			for (int l = 0; l < x[1].s.d[1]; l++) {
				int row = h * t.stride + k - t.top, col = w * t.stride + l - t.left;
				if (inside(x[0].s, row, col))
					sum += (double)x[0].p[ref_at(x[0].s, n, row, col, c)] *
						(double)x[1].p[ref_at(x[1].s, k, l, 0, c)];
			}
		y.p[i++] = (real)sum;
	}
	finish(y, x[2].p, NULL, a);
}
