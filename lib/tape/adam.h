/* adam: the optimiser and the moving average over flat buffers, where the backend computes. */
#ifndef IC_ADAM_H
#define IC_ADAM_H

#include "lib/tape/param.h"

struct adam { double lr, beta1, beta2, eps; };

/* One update of every trained parameter that has a gradient: g[i] points to shape_count(p[i].s)
 * values in our order, or is NULL.  m, v: moments, laid out as data.  step counts from 1. PyTorch's
 * semantics (spec biggan 4.3). */
void adam_step(struct backend *, const struct params *, const struct adam *, int64_t step,
	       const real *const *g, real *data, real *m, real *v);

/* y = a y + c x over n pieces; with a 0, y is not read. */
void adam_mix(struct backend *, int n, const struct piece *, double a, double c);

/* average = decay * average + (1 - decay) * data over everything, buffers included; decay 0 copies.
 */
void adam_average(struct backend *, const struct params *, double decay, const real *data,
		  real *average);

#endif
