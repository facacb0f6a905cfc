/* objective: what the programs of both backbones share. */
#include "lib/gan/objective.h"
#include "lib/base/mem.h"

#include <stdlib.h>

val objective_labels(struct tape *t, const struct phases *p, const real *at, int n)
{
	return p->s->c.class_cond ? input(t, shape4(n, 1, 1, 1), at) : -1;
}

val objective_features(struct tape *t, const struct phases *p, const real *at, int n)
{
	const struct model *c = &p->s->c;
	return c->instance_cond ? input(t, shape4(n, 1, 1, c->features), at) : -1;
}

val objective_pictures(struct tape *t, const struct phases *p)
{
	int R = p->s->c.resolution;
	return input(t, shape4(p->r.batch, R, R, 3), p->in.x);
}

val objective_mean(struct tape *t, val x)
{
	return scale(t, sum(t, x), 1.0 / (double)shape_count(tape_shape(t, x)), 0);
}

struct tape *objective_open(struct phases *p, struct phase *f)
{
	f->t = tape_new();
	f->g = scope_open(f->t, &p->s->gp, p->at.g, true);
	f->d = scope_open(f->t, &p->s->dp, p->at.d, true);
	return f->t;
}

void objective_grads(struct phase *p, const struct scope *s)
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
	keep(p->t, p->loss);
	free(x);
	free(g);
}
