/* check-grad: derivatives of every differentiable op, in double, against central differences.  s0 =
 * <f(x), r0>, s(k+1) = <ds(k)/dx, r(k+1)>: each order's gradient is checked against differences of
 * the order below. */
#include "tests/tap.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/tape/tape.h"

#include <stdlib.h>
#include <string.h>

enum { INPUTS = 2, ORDERS = 3 };

/* A function of two inputs. */
typedef val build(struct tape *, val x, val y);
struct trial { const char *name; build *f; struct shape x, y; int orders; bool positive; };

static val b_add(struct tape *t, val x, val y) { return add(t, mul(t, x, x), y); }
static val b_sub(struct tape *t, val x, val y) { return mul(t, sub(t, x, y), sub(t, y, x)); }
static val b_mul(struct tape *t, val x, val y) { return mul(t, mul(t, x, y), x); }
static val b_scale(struct tape *t, val x, val y) { return mul(t, scale(t, x, -1.5, 0.25), y); }
static val b_recip(struct tape *t, val x, val y) { return mul(t, recip(t, x), y); }
static val b_root(struct tape *t, val x, val y) { return mul(t, root(t, x), y); }
static val b_exp(struct tape *t, val x, val y) { return mul(t, exponent(t, x), y); }
static val b_tanh(struct tape *t, val x, val y) { return mul(t, hyptan(t, x), y); }
static val b_sigmoid(struct tape *t, val x, val y) { return mul(t, sigmoid(t, x), y); }
static val b_erf(struct tape *t, val x, val y) { return mul(t, errfun(t, x), y); }
static val b_softplus(struct tape *t, val x, val y) { return mul(t, softplus(t, x), y); }
static val b_lrelu(struct tape *t, val x, val y) { return mul(t, lrelu(t, mul(t, x, y), 0.2), x); }
static val b_relu(struct tape *t, val x, val y) { return mul(t, lrelu(t, x, 0), mul(t, y, y)); }
static val b_clamp(struct tape *t, val x, val y) { return mul(t, clamp(t, x, -0.5, 0.6), y); }
static val b_expand(struct tape *t, val x, val y)
{
	return mul(t, expand(t, x, tape_shape(t, y)), mul(t, y, y));
}
static val b_sum(struct tape *t, val x, val y)
{
	return mul(t, sum_to(t, mul(t, x, x), shape4(2, 1, 1, 3)), y);
}
static val b_moments(struct tape *t, val x, val y) { return mul(t, moments(t, x), y); }
static val b_softmax(struct tape *t, val x, val y) { return mul(t, softmax(t, x), y); }
static val b_slice(struct tape *t, val x, val y)
{
	return mul(t, slice(t, mul(t, x, x), 1, 1, 2), slice(t, y, 3, 1, 3));
}
static val b_pad(struct tape *t, val x, val y) { return mul(t, pad(t, mul(t, x, x), 2, 1, 2), y); }
static val b_concat(struct tape *t, val x, val y)
{
	val c = concat(t, x, y, 1);
	return mul(t, c, c);
}
static val b_permute(struct tape *t, val x, val y)
{
	return mul(t, permute(t, mul(t, x, x), 2, 0, 3, 1), y);
}
static val b_up2(struct tape *t, val x, val y) { return mul(t, up2(t, mul(t, x, x)), y); }
static val b_sum2(struct tape *t, val x, val y) { return mul(t, sum2(t, mul(t, x, x)), y); }
static val b_maxpool(struct tape *t, val x, val y) { return mul(t, maxpool2(t, mul(t, x, x)), y); }
static val b_reshape(struct tape *t, val x, val y)
{
	return mul(t, reshape(t, mul(t, x, x), tape_shape(t, y)), y);
}
static val b_detach(struct tape *t, val x, val y)
{
	return mul(t, mul(t, x, x), add(t, y, mul(t, detach(t, number(t, 2)), x)));
}
static val b_mm(struct tape *t, val x, val y) { return matmul(t, mul(t, x, x), y, false, false); }
static val b_mm_ta(struct tape *t, val x, val y) { return matmul(t, mul(t, x, x), y, true, false); }
static val b_mm_tb(struct tape *t, val x, val y) { return matmul(t, mul(t, x, x), y, false, true); }
static val b_mm_tt(struct tape *t, val x, val y) { return matmul(t, mul(t, x, x), y, true, true); }
static val b_attention(struct tape *t, val x, val y)
{
	return attention(t, mul(t, x, x), y, concat(t, y, mul(t, y, y), 3));
}
static val b_conv(struct tape *t, val x, val y)
{
	return conv(t, mul(t, x, x), y, 1, (struct pads){ 1, 1, 1, 1 });
}
static val b_conv_up(struct tape *t, val x, val y)
{
	return conv_up2(t, mul(t, x, x), y);
}
static val b_conv_down(struct tape *t, val x, val y)
{
	return conv_sum2(t, mul(t, x, x), mul(t, y, y));
}
static val b_conv2(struct tape *t, val x, val y)
{
	return conv(t, x, mul(t, y, y), 2, (struct pads){ 0, 1, 1, 2 });
}
static val b_fir(struct tape *t, val x, val y)
{
	static const double f[12] = { 1, 2, -1, 0.5, 3, 1, 1, -2, 0.25, 1, 0, 2 };
	val k = numbers(t, shape4(1, 3, 4, 1), f);
	val a = fir(t, mul(t, x, x), k, 2, 1, (struct pads){ 2, 1, 1, 2 }, false);
	return mul(t, fir(t, a, k, 1, 2, (struct pads){ 1, 0, -1, 3 }, true),
		   fir(t, y, k, 3, 2, (struct pads){ 1, 2, 3, 1 }, true));
}
static val b_pick(struct tape *t, val x, val y)
{
	static const double rows[4] = { 2, 0, 2, 1 };
	return mul(t, pick(t, mul(t, x, x), numbers(t, shape4(4, 1, 1, 1), rows)), y);
}
static val b_place(struct tape *t, val x, val y)
{
	static const double rows[4] = { 2, 0, 2, 1 };
	return mul(t, place(t, mul(t, x, x), numbers(t, shape4(4, 1, 1, 1), rows), 3), y);
}
/* R1 of a small discriminator: the gradient penalty differentiates a gradient. */
static val b_r1(struct tape *t, val x, val y)
{
	val h = softplus(t, conv(t, x, y, 1, (struct pads){ 1, 1, 1, 1 }));
	val g = grad(t, sum(t, mul(t, h, h)), x);
	return sum(t, mul(t, g, g));
}

#define S(a, b, c, d) { { a, b, c, d } }
static const struct trial trials[] = {
	{ "add", b_add, S(2, 3, 2, 3), S(2, 1, 1, 3), 3, false },
	{ "sub", b_sub, S(1, 1, 2, 3), S(2, 3, 2, 3), 3, false },
	{ "mul", b_mul, S(2, 3, 2, 3), S(1, 1, 1, 3), 3, false },
	{ "scale", b_scale, S(2, 3, 2, 3), S(2, 3, 2, 3), 3, false },
	{ "recip", b_recip, S(2, 2, 2, 3), S(2, 2, 2, 3), 3, true },
	{ "sqrt", b_root, S(2, 2, 2, 3), S(2, 2, 2, 3), 3, true },
	{ "exp", b_exp, S(2, 2, 2, 3), S(1, 1, 1, 1), 3, false },
	{ "tanh", b_tanh, S(2, 2, 2, 3), S(2, 2, 2, 3), 3, false },
	{ "sigmoid", b_sigmoid, S(2, 2, 2, 3), S(2, 2, 2, 3), 3, false },
	{ "softplus", b_softplus, S(2, 2, 2, 3), S(2, 2, 2, 3), 3, false },
	{ "erf", b_erf, S(2, 2, 2, 3), S(2, 2, 2, 3), 3, false },
	{ "lrelu", b_lrelu, S(2, 2, 2, 3), S(2, 2, 2, 3), 2, false },
	{ "relu", b_relu, S(2, 2, 2, 3), S(2, 2, 2, 3), 2, false },
	{ "clamp", b_clamp, S(2, 2, 2, 3), S(2, 2, 2, 3), 2, false },
	{ "expand", b_expand, S(2, 1, 1, 3), S(2, 2, 3, 3), 3, false },
	{ "sum_to", b_sum, S(2, 3, 2, 3), S(2, 1, 1, 3), 3, false },
	{ "moments", b_moments, S(2, 3, 2, 3), S(1, 1, 2, 3), 3, false },
	{ "softmax", b_softmax, S(2, 1, 3, 5), S(2, 1, 3, 5), 3, false },
	{ "slice and pad", b_slice, S(2, 3, 2, 3), S(2, 2, 2, 5), 3, false },
	{ "pad", b_pad, S(2, 3, 2, 3), S(2, 3, 5, 3), 3, false },
	{ "concat", b_concat, S(2, 3, 2, 3), S(2, 1, 2, 3), 3, false },
	{ "permute", b_permute, S(2, 3, 4, 5), S(4, 2, 5, 3), 3, false },
	{ "up2", b_up2, S(2, 3, 2, 3), S(2, 6, 4, 3), 3, false },
	{ "sum2", b_sum2, S(2, 4, 6, 3), S(2, 2, 3, 3), 3, false },
	{ "maxpool2", b_maxpool, S(2, 4, 6, 3), S(2, 2, 3, 3), 2, false },
	{ "reshape", b_reshape, S(2, 4, 6, 3), S(1, 8, 3, 6), 3, false },
	{ "detach of a constant", b_detach, S(2, 3, 2, 3), S(2, 3, 2, 3), 3, false },
	{ "matmul", b_mm, S(2, 1, 3, 4), S(2, 1, 4, 5), 3, false },
	{ "matmul ta", b_mm_ta, S(2, 1, 4, 3), S(2, 1, 4, 5), 3, false },
	{ "matmul tb", b_mm_tb, S(2, 1, 3, 4), S(2, 1, 5, 4), 3, false },
	{ "matmul ta tb", b_mm_tt, S(2, 1, 4, 3), S(2, 1, 5, 4), 3, false },
	{ "attention", b_attention, S(2, 2, 3, 4), S(2, 2, 5, 4), 3, false },
	{ "conv", b_conv, S(2, 4, 5, 3), S(3, 3, 3, 2), 3, false },
	{ "conv of up2", b_conv_up, S(2, 2, 3, 3), S(3, 3, 3, 2), 3, false },
	{ "sum2 of conv", b_conv_down, S(2, 4, 6, 3), S(3, 3, 3, 2), 3, false },
	{ "conv stride 2", b_conv2, S(2, 5, 6, 3), S(3, 4, 3, 2), 3, false },
	{ "fir", b_fir, S(2, 4, 5, 3), S(2, 2, 3, 3), 3, false },
	{ "pick", b_pick, S(3, 1, 1, 4), S(4, 1, 1, 4), 3, false },
	{ "place", b_place, S(4, 1, 1, 4), S(3, 1, 1, 4), 3, false },
	{ "R1 of a convolution", b_r1, S(2, 3, 3, 2), S(3, 3, 2, 3), 2, false },
};

static real *random_values(struct shape s, uint64_t stream, bool positive)
{
	struct rng r = rng_at(7, stream);
	size_t n = shape_count(s);
	real *p = mem_new(n, sizeof *p);

	for (size_t i = 0; i < n; i++)
		p[i] = (real)(positive ? 0.5 + rng_uniform(&r) : rng_normal(&r));
	return p;
}

/* s(order) of the trial on a fresh tape: <...<<f, r0>', r1>'..., r(order)>, and its gradients. */
struct built { struct tape *t; val s, g[INPUTS]; };

static struct built build_order(const struct trial *c, int order, const real *x, const real *y,
				real *const r[ORDERS + 1][INPUTS])
{
	struct built b = { .t = tape_new() };
	val in[INPUTS] = { leaf(b.t, c->x, x), leaf(b.t, c->y, y) }, f = c->f(b.t, in[0], in[1]);

	b.s = sum(b.t, mul(b.t, f, leaf(b.t, tape_shape(b.t, f), r[0][0])));
	for (int k = 1; k <= order; k++) {
		val g[INPUTS];
		grads(b.t, b.s, -1, in, g, INPUTS);
		b.s = add(b.t, sum(b.t, mul(b.t, g[0], leaf(b.t, c->x, r[k][0]))),
			  sum(b.t, mul(b.t, g[1], leaf(b.t, c->y, r[k][1]))));
	}
	grads(b.t, b.s, -1, in, b.g, INPUTS);
	keep(b.t, b.s);
	for (int i = 0; i < INPUTS; i++) keep(b.t, b.g[i]);
	return b;
}

/* Worst relative difference between the gradient and central differences of s along random
 * directions. */
static double grad_error(const struct trial *c, int order, struct backend *back)
{
	real *x = random_values(c->x, 1, c->positive), *y = random_values(c->y, 2, c->positive),
	     *r[ORDERS + 1][INPUTS];
	struct tape *probe = tape_new();
	struct shape fs =
		tape_shape(probe, c->f(probe, leaf(probe, c->x, x), leaf(probe, c->y, y)));
	double h = 1e-5, worst = 0;

	tape_free(probe);
	for (int k = 0; k <= ORDERS; k++)
		for (int i = 0; i < INPUTS; i++)
			r[k][i] = random_values(!k  ? fs
						: i ? c->y
						    : c->x,
						(uint64_t)(10 + 2 * k + i), false);
	struct built b = build_order(c, order, x, y, r);
	must(!tape_plan(b.t, back, false) && !tape_check_plan(b.t));
	for (int i = 0; i < INPUTS; i++) {
		struct shape s = i ? c->y : c->x;
		size_t n = shape_count(s);
		real *p = i ? y : x, *d = random_values(s, (uint64_t)(40 + i), false),
		     *g = mem_new(n, sizeof *g);
		double dot = 0, size = 0, diff = 0;
		tape_run(b.t);
		memcpy(g, tape_value(b.t, b.g[i]), n * sizeof *g);
		for (size_t j = 0; j < n; j++)
			dot += (double)(g[j] * d[j]), size += fabs((double)(g[j] * d[j]));
		for (int sign = -1; sign <= 1; sign += 2) {
			for (size_t j = 0; j < n; j++) p[j] += (real)(sign * h) * d[j];
			tape_run(b.t);
			diff += sign * (double)*tape_value(b.t, b.s);
			for (size_t j = 0; j < n; j++) p[j] -= (real)(sign * h) * d[j];
		}
		worst = fmax(worst, fabs(dot - diff / (2 * h)) / fmax(size, 1));
		free(d), free(g);
	}
	tape_free(b.t);
	for (int k = 0; k <= ORDERS; k++) free(r[k][0]), free(r[k][1]);
	free(x), free(y);
	return worst;
}

int main(void)
{
	struct backend *b = backend_new("ref", 1);

	for (size_t i = 0; i < LEN(trials); i++)
		for (int order = 0; order < trials[i].orders; order++) {
			double e = grad_error(&trials[i], order, b);
			ok(e < 2e-8, "%s, order %d: %.2g", trials[i].name, order + 1, e);
		}
	backend_free(b);
	return done_testing();
}
