/* ref/power: a step of the power method on a matrix or its transpose. */
#include "kernels/power.h"
#include "kernels/ref/ref.h"

#include <math.h>

/* y[n] = sum over k of x[k] m[n * next + k * step] */
static void product(real *y, const real *x, const real *m, int n, int k, size_t next, size_t step)
{
	for (int i = 0; i < n; i++) {
		double sum = 0;
		for (int j = 0; j < k; j++)
			sum += (double)x[j] * (double)m[(size_t)i * next + (size_t)j * step];
		y[i] = (real)sum;
	}
}

/* x becomes unit(x), and what follows it up to `end` zeros; the product of both is returned. */
static real unit(real *x, int n, int end, real eps)
{
	double sum = 0, norm;

	for (int i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
	norm = sqrt(sum) < (double)eps ? (double)eps : sqrt(sum);
	sum = 0;
	for (int i = 0; i < n; i++) {
		double was = (double)x[i];
		x[i] = (real)(was / norm);
		sum += was * (double)x[i];
	}
	for (int i = n; i < end; i++) x[i] = 0;
	return (real)sum;
}

void ref_power(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct power p = power_of(x[0].s, a->i[0]);
	size_t row = (size_t)p.columns, along = a->i[0] ? row : 1, across = a->i[0] ? 1 : row;
	real *v = y.p, *u = y.p + p.u_at;

	(void)b;
	product(v, x[1].p, x[0].p, p.v, p.u, across, along);
	unit(v, p.v, p.u_at, a->f[0]);
	product(u, v, x[0].p, p.u, p.v, along, across);
	y.p[p.sigma_at] = unit(u, p.u, p.sigma_at - p.u_at, a->f[0]);
}
