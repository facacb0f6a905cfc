/* phase: the programs of a training step. */
#include "lib/gan/phase.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdlib.h>

static val input(struct tape *t, struct shape s, real **at)
{
	if (!*at) *at = mem_big(shape_count(s), sizeof(real), "a batch");
	return *at ? leaf(t, s, *at) : -1;
}

static val labels(struct tape *t, const struct phases *p, real **at)
{
	return p->s->c.class_cond ? input(t, shape4(p->r.batch, 1, 1, 1), at) : -1;
}

static val features(struct tape *t, const struct phases *p, real **at)
{
	return p->s->c.instance_cond ? input(t, shape4(p->r.batch, 1, 1, p->s->c.features), at) : -1;
}

static val both(struct tape *t, val fake, val real_)
{
	return fake < 0 ? -1 : concat(t, fake, real_, 0);
}

/* Gradients of the loss with respect to the trained parameters that the tape reads. */
static void keep_grads(struct phase *p, const struct scope *s)
{
	int n = s->ps->n, m = 0;
	val *x = mem_new((size_t)n, sizeof *x), *g = mem_new((size_t)n, sizeof *g);

	p->grad = mem_new((size_t)n, sizeof *p->grad);
	for (int i = 0; i < n; i++)
		if (s->ps->p[i].trained && s->leaf[i] >= 0) x[m++] = s->leaf[i];
	grads(p->t, p->loss, -1, x, g, m);
	m = 0;
	for (int i = 0; i < n; i++) {
		p->grad[i] = s->ps->p[i].trained && s->leaf[i] >= 0 ? g[m++] : -1;
		if (p->grad[i] >= 0) keep(p->t, p->grad[i]);
	}
	free(x);
	free(g);
}

static val mean(struct tape *t, val x)
{
	return scale(t, sum(t, x), 1.0 / (double)shape_count(tape_shape(t, x)), 0);
}

/* mean relu(1 - real) + mean relu(1 + fake), D called once on [fake; real]. */
static int build_d(struct phases *p, struct backend *b)
{
	struct phase *d = &p->d;
	struct tape *t = d->t = tape_new();
	const struct biggan *c = &p->s->c;
	int n = p->r.batch, R = c->resolution;

	d->g = scope_open(t, &p->s->gp, p->s->g, true);
	d->d = scope_open(t, &p->s->dp, p->s->d, true);
	val z = input(t, shape4(n, 1, 1, biggan_dim_z(c)), &p->in.z);
	val y = labels(t, p, &p->in.y), f = features(t, p, &p->in.f);
	val x = input(t, shape4(n, R, R, 3), &p->in.x);
	val xy = labels(t, p, &p->in.xy), xf = features(t, p, &p->in.xf);
	d->fake = detach(t, biggan_g(&d->g, c, z, y, f));
	d->score = biggan_d(&d->d, c, concat(t, d->fake, x, 0), both(t, y, xy), both(t, f, xf));
	val fake = lrelu(t, scale(t, slice(t, d->score, 0, 0, n), 1, 1), 0);
	val real_ = lrelu(t, scale(t, slice(t, d->score, 0, n, n), -1, 1), 0);
	d->loss = add(t, mean(t, real_), mean(t, fake));
	keep(t, d->score);
	keep(t, d->loss);
	keep_grads(d, &d->d);
	return tape_plan(t, b, true);
}

/* -mean D(G(z)); D's weights are constants, its u0 advance. */
static int build_g(struct phases *p, struct backend *b)
{
	struct phase *g = &p->g;
	struct tape *t = g->t = tape_new();
	const struct biggan *c = &p->s->c;

	g->g = scope_open(t, &p->s->gp, p->s->g, true);
	g->d = scope_open(t, &p->s->dp, p->s->d, true);
	val z = input(t, shape4(p->r.batch, 1, 1, biggan_dim_z(c)), &p->in.z);
	val y = labels(t, p, &p->in.y), f = features(t, p, &p->in.f);
	g->fake = biggan_g(&g->g, c, z, y, f);
	g->score = biggan_d(&g->d, c, g->fake, y, f);
	g->loss = scale(t, mean(t, g->score), -1, 0);
	keep(t, g->fake);
	keep(t, g->loss);
	keep_grads(g, &g->g);
	return tape_plan(t, b, true);
}

int phase_open(struct phases *p, struct gan *s, const struct recipe *r, struct backend *b)
{
	*p = (struct phases){ .s = s, .r = *r };
	p->grads = mem_new((size_t)(s->gp.n + s->dp.n), sizeof *p->grads);
	if (build_d(p, b) || build_g(p, b)) {
		phase_close(p);
		return -1;
	}
	return 0;
}

void phase_close(struct phases *p)
{
	struct phase *each[] = { &p->d, &p->g };

	for (int i = 0; i < 2; i++) {
		tape_free(each[i]->t);
		scope_close(&each[i]->g);
		scope_close(&each[i]->d);
		free(each[i]->grad);
	}
	real *const inputs[] = { p->in.z, p->in.y, p->in.f, p->in.x, p->in.xy, p->in.xf };
	for (size_t i = 0; i < LEN(inputs); i++) free(inputs[i]);
	free(p->grads);
	*p = (struct phases){ 0 };
}

/* Runs a phase; on a non-finite loss runs it again step by step to name the first value that was. */
static int run(struct phases *p, struct phase *f, const char *name)
{
	tape_run(f->t);
	if (isfinite(*tape_value(f->t, f->loss))) return 0;
	tape_run_checked(f->t);
	val bad = tape_first_bad(f->t);
	return fail("step %lld: the %s's loss is not finite; the first such value is %s",
		    (long long)p->s->step + 1, name,
		    bad < 0 ? "in its input" : tape_name(f->t, bad));
}

static const real *const *grads_of(struct phases *p, const struct phase *f, int n)
{
	for (int i = 0; i < n; i++)
		p->grads[i] = f->grad[i] < 0 ? NULL : tape_value(f->t, f->grad[i]);
	return p->grads;
}

int phase_d_step(struct phases *p)
{
	struct gan *s = p->s;
	int n = p->r.batch;

	if (run(p, &p->d, "discriminator")) return -1;
	const real *score = phase_scores(p);
	p->d_real = p->d_fake = 0;
	for (int i = 0; i < n; i++) {
		p->d_fake += fmax(0, 1 + (double)score[i]) / n;
		p->d_real += fmax(0, 1 - (double)score[n + i]) / n;
	}
	scope_apply(&p->d.g);
	scope_apply(&p->d.d);
	adam_step(&s->dp, &p->r.d, s->step + 1, grads_of(p, &p->d, s->dp.n), s->d, s->dm, s->dv);
	return 0;
}

int phase_g_step(struct phases *p)
{
	struct gan *s = p->s;

	if (run(p, &p->g, "generator")) return -1;
	p->g_loss = (double)*tape_value(p->g.t, p->g.loss);
	scope_apply(&p->g.g);
	scope_apply(&p->g.d);
	adam_step(&s->gp, &p->r.g, s->step + 1, grads_of(p, &p->g, s->gp.n), s->g, s->gm, s->gv);
	s->step++;
	adam_average(&s->gp, s->step < p->r.ema_start ? 0 : p->r.ema_decay, s->g, s->ema);
	return 0;
}

const real *phase_scores(const struct phases *p)
{
	return tape_value(p->d.t, p->d.score);
}

const real *phase_fakes(const struct phases *p)
{
	return tape_value(p->g.t, p->g.fake);
}
