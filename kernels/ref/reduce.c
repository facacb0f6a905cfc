/* ref/reduce: sums over dimensions, moments per channel, softmax over channels. */
#include "kernels/ref/ref.h"

#include <math.h>

/* The sum of the box of shape `box` at n0, h0, w0, c0. */
static double sum_box(struct view x, int n0, int h0, int w0, int c0, struct shape box)
{
	double sum = 0;

	REF_EACH(box) sum += (double)x.p[ref_at(x.s, n0 + n, h0 + h, w0 + w, c0 + c)];
	return sum;
}

void ref_sum_to(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct shape box;
	size_t i = 0;

	(void)b, (void)a;
	for (int k = 0; k < 4; k++) box.d[k] = y.s.d[k] == 1 ? x[0].s.d[k] : 1;
	REF_EACH(y.s) y.p[i++] = (real)sum_box(x[0], n, h, w, c, box);
}

void ref_moments(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct shape s = x[0].s;
	int channels = s.d[3];

	(void)b, (void)a;
	s.d[3] = 1;
	for (int at = 0; at < channels; at++) {
		double count = (double)shape_count(s), square = 0;
		double mean = sum_box(x[0], 0, 0, 0, at, s) / count;
		REF_EACH(s) {
			double far = (double)x[0].p[ref_at(x[0].s, n, h, w, at + c)] - mean;
			square += far * far;
		}
		y.p[at] = (real)mean;
		y.p[channels + at] = (real)(square / count);
	}
}

static void softmax_row(real *y, const real *x, int count)
{
	double most = (double)x[0], sum = 0;

	for (int c = 1; c < count; c++)
		if ((double)x[c] > most) most = (double)x[c];
	for (int c = 0; c < count; c++) sum += exp((double)x[c] - most);
	for (int c = 0; c < count; c++) y[c] = (real)(exp((double)x[c] - most) / sum);
}

void ref_softmax(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t channels = (size_t)y.s.d[3], rows = shape_count(y.s) / channels;

	(void)b, (void)a;
	for (size_t r = 0; r < rows; r++)
		softmax_row(y.p + r * channels, x[0].p + r * channels, (int)channels);
}

void ref_sum2(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct shape box = { { 1, 2, 2, 1 } };
	size_t i = 0;

	(void)b, (void)a;
	REF_EACH(y.s) y.p[i++] = (real)sum_box(x[0], n, 2 * h, 2 * w, c, box);
}
