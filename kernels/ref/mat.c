/* ref/mat: matrix products over the last two dimensions. */
#include "kernels/ref/ref.h"

void ref_matmul(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	int inner = a->i[0] ? x[0].s.d[2] : x[0].s.d[3];
	size_t i = 0;

	(void)b;
	REF_EACH(y.s) {
		double sum = 0;
		for (int k = 0; k < inner; k++) {
			size_t left =
				a->i[0] ? ref_at(x[0].s, n, h, k, w) : ref_at(x[0].s, n, h, w, k);
			size_t right =
				a->i[1] ? ref_at(x[1].s, n, h, c, k) : ref_at(x[1].s, n, h, k, c);
			sum += (double)x[0].p[left] * (double)x[1].p[right];
		}
		y.p[i++] = (real)sum;
	}
}
