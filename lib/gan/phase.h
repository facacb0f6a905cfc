/* phase: the two programs of a training step and the order they run in (spec biggan 4.2): discriminator on [fake; real], then generator,
 * hinge loss, Adam, moving average. */
#ifndef IC_PHASE_H
#define IC_PHASE_H

#include "lib/gan/state.h"
#include "lib/tape/adam.h"

struct recipe { int batch; struct adam g, d; double ema_decay; int64_t ema_start; };

/* What a phase reads; the caller fills it before each. */
struct phase_input {
	real *z;                             /* [batch][dim_z] */
	real *y, *f;                         /* fake conditioning: [batch] labels (class_cond), [batch][features] (instance_cond) */
	real *x;                             /* real images [batch][R][R][3] in [-1,1]; D phase only */
	real *xy, *xf;                       /* conditioning of the real images; D phase only */
};

struct phase { struct tape *t; struct scope g, d; val fake, score, loss; val *grad; };

struct phases {
	struct gan *s;
	struct recipe r;
	struct phase_input in;
	struct phase d, g;
	const real **grads;
	double d_real, d_fake, g_loss;       /* of the last phases, undivided */
};

int phase_open(struct phases *, struct gan *, const struct recipe *, struct backend *);   /* 0, or -1 after fail() */
void phase_close(struct phases *);           /* accepts a zeroed struct */
int phase_d_step(struct phases *);           /* 0; -1 after fail() naming the first non-finite value */
int phase_g_step(struct phases *);           /* also counts the step and moves the average */
const real *phase_scores(const struct phases *);   /* after a D step: [2 batch], fake first; borrowed */
const real *phase_fakes(const struct phases *);    /* after a G step: [batch][R][R][3]; borrowed */

#endif
