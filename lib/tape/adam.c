/* adam: the optimiser and the moving average over flat buffers. */
#include "lib/tape/adam.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"

#include <math.h>
#include <stdlib.h>

struct job {
	const struct params *ps;
	struct adam_rates r;
	const real *const *g;
	real *data, *m, *v;
};

static void update(void *ctx, int64_t i, int worker)
{
	const struct job *j = ctx;
	const struct param *p = &j->ps->p[i];
	real *restrict w = j->data + p->at, *restrict m = j->m + p->at, *restrict v = j->v + p->at;
	const real *restrict g = j->g[i];
	struct adam_rates r = j->r;
	size_t n = shape_count(p->s);

	(void)worker;
	if (!g || !p->trained) return;
	for (size_t k = 0; k < n; k++) {
		m[k] = r.beta1 * m[k] + (1 - r.beta1) * g[k];
		v[k] = r.beta2 * v[k] + (1 - r.beta2) * g[k] * g[k];
		w[k] -= r.rate * m[k] / ((real)sqrt((double)v[k]) * r.root + r.eps);
	}
}

/* rate = lr / (1 - beta1^t), root = 1 / sqrt(1 - beta2^t) */
void adam_step(struct backend *b, const struct params *ps, const struct adam *o, int64_t step,
	       const real *const *g, real *data, real *m, real *v)
{
	double t = (double)step;
	struct adam_rates r = { (real)o->beta1, (real)o->beta2,
				(real)(o->lr / (1 - pow(o->beta1, t))),
				(real)(1 / sqrt(1 - pow(o->beta2, t))), (real)o->eps };
	struct job j = { ps, r, g, data, m, v };

	if (!b->adam) {
		par_for(ps->n, &j, update);
		return;
	}
	struct piece *all = mem_new((size_t)ps->n, sizeof *all);
	int n = 0;
	for (int i = 0; i < ps->n; i++) {
		const struct param *p = &ps->p[i];
		if (g[i] && p->trained)
			all[n++] = (struct piece){ data + p->at, g[i], shape_count(p->s) };
	}
	b->adam(b, n, all, data, m, v, &r);
	free(all);
}

void adam_mix(struct backend *b, int n, const struct piece *piece, double a, double c)
{
	real d = (real)a, e = (real)c;

	if (b->mix) {
		b->mix(b, n, piece, d, e);
		return;
	}
	for (int i = 0; i < n; i++) {
		struct piece p = piece[i];
		for (size_t k = 0; k < p.n; k++) p.y[k] = (d != 0 ? d * p.y[k] : 0) + e * p.x[k];
	}
}

void adam_average(struct backend *b, const struct params *ps, double decay, const real *data,
		  real *average)
{
	struct piece all = { average, data, ps->total };

	if (decay == 0) backend_copy(b, average, data, ps->total * sizeof *data);
	else adam_mix(b, 1, &all, decay, 1 - decay);
}
