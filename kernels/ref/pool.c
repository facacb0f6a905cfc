/* ref/pool: the largest and the mean of the pixels under a window; output pixel p, q sees input
 * pixels p stride - top .. + K - 1, q stride - left .. + L - 1, as far as there are. */
#include "kernels/ref/ref.h"

#include <math.h>

/* Runs the statement that follows for each input element `v` under the window of n, h, w, c. */
#define UNDER(x, a) \
	for (int k = 0; k < (a)->i[5]; k++) \
		for (int l = 0; l < (a)->i[6]; l++) \
			for (const real *v = under(x, a, (int[]){ n, h, w, c }, k, l); v; v = NULL)

/* NULL outside of x. */
static const real *under(struct view x, const struct attr *a, const int at[4], int k, int l)
{
	int row = at[1] * a->i[0] + k - a->i[1], col = at[2] * a->i[0] + l - a->i[3];

	if (row < 0 || row >= x.s.d[1] || col < 0 || col >= x.s.d[2]) return NULL;
	return x.p + ref_at(x.s, at[0], row, col, at[3]);
}

void ref_maxpool(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t i = 0;

	(void)b;
	REF_EACH(y.s) {
		real most = -INFINITY;
		UNDER(x[0], a) most = *v > most || isnan(*v) ? *v : most;
		y.p[i++] = most;
	}
}

void ref_avgpool(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t i = 0;

	(void)b;
	REF_EACH(y.s) {
		double sum = 0;
		int seen = 0;
		UNDER(x[0], a) {
			sum += (double)*v;
			seen++;
		}
		y.p[i++] = (real)(sum / (a->i[7] ? a->i[5] * a->i[6] : seen));
	}
}
