/* check-bf16: programs whose activations a device keeps in bf16: a training step near that of f32,
 * half the memory, and a value that is not finite is found.  That steps are the same again: see
 * check-recompute. */
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/gan/phase.h"
#include "tests/library.h"
#include "tests/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 4 };

static struct model network(int resolution, int ch)
{
	struct model c = { .biggan = biggan_default() };

	c.resolution = resolution;
	c.biggan.g_ch = c.biggan.d_ch = ch;
	c.features = 16;
	c.instance_cond = true;
	c.class_cond = false;
	return c;
}

/* A step of the discriminator and one of the generator. */
struct run { struct backend *b; struct gan s; struct phases p; real *grad[2]; size_t n[2]; };

static void fill(real *p, size_t each, struct rng *r)
{
	for (size_t i = 0; i < BATCH * each; i++) p[i] = (real)rng_normal(r) / 4;
}

static size_t gradients(const struct phase *f, const struct params *ps, real **to)
{
	size_t n = 0;

	*to = mem_new(ps->total, sizeof **to);
	for (int i = 0; i < ps->n; i++) {
		if (f->grad[i] < 0) continue;
		tape_read(f->t, f->grad[i], *to + n);
		n += shape_count(ps->p[i].s);
	}
	return n;
}

static void run_open(struct run *r, const char *backend)
{
	struct model c = network(32, 2);
	struct recipe recipe = { .batch = BATCH, .accumulate = 1, .d_steps = 1,
				 .g = { 1e-3, 0, 0.999, 1e-6 }, .d = { 2e-3, 0, 0.999, 1e-6 },
				 .ema_decay = 0.9, .ema_start = 2 };
	struct rng draw = rng_at(7, 1);

	must((r->b = backend_new(backend, 1)));
	must(!gan_new(&r->s, &c, 5));
	for (int i = 0; i < r->s.gp.n; i++)          /* attention takes part */
		if (strstr(r->s.gp.p[i].name, ".gamma")) r->s.g[r->s.gp.p[i].at] = (real)0.7;
	must(!phase_open(&r->p, &r->s, &recipe, r->b));
	fill(r->p.in.z, (size_t)model_dim_z(&c), &draw);
	fill(r->p.in.x, 3 * 32 * 32, &draw);
	fill(r->p.in.f, (size_t)c.features, &draw);
	fill(r->p.in.xf, (size_t)c.features, &draw);
	must(!phase_d_step(&r->p));
	r->n[0] = gradients(&r->p.d, &r->s.dp, &r->grad[0]);
	must(!phase_g_step(&r->p) && !phase_tell(&r->p));
	r->n[1] = gradients(&r->p.g, &r->s.gp, &r->grad[1]);
}

static void run_close(struct run *r)
{
	free(r->grad[0]), free(r->grad[1]);
	phase_close(&r->p);
	gan_free(&r->s);
	backend_free(r->b);
}

/* |x - y| / |y| */
static double apart(const real *x, const real *y, size_t n)
{
	double off = 0, size = 0;

	for (size_t i = 0; i < n; i++) {
		off += pow((double)x[i] - (double)y[i], 2);
		size += pow((double)y[i], 2);
	}
	return sqrt(off / size);
}

/* Each value is rounded by 2^-8 of itself at most; through some hundred of them in a row, and batch
 * norms of few pictures, this grows: with factors rounded alone the generator's gradients are apart
 * by 0.06 already. */
static void check_step(void)
{
	static const char *const name[] = { "discriminator", "generator" };
	const double bound = 32 * 0x1p-8;
	struct run f32, bf16;

	run_open(&f32, "cuda-f32");
	run_open(&bf16, "cuda-bf16");
	for (int k = 0; k < 2; k++) {
		double far = apart(bf16.grad[k], f32.grad[k], f32.n[k]);
		ok(far > 0 && far < bound, "gradients of the %s: %.4f of their length from f32's",
		   name[k], far);
	}
	double d = fabs(bf16.p.d.told - f32.p.d.told), g = fabs(bf16.p.g.told - f32.p.g.told);
	ok(d < bound && g < bound, "losses %.4f and %.4f: off by %.4f and %.4f", f32.p.d.told,
	   f32.p.g.told, d, g);
	run_close(&f32), run_close(&bf16);
}

static struct phase_bytes planned(const char *backend, const struct model *c, int batch)
{
	struct recipe r = { .batch = batch, .accumulate = 1, .d_steps = 1 };
	struct backend *b = backend_new(backend, 1);
	struct phases p;
	struct gan s;

	must(b && !gan_shape(&s, c) && !phase_plan(&p, &s, &r, b));
	ok(!tape_check_plan(p.d.t) && !tape_check_plan(p.g.t), "%s: no two live values overlap",
	   backend);
	struct phase_bytes n = phase_bytes(&p);
	phase_close(&p);
	gan_free(&s);
	backend_free(b);
	return n;
}

static void check_memory(int resolution, int ch, int batch)
{
	struct model c = network(resolution, ch);
	struct phase_bytes f32 = planned("cuda-f32", &c, batch);
	struct phase_bytes bf16 = planned("cuda-bf16", &c, batch);
	double part = (double)bf16.activations / (double)f32.activations;

	ok(part < 0.6, "%d pixels, ch %d, batches of %d: activations of %.0f MiB are %.3f of f32's",
	   resolution, ch, batch, (double)bf16.activations / 1048576, part);
}

/* y = x x, then a product of it: y overflows. */
static void check_finite(void)
{
	enum { ROWS = 256, WIDTH = 64 };
	struct backend *b = backend_new("cuda-bf16", 1);
	struct tape *t = tape_new();
	real *x = mem_new(ROWS * WIDTH, sizeof *x);

	for (int i = 0; i < ROWS * WIDTH; i++) x[i] = 1;
	x[ROWS * WIDTH - 1] = (real)1e30;
	val v = input(t, shape4(1, 1, ROWS, WIDTH), x), y = mul(t, v, v);
	val s = sum(t, matmul(t, y, y, true, false));
	keep(t, s);
	must(b && !tape_plan(t, b, true));
	tape_run_checked(t);
	ok(tape_first_bad(t) == y, "the first value that is not finite is found: %s",
	   tape_first_bad(t) < 0 ? "none" : tape_name(t, tape_first_bad(t)));
	x[ROWS * WIDTH - 1] = 1;
	tape_run_checked(t);
	ok(tape_first_bad(t) < 0, "none where all are");
	tape_free(t);
	backend_free(b);
	free(x);
}

int main(void)
{
	use_library();
	check_step();
	check_memory(64, 64, 64);
	check_memory(128, 96, 64);
	check_finite();
	return done_testing();
}
