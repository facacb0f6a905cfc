/* objective_stylegan2: the logistic loss, R1 and the path length (spec stylegan2, section 6). */
#include "lib/gan/objective.h"

#include <math.h>

/* Styles of the first n pictures of a batch: of z, and from a cutoff on of z2; w_avg moves. */
static val styles(const struct phases *p, struct phase *f, val y, val h, int n)
{
	struct tape *t = f->t;
	const struct stylegan2 *c = &p->s->c.stylegan2;
	struct shape one = shape4(n, 1, 1, c->dim_z), all = shape4(1, stylegan2_styles(c), 1, 1);
	val w = stylegan2_map(&f->g, c, input(t, one, p->in.z), y, h, true);
	val w2 = stylegan2_map(&f->g, c, input(t, one, p->in.z2), y, h, false);
	val mix = input(t, all, p->in.mix);

	return add(t, mul(t, w, scale(t, mix, -1, 1)), mul(t, w2, mix));
}

static val images(const struct phases *p, struct phase *f, val w, int n)
{
	const struct stylegan2 *c = &p->s->c.stylegan2;
	val noise[STYLEGAN2_PLANES];

	for (int k = 0; k < stylegan2_styles(c) - 1; k++) {
		int r = stylegan2_noise_side(k);
		noise[k] = input(f->t, shape4(n, r, r, 1), p->in.plane[k]);
	}
	return stylegan2_synthesis(&f->g, c, w, noise);
}

/* mean softplus(-x) or mean softplus(x) */
static val logistic(struct tape *t, val score, double sign)
{
	return objective_mean(t, softplus(t, scale(t, score, sign, 0)));
}

/* Fakes and real images go through D apart, as their minibatch deviations are. */
void stylegan2_d_objective(struct phases *p, struct phase *d)
{
	struct tape *t = objective_open(p, d);
	const struct stylegan2 *c = &p->s->c.stylegan2;
	int n = p->r.batch;
	val y = objective_labels(t, p, p->in.y, n), f = objective_features(t, p, p->in.f, n);
	val x = objective_pictures(t, p);
	val xy = objective_labels(t, p, p->in.xy, n), xf = objective_features(t, p, p->in.xf, n);

	d->fake = detach(t, images(p, d, styles(p, d, y, f, n), n));
	x = diffaug_build(&d->aug, t, concat(t, d->fake, x, 0));
	val fake = stylegan2_d(&d->d, c, slice(t, x, 0, 0, n), y, f);
	val real_ = stylegan2_d(&d->d, c, slice(t, x, 0, n, n), xy, xf);
	d->score = concat(t, fake, real_, 0);
	d->loss = add(t, logistic(t, fake, 1), logistic(t, real_, -1));
	keep(t, d->score);
	objective_grads(d, &d->d);
}

void stylegan2_g_objective(struct phases *p, struct phase *g)
{
	struct tape *t = objective_open(p, g);
	const struct stylegan2 *c = &p->s->c.stylegan2;
	int n = p->r.batch;
	val y = objective_labels(t, p, p->in.y, n), f = objective_features(t, p, p->in.f, n);

	g->fake = images(p, g, styles(p, g, y, f, n), n);
	g->score = stylegan2_d(&g->d, c, diffaug_build(&g->aug, t, g->fake), y, f);
	g->loss = logistic(t, g->score, -1);
	keep(t, g->fake);
	objective_grads(g, &g->g);
}

/* every gamma / 2 times the mean of |d sum of scores / d image|^2, at real images; what the
 * minibatch deviation says of others in the batch counts. */
void stylegan2_r1_objective(struct phases *p, struct phase *d)
{
	struct tape *t = objective_open(p, d);
	int n = p->r.batch;
	val x = objective_pictures(t, p);
	val y = objective_labels(t, p, p->in.xy, n), f = objective_features(t, p, p->in.xf, n);

	d->score = stylegan2_d(&d->d, &p->s->c.stylegan2, diffaug_build(&d->aug, t, x), y, f);
	val g = grad(t, sum(t, d->score), x);
	d->loss = scale(t, sum(t, mul(t, g, g)), p->r.style.r1_every * p->r.style.r1 / 2 / n, 0);
	objective_grads(d, &d->d);
}

/* How far a unit step of the styles moves an image, seen through a random one: lengths are to be as
 * their running mean, which is not a constant to the gradient. */
void stylegan2_path_objective(struct phases *p, struct phase *g)
{
	struct tape *t = objective_open(p, g);
	const struct style_recipe *r = &p->r.style;
	int n = phase_path_batch(&p->r), R = p->s->c.resolution;
	val y = objective_labels(t, p, p->in.y, n), f = objective_features(t, p, p->in.f, n);
	val w = styles(p, g, y, f, n), old = leaf(t, shape4(1, 1, 1, 1), p->at.path);
	val probe = scale(t, input(t, shape4(n, R, R, 3), p->in.probe), 1.0 / R, 0);

	g->fake = images(p, g, w, n);
	val by_style = grad(t, sum(t, mul(t, g->fake, probe)), w);
	val squares = sum_to(t, mul(t, by_style, by_style), shape4(n, 1, 1, 1));
	val length = root(t, scale(t, squares, 1.0 / tape_shape(t, w).d[1], 0));
	g->mean = add(t, old, scale(t, sub(t, objective_mean(t, length), old), r->path_decay, 0));
	val off = sub(t, length, g->mean);
	g->loss = scale(t, objective_mean(t, mul(t, off, off)), r->path_every * r->path, 0);
	keep(t, g->mean);
	objective_grads(g, &g->g);
}
