/* ref/ew: element-wise ops with broadcasting, each computed in double and rounded once. */
#include "kernels/ref/ref.h"

#include <math.h>

typedef double formula(double a, double b, double f0, double f1);

static void each(struct view y, const struct view *x, int inputs, const struct attr *at, formula *f)
{
	size_t i = 0;

	REF_EACH(y.s) {
		double a = (double)x[0].p[ref_at(x[0].s, n, h, w, c)];
		double b = inputs > 1 ? (double)x[1].p[ref_at(x[1].s, n, h, w, c)] : 0;
		y.p[i++] = (real)f(a, b, (double)at->f[0], (double)at->f[1]);
	}
}

#define EW(name, inputs, value) \
	static double name##_of(double a, double b, double f0, double f1) \
	{ \
		(void)a, (void)b, (void)f0, (void)f1; \
		return value; \
	} \
	void ref_##name(struct backend *ctx, struct view y, const struct view *x, \
			const struct attr *at) \
	{ \
		(void)ctx; \
		each(y, x, inputs, at, name##_of); \
	}

EW(add,      2, a + b)
EW(sub,      2, a - b)
EW(mul,      2, a * b)
EW(scale,    1, f0 * a + f1)
EW(recip,    1, 1 / a)
EW(sqrt,     1, sqrt(a))
EW(exp,      1, exp(a))
EW(tanh,     1, tanh(a))
EW(sigmoid,  1, 1 / (1 + exp(-a)))
EW(softplus, 1, fmax(a, 0) + log1p(exp(-fabs(a))))   /* log(1 + exp(a)) without overflow */
EW(erf,      1, erf(a))
EW(lrelu,    1, a > 0 ? a : f0 * a)
EW(lrelu_g,  2, a > 0 ? b : f0 * b)
EW(clamp,    1, a < f0 ? f0 : a > f1 ? f1 : a)
EW(clamp_g,  2, f0 < a && a < f1 ? b : 0)
EW(expand,   1, a)
