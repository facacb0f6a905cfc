/* check-biggan-accumulate: a move by several batches is the move by the sum of their gradients,
 * each divided by their number; buffers advance with every batch; Adam counts each move of D. */
#include "tests/tap.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/gan/phase.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 3, BATCHES = 3 };

static struct model tiny(void)
{
	struct model c = { .biggan = biggan_default() };

	c.resolution = 32;
	c.biggan.g_ch = c.biggan.d_ch = 2;
	c.n_classes = 5;
	c.features = 16;
	c.class_cond = true;
	return c;
}

static void fill(real *p, size_t n, struct rng *r)
{
	for (size_t i = 0; i < n; i++) p[i] = (real)rng_normal(r) / 4;
}

/* The inputs of batch `number`, the same for every run. */
static void draw(struct phases *p, int number)
{
	struct rng r = rng_at(7, (uint64_t)number);
	size_t f = BATCH * (size_t)p->s->c.features;

	fill(p->in.z, BATCH * (size_t)model_dim_z(&p->s->c), &r);
	fill(p->in.x, BATCH * 32 * 32 * 3, &r);
	fill(p->in.f, f, &r);
	fill(p->in.xf, f, &r);
	for (int i = 0; i < BATCH; i++) {
		p->in.y[i] = (real)rng_below(&r, 5);
		p->in.xy[i] = (real)rng_below(&r, 5);
	}
}

/* Adds the gradients of the batch that has just run, divided by BATCHES. */
static void add_up(const struct phase *f, const struct params *ps, real *sum)
{
	real part = 1 / (real)BATCHES;

	for (int i = 0; i < ps->n; i++) {
		if (f->grad[i] < 0) continue;
		const real *g = tape_value(f->t, f->grad[i]);
		for (size_t k = 0; k < shape_count(ps->p[i].s); k++)
			sum[ps->p[i].at + k] += part * g[k];
	}
}

static void move(struct backend *b, const struct phase *f, const struct params *ps,
		 const struct adam *o, real *sum, real *w, real *m, real *v)
{
	const real **g = mem_new((size_t)ps->n, sizeof *g);

	for (int i = 0; i < ps->n; i++) g[i] = f->grad[i] < 0 ? NULL : sum + ps->p[i].at;
	adam_step(b, ps, o, 1, g, w, m, v);
	free(g);
	free(sum);
}

static void forget(const struct params *ps, real *m, real *v)
{
	memset(m, 0, ps->total * sizeof *m);
	memset(v, 0, ps->total * sizeof *v);
}

/* Two tapes of a batch whose own moves change nothing (rate 0), and the moves made here. */
static void by_hand(struct gan *s, const struct recipe *r, struct backend *b)
{
	struct recipe still = *r;
	struct phases p;
	real *gsum = param_buffer(&s->gp), *dsum = param_buffer(&s->dp);

	still.accumulate = 1;
	still.g.lr = still.d.lr = 0;
	must(!phase_open(&p, s, &still, b));
	for (int k = 0; k < BATCHES; k++) {
		draw(&p, k);
		must(!phase_d_step(&p));
		add_up(&p.d, &s->dp, dsum);
	}
	forget(&s->dp, s->dm, s->dv);
	move(p.b, &p.d, &s->dp, &r->d, dsum, s->d, s->dm, s->dv);
	for (int k = 0; k < BATCHES; k++) {
		draw(&p, BATCHES + k);
		must(!phase_g_step(&p));
		add_up(&p.g, &s->gp, gsum);
	}
	forget(&s->gp, s->gm, s->gv);
	move(p.b, &p.g, &s->gp, &r->g, gsum, s->g, s->gm, s->gv);
	phase_close(&p);
}

static void by_phase(struct gan *s, const struct recipe *r, struct backend *b)
{
	struct phases p;

	must(!phase_open(&p, s, r, b));
	for (int k = 0; k < 2 * BATCHES; k++) {
		draw(&p, k);
		bool discriminator = k < BATCHES;
		must(!(discriminator ? phase_d_step(&p) : phase_g_step(&p)));
		ok(s->step == (k == 2 * BATCHES - 1), "after %d batches %lld steps", k + 1,
		   (long long)s->step);
	}
	phase_close(&p);
}

static void check_d_steps(struct model *c, struct recipe r, struct backend *b)
{
	struct gan two, one;
	struct phases p;

	r.accumulate = 1;
	must(!gan_new(&two, c, 1) && !gan_new(&one, c, 1));
	r.d_steps = 2;
	must(!phase_open(&p, &two, &r, b));
	for (int k = 0; k < 2; k++) draw(&p, k), must(!phase_d_step(&p));
	phase_close(&p);
	r.d_steps = 1;
	must(!phase_open(&p, &one, &r, b));
	draw(&p, 0), must(!phase_d_step(&p));
	one.step = 1, p.d_moves = 0;         /* as if the generator had moved, though it has not */
	draw(&p, 1), must(!phase_d_step(&p));
	phase_close(&p);
	ok(!memcmp(one.d, two.d, one.dp.total * sizeof *one.d),
	   "two moves of D in a step are its first and second, to Adam");
	gan_free(&one);
	gan_free(&two);
}

int main(void)
{
	struct model c = tiny();
	struct adam a = { 1e-3, 0, 0.999, 1e-6 };
	struct recipe r = { .batch = BATCH, .accumulate = BATCHES, .d_steps = 1, .g = a, .d = a };
	struct backend *b = backend_new("cpu", 2);
	struct gan hand, phase;

	must(!gan_new(&hand, &c, 1) && !gan_new(&phase, &c, 1));
	by_phase(&phase, &r, b);
	by_hand(&hand, &r, b);
	ok(!memcmp(hand.d, phase.d, hand.dp.total * sizeof *hand.d),
	   "D moved by the mean gradient, and its buffers with each batch");
	ok(!memcmp(hand.g, phase.g, hand.gp.total * sizeof *hand.g), "and so did G");
	check_d_steps(&c, r, b);
	gan_free(&hand);
	gan_free(&phase);
	backend_free(b);
	return done_testing();
}
