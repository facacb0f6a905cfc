/* adam: the optimiser and the moving average over flat buffers. */
#include "lib/tape/adam.h"
#include "lib/base/par.h"

#include <math.h>
#include <string.h>

struct job {
	const struct params *ps;
	struct adam o;
	real c1, c2;
	const real *const *g;
	real *data, *m, *v;
};

/* t+=1; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p -= lr/(1-b1^t) m / (sqrt(v)/sqrt(1-b2^t) + eps) */
static void update(void *ctx, int64_t i, int worker)
{
	const struct job *j = ctx;
	const struct param *p = &j->ps->p[i];
	real *restrict w = j->data + p->at, *restrict m = j->m + p->at, *restrict v = j->v + p->at;
	const real *restrict g = j->g[i];
	real b1 = (real)j->o.beta1, b2 = (real)j->o.beta2, eps = (real)j->o.eps, c1 = j->c1,
	     c2 = j->c2;
	size_t n = shape_count(p->s);

	(void)worker;
	if (!g || !p->trained) return;
	for (size_t k = 0; k < n; k++) {
		m[k] = b1 * m[k] + (1 - b1) * g[k];
		v[k] = b2 * v[k] + (1 - b2) * g[k] * g[k];
		w[k] -= c1 * m[k] / ((real)sqrt((double)v[k]) * c2 + eps);
	}
}

void adam_step(const struct params *ps, const struct adam *o, int64_t step, const real *const *g,
	       real *data, real *m, real *v)
{
	double t = (double)step;
	struct job j = { ps,
			 *o,
			 (real)(o->lr / (1 - pow(o->beta1, t))),
			 (real)(1 / sqrt(1 - pow(o->beta2, t))),
			 g,
			 data,
			 m,
			 v };

	par_for(ps->n, &j, update);
}

void adam_average(const struct params *ps, double decay, const real *data, real *average)
{
	real d = (real)decay, e = (real)(1 - decay);

	if (decay == 0) {
		memcpy(average, data, ps->total * sizeof *data);
		return;
	}
	for (size_t k = 0; k < ps->total; k++) average[k] = d * average[k] + e * data[k];
}
