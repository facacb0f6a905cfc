/* ref/conv: convolution, its two adjoints, and the forward-only ones with bias and bounds.  Output pixel p, q reads
 * input pixel p * stride + k - top, q * stride + l - left under tap k, l. */
#include "kernels/ref/ref.h"

#include <stdbool.h>

struct taps { int stride, top, left; };

static struct taps taps_of(const struct attr *a)
{
	return (struct taps){ a->i[0], a->i[1], a->i[3] };
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

void ref_conv(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct taps t = taps_of(a);
	struct shape f = x[1].s, blocks = { { y.s.d[0], y.s.d[1], y.s.d[2], (f.d[3] + BLOCK - 1) / BLOCK } };
	double sum[BLOCK] = { 0 };

	(void)b;
	REF_EACH(blocks) {
		int m = at_most_block(f.d[3] - c * BLOCK);
		for (int k = 0; k < f.d[0]; k++)
			for (int l = 0; l < f.d[1]; l++) {
				int row = h * t.stride + k - t.top, col = w * t.stride + l - t.left;
				if (!inside(x[0].s, row, col)) continue;
				const real *in = x[0].p + ref_at(x[0].s, n, row, col, 0);
				const real *tap = x[1].p + ref_at(f, k, l, 0, c * BLOCK);
				for (int i = 0; i < f.d[2]; i++, tap += f.d[3])
					for (int o = 0; o < m; o++) sum[o] += (double)in[i] * (double)tap[o];
			}
		store_sums(sum, m, y.p + ref_at(y.s, n, h, w, c * BLOCK));
	}
}

void ref_conv_dx(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct taps t = taps_of(a);
	struct shape f = x[1].s, blocks = { { y.s.d[0], y.s.d[1], y.s.d[2], (f.d[2] + BLOCK - 1) / BLOCK } };
	double sum[BLOCK] = { 0 };

	(void)b;
	REF_EACH(blocks) {
		int m = at_most_block(f.d[2] - c * BLOCK);
		for (int k = 0; k < f.d[0]; k++)
			for (int l = 0; l < f.d[1]; l++) {
				int row = h + t.top - k, col = w + t.left - l;
				if (row % t.stride || col % t.stride) continue;
				if (!inside(x[0].s, row / t.stride, col / t.stride)) continue;
				const real *dy = x[0].p + ref_at(x[0].s, n, row / t.stride, col / t.stride, 0);
				const real *tap = x[1].p + ref_at(f, k, l, c * BLOCK, 0);
				for (int i = 0; i < m; i++, tap += f.d[3])
					for (int o = 0; o < f.d[3]; o++) sum[i] += (double)dy[o] * (double)tap[o];
			}
		store_sums(sum, m, y.p + ref_at(y.s, n, h, w, c * BLOCK));
	}
}

void ref_conv_dw(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct taps t = taps_of(a);
	struct shape out = x[1].s;
	double sum[BLOCK] = { 0 };

	(void)b;
	for (int k = 0; k < y.s.d[0]; k++)
		for (int l = 0; l < y.s.d[1]; l++)
			for (int i = 0; i < y.s.d[2]; i++)
				for (int o = 0; o < y.s.d[3]; o += BLOCK) {
					struct shape pixels = { { out.d[0], out.d[1], out.d[2], 1 } };
					int m = at_most_block(y.s.d[3] - o);
					REF_EACH(pixels) {
						int row = h * t.stride + k - t.top, col = w * t.stride + l - t.left;
						if (!inside(x[0].s, row, col)) continue;
						double in = (double)x[0].p[ref_at(x[0].s, n, row, col, i)];
						const real *dy = x[1].p + ref_at(out, n, h, w, o + c);
						for (int j = 0; j < m; j++) sum[j] += in * (double)dy[j];
					}
					store_sums(sum, m, y.p + ref_at(y.s, k, l, i, o));
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
