/* objective: what each phase's program computes; phase.c runs them. */
#ifndef IC_OBJECTIVE_H
#define IC_OBJECTIVE_H

#include "lib/gan/phase.h"

/* Each writes a program from the phases' inputs to a loss and to the gradients of the weights that
 * the phase moves. */
typedef void objective(struct phases *, struct phase *);
objective biggan_d_objective, biggan_g_objective;
objective stylegan2_d_objective, stylegan2_g_objective, stylegan2_r1_objective,
	stylegan2_path_objective;

/* What they share. */
val objective_labels(struct tape *, const struct phases *, const real *at, int n);
val objective_features(struct tape *, const struct phases *, const real *at, int n);
val objective_pictures(struct tape *, const struct phases *);
val objective_mean(struct tape *, val);
/* Opens both scopes on a new tape. */
struct tape *objective_open(struct phases *, struct phase *);
/* Keeps the gradients of the loss with respect to the trained parameters that the tape reads. */
void objective_grads(struct phase *, const struct scope *);

#endif
