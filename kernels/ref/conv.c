/* ref/conv: convolution, its two adjoints, and the depthwise forward.  Output pixel p, q reads
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

void ref_conv(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct taps t = taps_of(a);
	struct shape f = x[1].s;
	size_t i = 0;

	(void)b;
	REF_EACH(y.s) {
		double sum = 0;
		for (int k = 0; k < f.d[0]; k++)
			for (int l = 0; l < f.d[1]; l++) {
				int row = h * t.stride + k - t.top, col = w * t.stride + l - t.left;
				if (!inside(x[0].s, row, col)) continue;
				for (int in = 0; in < f.d[2]; in++)
					sum += (double)x[0].p[ref_at(x[0].s, n, row, col, in)] *
						(double)x[1].p[ref_at(f, k, l, in, c)];
			}
		y.p[i++] = (real)sum;
	}
}

void ref_conv_dx(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct taps t = taps_of(a);
	struct shape f = x[1].s;
	size_t i = 0;

	(void)b;
	REF_EACH(y.s) {
		double sum = 0;
		for (int k = 0; k < f.d[0]; k++)
			for (int l = 0; l < f.d[1]; l++) {
				int row = h + t.top - k, col = w + t.left - l;
				if (row % t.stride || col % t.stride) continue;
				if (!inside(x[0].s, row / t.stride, col / t.stride)) continue;
				for (int o = 0; o < f.d[3]; o++)
					sum += (double)x[0].p[ref_at(x[0].s, n, row / t.stride, col / t.stride, o)] *
						(double)x[1].p[ref_at(f, k, l, c, o)];
			}
		y.p[i++] = (real)sum;
	}
}

void ref_conv_dw(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct taps t = taps_of(a);
	struct shape out = x[1].s;
	size_t i = 0;

	(void)b;
	for (int k = 0; k < y.s.d[0]; k++)
		for (int l = 0; l < y.s.d[1]; l++)
			for (int in = 0; in < y.s.d[2]; in++)
				for (int o = 0; o < y.s.d[3]; o++) {
					struct shape pixels = { { out.d[0], out.d[1], out.d[2], 1 } };
					double sum = 0;
					REF_EACH(pixels) {
						int row = h * t.stride + k - t.top, col = w * t.stride + l - t.left;
						if (!inside(x[0].s, row, col)) continue;
						sum += (double)x[0].p[ref_at(x[0].s, n, row, col, in)] *
							(double)x[1].p[ref_at(out, n, h, w, o + c)];
					}
					y.p[i++] = (real)sum;
				}
}

void ref_dwconv(struct backend *b, struct view y, const struct view *x, const struct attr *a)
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
}
