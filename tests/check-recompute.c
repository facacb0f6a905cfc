/* check-recompute: a step that computes activations again has the gradients, weights, buffers and
 * moments of one that keeps them, bit for bit, and a third less memory; on an emulated GPU, too,
 * where values are of bf16 and the one repeats recorded launches, the other runs step by step. */
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/gan/phase.h"
#include "tests/library.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 3, CLASSES = 5 };

static struct model small(int resolution, int ch, bool class_cond, bool instance_cond)
{
	struct model c = { .biggan = biggan_default() };

	c.resolution = resolution;
	c.biggan.g_ch = c.biggan.d_ch = ch;
	c.n_classes = CLASSES;
	c.features = 16;
	c.class_cond = class_cond;
	c.instance_cond = instance_cond;
	return c;
}

static void fill(real *p, size_t each, struct rng *r)
{
	for (size_t i = 0; p && i < BATCH * each; i++) p[i] = (real)rng_normal(r) / 4;
}

/* The inputs of batch `number`, the same for every run. */
static void draw(struct phases *p, int number)
{
	const struct model *c = &p->s->c;
	struct rng r = rng_at(7, (uint64_t)number);
	struct diffaug *aug[] = { &p->d.aug, &p->g.aug };

	fill(p->in.z, (size_t)model_dim_z(c), &r);
	fill(p->in.x, 3 * (size_t)c->resolution * (size_t)c->resolution, &r);
	fill(p->in.f, (size_t)c->features, &r);
	fill(p->in.xf, (size_t)c->features, &r);
	for (int i = 0; i < BATCH && c->class_cond; i++) {
		p->in.y[i] = (real)rng_below(&r, CLASSES);
		p->in.xy[i] = (real)rng_below(&r, CLASSES);
	}
	for (int k = 0; k < 2; k++)
		for (int i = 0; i < aug[k]->batch; i++) {
			struct diffaug_draw one = diffaug_random(&r, aug[k]->side);
			diffaug_set(aug[k], i, &one);
		}
}

/* Attention takes part, which it does not with the gamma it begins with. */
static void wake(const struct params *ps, real *w)
{
	for (int i = 0; i < ps->n; i++)
		if (strstr(ps->p[i].name, ".gamma")) w[ps->p[i].at] = (real)0.7;
}

static bool same_gradients(const struct phase *a, const struct phase *b, const struct params *ps)
{
	bool same = true;

	for (int i = 0; i < ps->n; i++) {
		if (a->grad[i] < 0) continue;
		size_t n = shape_count(ps->p[i].s);
		real *p = mem_new(n, sizeof *p), *q = mem_new(n, sizeof *q);
		tape_read(a->t, a->grad[i], p);
		tape_read(b->t, b->grad[i], q);
		same = same && !memcmp(p, q, n * sizeof *p);
		free(p), free(q);
	}
	return same;
}

static bool same_state(const struct gan *a, const struct gan *b)
{
	const real *const p[] = { a->g, a->ema, a->gm, a->gv, a->d, a->dm, a->dv };
	const real *const q[] = { b->g, b->ema, b->gm, b->gv, b->d, b->dm, b->dv };
	bool same = a->step == b->step;

	for (size_t i = 0; i < LEN(p); i++)
		same = same && !memcmp(p[i], q[i], (i < 4 ? a->gp : a->dp).total * sizeof(real));
	return same;
}

/* Steps of a run that keeps and of one that recomputes, side by side. */
static void compare(const char *backend, int resolution, int ch, bool class_cond,
		    bool instance_cond, int accumulate, const char *augment, int steps)
{
	struct model c = small(resolution, ch, class_cond, instance_cond);
	struct backend *b[2];
	struct gan s[2];
	struct phases p[2];
	bool same_d = true, same_g = true;

	for (int k = 0; k < 2; k++) {
		struct recipe r = { .batch = BATCH, .accumulate = accumulate, .d_steps = 2,
				    .g = { 1e-3, 0, 0.999, 1e-6 }, .d = { 2e-3, 0, 0.999, 1e-6 },
				    .ema_decay = 0.9, .ema_start = 2, .recompute = k };
		must(!diffaug_parse(&r.aug, augment) && !gan_new(&s[k], &c, 5));
		wake(&s[k].gp, s[k].g);
		wake(&s[k].dp, s[k].d);
		b[k] = backend_new(backend, k ? 1 : 2);
		must(b[k] && !phase_open(&p[k], &s[k], &r, b[k]));
		tape_profile(p[k].d.t, !k);          /* not to be recorded */
		tape_profile(p[k].g.t, !k);
		ok(!tape_check_plan(p[k].d.t) && !tape_check_plan(p[k].g.t),
		   "%s: no two live values overlap", k ? "recomputing" : "keeping");
	}
	for (int n = 0; n < steps * 3 * accumulate; n++) {
		bool of_d = n / accumulate % 3 < 2;
		for (int k = 0; k < 2; k++) {
			draw(&p[k], n);
			must(!(of_d ? phase_d_step(&p[k]) : phase_g_step(&p[k])));
		}
		if (of_d) same_d = same_d && same_gradients(&p[0].d, &p[1].d, &s[0].dp);
		else same_g = same_g && same_gradients(&p[0].g, &p[1].g, &s[0].gp);
	}
	ok(phase_bytes(&p[1]).activations < phase_bytes(&p[0]).activations, "less memory");
	ok(same_d, "%s, %d pixels, class %d, instance %d, %d to a step: gradients of D", backend,
	   resolution, class_cond, instance_cond, accumulate);
	ok(same_g, "and of G");
	must(!phase_fetch(&p[0]) && !phase_fetch(&p[1]));
	ok(same_state(&s[0], &s[1]), "weights, buffers, averages and moments after %d steps",
	   steps);
	for (int k = 0; k < 2; k++) {
		phase_close(&p[k]);
		gan_free(&s[k]);
		backend_free(b[k]);
	}
}

static size_t peak(const struct model *c, int batch, bool recompute)
{
	struct recipe r = { .batch = batch, .accumulate = 1, .d_steps = 1, .recompute = recompute };
	struct backend *b = backend_new("cpu", 2);
	struct phases p;
	struct gan s;

	must(!gan_shape(&s, c) && !phase_plan(&p, &s, &r, b));
	struct phase_bytes n = phase_bytes(&p);
	phase_close(&p);
	gan_free(&s);
	backend_free(b);
	return n.activations + n.workspace;
}

static void check_peak(int resolution, int ch, int batch)
{
	struct model c = { .biggan = biggan_default() };

	c.resolution = resolution;
	c.biggan.g_ch = c.biggan.d_ch = ch;
	double kept = (double)peak(&c, batch, false), again = (double)peak(&c, batch, true);
	ok(again <= kept * 2 / 3, "%d pixels, ch %d, batches of %d: %.1f MiB instead of %.1f",
	   resolution, ch, batch, again / 1048576, kept / 1048576);
}

int main(void)
{
	use_library();
	compare("cpu", 32, 2, true, false, 1, NULL, 2);
	compare("cpu", 32, 4, false, true, 2, NULL, 2);
	compare("cpu", 64, 8, true, true, 1, "translation,color,cutout", 2);
	compare("ref", 32, 2, false, true, 1, NULL, 2);
	compare("cuda-bf16", 32, 2, true, true, 1, "color", 1);
	check_peak(32, 16, 64);
	check_peak(32, 32, 64);
	check_peak(64, 32, 32);
	check_peak(64, 64, 256);
	check_peak(128, 96, 64);
	check_peak(256, 96, 16);
	return done_testing();
}
