/* check-plan: plans and runs: no two live values overlap; a replayed tape equals a fresh one; fused
 * equals unfused; 1 thread equals 2. */
#include "tests/tap.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/nets/biggan.h"

#include <stdlib.h>
#include <string.h>

enum { N = 3 };

/* G and the gradient of a sum of its images with respect to z: every op of BigGAN, forwards and
 * backwards. */
struct made { struct tape *t; val image, gz; };

static struct made make(const struct biggan *c, const struct params *ps, real *w, const real *z,
			const real *y, const real *f)
{
	struct made m = { .t = tape_new() };
	struct scope s = scope_open(m.t, ps, w, true);
	val lz = leaf(m.t, shape4(N, 1, 1, biggan_dim_z(c)), z);

	m.image = biggan_g(&s, c, lz, leaf(m.t, shape4(N, 1, 1, 1), y),
			   leaf(m.t, shape4(N, 1, 1, c->features), f));
	m.gz = grad(m.t, sum(m.t, mul(m.t, m.image, m.image)), lz);
	keep(m.t, m.image);
	keep(m.t, m.gz);
	scope_close(&s);
	return m;
}

static double difference(const struct made *a, const struct made *b)
{
	double worst = 0;
	const val va[2] = { a->image, a->gz }, vb[2] = { b->image, b->gz };

	for (int k = 0; k < 2; k++) {
		const real *p = tape_value(a->t, va[k]), *q = tape_value(b->t, vb[k]);
		double top = 0, d = 0;
		for (size_t i = 0; i < shape_count(tape_shape(a->t, va[k])); i++) {
			d = fmax(d, fabs((double)p[i] - (double)q[i]));
			top = fmax(top, fabs((double)p[i]));
		}
		worst = fmax(worst, d / fmax(top, 1e-30));
	}
	return worst;
}

/* What ran: a step of the power method or a product. */
static char ran[16];
static size_t n_ran;
static op_fn *real_power, *real_matmul;

static void noted_power(struct backend *b, struct view y, const struct view *x,
	const struct attr *a)
{
	if (n_ran + 1 < sizeof ran) ran[n_ran++] = 'p';
	real_power(b, y, x, a);
}

static void noted_matmul(struct backend *b, struct view y, const struct view *x,
	const struct attr *a)
{
	if (n_ran + 1 < sizeof ran) ran[n_ran++] = 'm';
	real_matmul(b, y, x, a);
}

/* x W / sigma for two leaves W and for W W, of which the last needs a product. */
static val normed(struct tape *t, val x, val w, val u)
{
	val u1, sigma = power(t, w, u, false, 1e-6, &u1);

	keep(t, u1);
	return matmul(t, x, mul(t, w, recip(t, sigma)), false, false);
}

static void check_order(void)
{
	enum { N = 4 };
	static const real x[N * N + N] = {
		1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7, 6, 5, 4, 3, 2, 1, 2, 3, 4,
	};
	struct backend *b = backend_new("ref", 1);
	struct tape *t = tape_new();
	val w = leaf(t, shape4(1, 1, N, N), x), u = leaf(t, shape4(1, 1, 1, N), x);
	val y = normed(t, w, w, u);

	real_power = b->op[OP_power], real_matmul = b->op[OP_matmul];
	b->op[OP_power] = noted_power, b->op[OP_matmul] = noted_matmul;
	y = normed(t, y, matmul(t, w, w, false, false), u);
	keep(t, normed(t, y, leaf(t, shape4(1, 1, N, N), x + N), u));
	must(!tape_plan(t, b, true));
	ok(!tape_check_plan(t), "no two live values overlap");
	tape_run(t);
	ok(!strcmp(ran, "ppmmpmm"), "steps of the power method on leaves come first: %s", ran);
	tape_free(t);
	backend_free(b);
}

int main(void)
{
	struct biggan c = biggan_default();
	struct params ps;
	struct rng r = rng_at(3, 0);
	real *z, *f, y[N] = { 3, 0, 7 };

	c.g_ch = 2, c.features = 24, c.shared_dim_feat = 12, c.shared_dim = 8, c.n_classes = 9,
	c.class_cond = true, c.resolution = 64;
	biggan_g_params(&c, &ps);
	real *w = param_buffer(&ps);
	must(w && !param_init(&ps, w, 1));
	w[ps.p[param_find(&ps, "blocks.2.1.gamma")].at] = 0.7f;
	z = mem_new((size_t)(N * biggan_dim_z(&c)), sizeof *z);
	f = mem_new((size_t)(N * c.features), sizeof *f);
	for (int i = 0; i < N * biggan_dim_z(&c); i++) z[i] = (real)rng_normal(&r);
	for (int i = 0; i < N * c.features; i++) f[i] = (real)(0.2 * rng_normal(&r));

	static const struct { const char *backend; int threads; bool fuse;
	} way[] = {
		{ "ref", 1, false }, { "ref", 1, true }, { "cpu", 1, false },
		{ "cpu", 1, true },  { "cpu", 2, true }, { "cpu", 3, true },
	};
	struct made m[LEN(way)];
	struct backend *backend[LEN(way)];   /* one each: the tapes are compared below */
	for (size_t k = 0; k < LEN(way); k++) {
		struct backend *b = backend[k] = backend_new(way[k].backend, way[k].threads);
		m[k] = make(&c, &ps, w, z, y, f);
		if (!ok(!tape_plan(m[k].t, b, way[k].fuse), "%s fuse %d plans", way[k].backend,
			way[k].fuse))
			printf("# %s\n", why());
		ok(!tape_check_plan(m[k].t), "no two live values overlap");
		ok(tape_arena_bytes(m[k].t) < tape_sum_bytes(m[k].t),
		   "%.1f MiB of arena for %.1f MiB of values",
		   (double)tape_arena_bytes(m[k].t) / 1048576,
		   (double)tape_sum_bytes(m[k].t) / 1048576);
		tape_run(m[k].t);
		double e = difference(&m[0], &m[k]);
		ok(e < 2e-5, "%s fuse %d threads %d: %.2g from ref", way[k].backend, way[k].fuse,
		   way[k].threads, e);
		struct made again = make(&c, &ps, w, z, y, f);
		must(!tape_plan(again.t, b, way[k].fuse));
		tape_run(again.t);
		tape_run(m[k].t);
		ok(difference(&again, &m[k]) == 0, "a replayed tape equals a fresh one");
		tape_free(again.t);
	}
	ok(difference(&m[3], &m[4]) == 0 && difference(&m[3], &m[5]) == 0,
	   "1, 2 and 3 threads give the same bytes");
	for (size_t k = 0; k < LEN(way); k++) {
		tape_free(m[k].t);
		backend_free(backend[k]);
	}
	check_order();
	param_free(&ps);
	free(w), free(z), free(f);
	return done_testing();
}
