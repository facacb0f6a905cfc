/* check-attention: attention on a tape has the values and gradients of the products and the softmax
 * it stands for; a sample's values do not depend on its batch. */
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/tape/tape.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

enum { IN = 3, OUT = 1 + IN };               /* y, then the gradients of q, k and v */

struct sizes { int n, h, m, t, d, e; };
struct made { struct tape *t; val out[OUT]; };

static struct shape shape_of(const struct sizes *z, int k)
{
	return shape4(z->n, z->h, k == 0 ? z->m : z->t, k == 2 ? z->e : z->d);
}

static val plain(struct tape *t, val q, val k, val v)
{
	return matmul(t, softmax(t, matmul(t, q, k, false, true)), v, false, false);
}

/* y of leaves, and the gradients of <y, y>. */
static struct made make(const struct sizes *z, real *const *x, struct backend *b,
	val (*f)(struct tape *, val, val, val))
{
	struct made m = { .t = tape_new() };
	val in[IN];

	for (int k = 0; k < IN; k++) in[k] = leaf(m.t, shape_of(z, k), x[k]);
	m.out[0] = f(m.t, in[0], in[1], in[2]);
	grads(m.t, sum(m.t, mul(m.t, m.out[0], m.out[0])), -1, in, m.out + 1, IN);
	for (int k = 0; k < OUT; k++) keep(m.t, m.out[k]);
	must(!tape_plan(m.t, b, true) && !tape_run(m.t));
	return m;
}

/* The largest difference over the largest value. */
static double apart(const struct made *a, const struct made *b, int k)
{
	const real *p = tape_value(a->t, a->out[k]), *q = tape_value(b->t, b->out[k]);
	double far = 0, top = 0;

	for (size_t i = 0; i < shape_count(tape_shape(a->t, a->out[k])); i++) {
		far = fmax(far, fabs((double)p[i] - (double)q[i]));
		top = fmax(top, fabs((double)q[i]));
	}
	return far / top;
}

/* The last of n samples has the same values alone, to the bit. */
static bool alone(const struct sizes *z, real *const *x, struct backend *b, const struct made *all)
{
	struct sizes one = *z;
	real *last[IN];

	one.n = 1;
	for (int k = 0; k < IN; k++)
		last[k] = x[k] + (size_t)(z->n - 1) * shape_count(shape_of(&one, k));
	struct made m = make(&one, last, b, attention);
	size_t count = shape_count(tape_shape(m.t, m.out[0]));
	const real *y = tape_value(all->t, all->out[0]) + (size_t)(z->n - 1) * count;
	bool same = !memcmp(tape_value(m.t, m.out[0]), y, count * sizeof *y);
	tape_free(m.t);
	return same;
}

static void check(const struct sizes *z, struct backend *b)
{
	static const char *const name[OUT] = { "y", "dq", "dk", "dv" };
	struct rng r = rng_at(11, (uint64_t)z->m);
	real *x[IN];

	for (int k = 0; k < IN; k++) {
		size_t n = shape_count(shape_of(z, k));
		x[k] = mem_new(n, sizeof *x[k]);
		for (size_t i = 0; i < n; i++) x[k][i] = (real)(rng_normal(&r) / sqrt(z->d));
	}
	struct made a = make(z, x, b, attention), p = make(z, x, b, plain);
	for (int k = 0; k < OUT; k++) {
		double far = apart(&a, &p, k);
		ok(far < 1e-5, "%s [%d,%d,%d,%d] of %d, %d: %s: %.2g from products and softmax",
			b->name, z->n, z->h, z->m, z->d, z->t, z->e, name[k], far);
	}
	ok(alone(z, x, b, &a), "a sample has the same values alone");
	for (int k = 0; k < IN; k++) free(x[k]);
	tape_free(a.t), tape_free(p.t);
}

int main(void)
{
	static const struct sizes sizes[] = {
		{ 2, 3, 50, 50, 8, 8 }, { 5, 1, 256, 64, 2, 8 }, { 18, 1, 97, 33, 5, 19 },
		{ 2, 1, 1024, 256, 16, 64 }, { 3, 2, 1, 130, 24, 24 },
	};
	static const char *const name[] = { "ref", "cpu" };

	for (size_t k = 0; k < LEN(name); k++) {
		struct backend *b = backend_new(name[k], 2);
		for (size_t i = 0; i < LEN(sizes); i++) check(&sizes[i], b);
		backend_free(b);
	}
	return done_testing();
}
