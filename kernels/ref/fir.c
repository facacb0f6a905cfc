/* ref/fir: up-sampling by zeros, padding or cropping, one filter on all channels, down-sampling. */
#include "kernels/ref/ref.h"

/* The pixel of the image before up-sampling, or -1 where there is a zero. */
static int source(int at, int up, int size)
{
	return at < 0 || at % up || at / up >= size ? -1 : at / up;
}

void ref_fir(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	int up = a->i[0], down = a->i[1], top = a->i[2], left = a->i[4];
	int rows = x[1].s.d[1], cols = x[1].s.d[2];
	size_t i = 0;

	(void)b;
	REF_EACH(y.s) {
		double sum = 0;
		for (int k = 0; k < rows; k++)
			for (int l = 0; l < cols; l++) {
				int row = source(h * down + k - top, up, x[0].s.d[1]);
				int col = source(w * down + l - left, up, x[0].s.d[2]);
				int tap = a->i[6] ? (rows - 1 - k) * cols + cols - 1 - l
						  : k * cols + l;
				if (row >= 0 && col >= 0)
					sum += (double)x[0].p[ref_at(x[0].s, n, row, col, c)] *
					       (double)x[1].p[tap];
			}
		y.p[i++] = (real)sum;
	}
}
