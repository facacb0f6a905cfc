/* dw: depthwise convolution, each channel with its own K by L filter, with
 * bias and bounds, forward only.  Rows of outputs; taps outside the image are left out, so that
 * nothing is copied. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/conv.h"

struct depthwise { const struct tile_set *set; int H, W, C, K, L, Q, stride, top, left; };

/* Outputs [q, q + pixels) of one row, by the taps [l0, l1) of rows [k0, k1): all of them see
 * these and no others. */
static void span(const struct depthwise *d, const float *x, const float *w, float *y, int h,
	int k0, int k1, int q, int pixels, int l0, int l1)
{
	ptrdiff_t C = d->C, row = d->W * C;
	int v = q * d->stride - d->left + l0;

	d->set->depthwise(y + q * C, pixels, d->C, x + (h + k0) * row + v * C, row, d->stride,
		w + (k0 * d->L + l0) * C, k1 - k0, l1 - l0, d->L * C);
}

static void output_row(const struct depthwise *d, const float *x, const float *w, float *y, int p)
{
	int h = p * d->stride - d->top;
	int k0 = least(d->K, most(0, -h)), k1 = most(k0, least(d->K, d->H - h));

	for (int q = 0, n; q < d->Q; q += n) {
		int v = q * d->stride - d->left;
		int l0 = least(d->L, most(0, -v)), l1 = most(l0, least(d->L, d->W - v));

		n = l1 - l0 < d->L ? 1 : least(d->Q - q, (d->W - d->L - v) / d->stride + 1);
		span(d, x, w, y, h, k0, k1, q, n, l0, l1);
	}
}

void cpu_dwconv_act(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	const int *in = x[0].s.d, *k = x[1].s.d, *out = y.s.d;
	struct depthwise d = {
		tile_best(), in[1], in[2], in[3], k[0], k[1], out[2], a->i[0], a->i[1], a->i[3],
	};
	double work = (double)shape_count(y.s) * k[0] * k[1];

#pragma omp parallel for collapse(2) num_threads(b->threads) if (work > 1e5)
	for (int n = 0; n < out[0]; n++)
		for (int p = 0; p < out[1]; p++) {
			float *row = y.p + ((ptrdiff_t)n * out[1] + p) * out[2] * out[3];

			output_row(&d, x[0].p + (ptrdiff_t)n * in[1] * in[2] * in[3], x[1].p, row,
				p);
			d.set->finish(row, out[2], out[3], x[2].p, NULL, a->f[0], a->f[1]);
		}
}
