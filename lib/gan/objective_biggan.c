/* objective_biggan: the hinge loss (spec biggan 4.2). */
#include "lib/gan/objective.h"

static val noise(struct tape *t, const struct phases *p)
{
	return input(t, shape4(p->r.batch, 1, 1, model_dim_z(&p->s->c)), p->in.z);
}

static val both(struct tape *t, val fake, val real_)
{
	return fake < 0 ? -1 : concat(t, fake, real_, 0);
}

/* mean relu(1 - real) + mean relu(1 + fake), D called once on [fake; real], both augmented. */
void biggan_d_objective(struct phases *p, struct phase *d)
{
	struct tape *t = objective_open(p, d);
	const struct biggan *c = &p->s->c.biggan;
	int n = p->r.batch;
	val y = objective_labels(t, p, p->in.y, n), f = objective_features(t, p, p->in.f, n);
	val x = objective_pictures(t, p);
	val xy = objective_labels(t, p, p->in.xy, n), xf = objective_features(t, p, p->in.xf, n);

	d->fake = detach(t, biggan_g(&d->g, c, noise(t, p), y, f));
	x = diffaug_build(&d->aug, t, concat(t, d->fake, x, 0));
	d->score = biggan_d(&d->d, c, x, both(t, y, xy), both(t, f, xf));
	val fake = lrelu(t, scale(t, slice(t, d->score, 0, 0, n), 1, 1), 0);
	val real_ = lrelu(t, scale(t, slice(t, d->score, 0, n, n), -1, 1), 0);
	d->loss = add(t, objective_mean(t, real_), objective_mean(t, fake));
	keep(t, d->score);
	objective_grads(d, &d->d);
}

/* -mean D(G(z)); D's weights are constants, its u0 advance. */
void biggan_g_objective(struct phases *p, struct phase *g)
{
	struct tape *t = objective_open(p, g);
	const struct biggan *c = &p->s->c.biggan;
	int n = p->r.batch;
	val y = objective_labels(t, p, p->in.y, n), f = objective_features(t, p, p->in.f, n);

	g->fake = biggan_g(&g->g, c, noise(t, p), y, f);
	g->score = biggan_d(&g->d, c, diffaug_build(&g->aug, t, g->fake), y, f);
	g->loss = scale(t, objective_mean(t, g->score), -1, 0);
	keep(t, g->fake);
	objective_grads(g, &g->g);
}
