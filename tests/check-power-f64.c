/* check-power: a step of the power method, in double, against the same by products and sums: what
 * it gives, and the first two derivatives of a weight divided by its norm. */
#include "tests/tap.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/tape/tape.h"

#include <stdlib.h>

static val unit(struct tape *t, val x, double eps)
{
	return mul(t, x, recip(t, clamp(t, root(t, sum(t, mul(t, x, x))), eps, INFINITY)));
}

static val by_products(struct tape *t, val w, val u, bool transposed, double eps, val *u1)
{
	struct shape s = tape_shape(t, w);
	val M = reshape(t, w, shape4(1, 1, s.d[0] * s.d[1] * s.d[2], s.d[3]));
	val v = detach(t, unit(t, matmul(t, u, M, false, !transposed), eps));
	val su = matmul(t, v, M, false, transposed);

	*u1 = detach(t, unit(t, su, eps));
	return sum(t, mul(t, su, *u1));
}

typedef val step_fn(struct tape *, val w, val u, bool transposed, double eps, val *u1);

enum { RESULTS = 5 };                        /* w / sigma, two derivatives, u1, sigma */
struct built { struct tape *t; val y[RESULTS]; };

/* w, then the directions of two derivatives, are one after the other at p, u behind them. */
static struct built build(step_fn *step, struct backend *b, struct shape s, const real *p,
			  bool transposed, double eps)
{
	struct built f = { .t = tape_new() };
	size_t n = shape_count(s);
	int rows = (int)n / s.d[3];
	val w = leaf(f.t, s, p), gx;
	val u = leaf(f.t, shape4(1, 1, 1, transposed ? rows : s.d[3]), p + 3 * n);

	f.y[4] = step(f.t, w, u, transposed, eps, &f.y[3]);
	f.y[0] = mul(f.t, w, recip(f.t, f.y[4]));
	for (size_t k = 1; k < 3; k++) {
		gx = mul(f.t, f.y[k - 1], leaf(f.t, s, p + k * n));
		f.y[k] = grad(f.t, sum(f.t, gx), w);
	}
	for (int k = 0; k < RESULTS; k++) keep(f.t, f.y[k]);
	must(!tape_plan(f.t, b, false) && !tape_check_plan(f.t) && !tape_run(f.t));
	return f;
}

/* The largest difference, relative to the largest number. */
static double apart(const struct built *a, const struct built *b, int k)
{
	const real *x = tape_value(a->t, a->y[k]), *y = tape_value(b->t, b->y[k]);
	double most = 0, far = 0;

	for (size_t i = 0; i < shape_count(tape_shape(a->t, a->y[k])); i++) {
		most = fmax(most, fabs((double)x[i]));
		far = fmax(far, fabs((double)(x[i] - y[i])));
		if (isnan(x[i] - y[i])) return INFINITY;
	}
	return far / most;
}

static void check(struct backend *b, struct shape s, bool transposed, double eps)
{
	static const char *const name[RESULTS] = {
		"w / sigma", "its derivative", "the second", "u", "sigma",
	};
	struct rng r = rng_at(9, shape_count(s));
	size_t n = 4 * shape_count(s);
	real *p = mem_new(n, sizeof *p);

	for (size_t i = 0; i < n; i++) p[i] = (real)rng_normal(&r);
	struct built one = build(power, b, s, p, transposed, eps);
	struct built many = build(by_products, b, s, p, transposed, eps);
	for (int k = 0; k < RESULTS; k++) {
		double e = apart(&one, &many, k);
		ok(e < 1e-13, "[%d,%d,%d,%d]%s, at least %g: %s: %.2g", s.d[0], s.d[1], s.d[2],
		   s.d[3], transposed ? " transposed" : "", eps, name[k], e);
	}
	tape_free(one.t), tape_free(many.t);
	free(p);
}

int main(void)
{
	struct backend *b = backend_new("ref", 1);

	for (int transposed = 0; transposed < 2; transposed++) {
		check(b, shape4(3, 3, 5, 7), transposed, 1e-6);
		check(b, shape4(1, 1, 1, 20), transposed, 1e-6);
		check(b, shape4(1, 1, 17, 1), transposed, 1e-6);
		check(b, shape4(1, 2, 16, 32), transposed, 100);
	}
	backend_free(b);
	return done_testing();
}
