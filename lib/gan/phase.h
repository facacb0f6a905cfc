/* phase: the two programs of a training step and the order they run in (spec biggan 4.2):
 * discriminator on [fake; real], then generator, hinge loss, Adam, moving average. */
#ifndef IC_PHASE_H
#define IC_PHASE_H

#include "lib/gan/diffaug.h"
#include "lib/gan/state.h"
#include "lib/tape/adam.h"

/* Weights move by the mean gradient of `accumulate` batches; batch norm sees one at a time. */
struct recipe {
	int batch, accumulate;
	int d_steps;                         /* moves of D to one of G */
	struct adam g, d;
	double ema_decay;
	int64_t ema_start;
	struct diffaug_policy aug;
	bool recompute;                      /* less memory, more time, the same results */
};

/* What a phase reads; the caller fills it before each batch. */
struct phase_input {
	real *z;                             /* [batch][dim_z] */
	real *y, *f;                         /* of the fakes: [batch] labels, [batch][features] */
	real *x;                             /* [batch][R][R][3] real images in [-1,1]; D only */
	real *xy, *xf;                       /* conditioning of the real images; D only */
};

struct phase {
	struct tape *t;
	struct scope g, d;
	val fake, score, loss;
	val *grad;                           /* of each parameter, or -1 */
	struct diffaug aug;                  /* of D's pictures; drawn before each batch */
	/* of gradients, laid out as parameters; NULL: no need */
	real *sum;
	int batches;                         /* in sum */
};

/* The state of a run where its ops compute: the gan's own, or copies on a device. */
struct phase_state { real *g, *d, *ema, *gm, *gv, *dm, *dv; };

struct phases {
	struct gan *s;
	struct backend *b;
	struct phase_state at;
	struct recipe r;
	struct phase_input in;
	struct phase d, g;
	int d_moves;                         /* since the last of G */
	const real **grads;
	real *arena;                         /* of both programs */
	real *told;                          /* what they tell, where the ops compute */
	real *scores;                        /* of the last batches, as all below: see phase_tell */
	double d_real, d_fake, d_loss, g_loss;
	bool lost;                           /* a loss was not finite */
};

/* 0, or -1 after fail(). */
int phase_open(struct phases *, struct gan *, const struct recipe *, struct backend *);
/* The programs without memory, to be measured; the gan may be one of gan_shape. */
int phase_plan(struct phases *, struct gan *, const struct recipe *, struct backend *);

/* What a step takes beside weights and optimiser. */
struct phase_bytes { size_t activations, workspace, inputs; };
struct phase_bytes phase_bytes(struct phases *);
void phase_close(struct phases *);           /* accepts a zeroed struct */
/* the gan's state is another: forgets a step half done */
void phase_restart(struct phases *);
/* Brings the gan's state up to date where a device computes; nothing to do elsewhere.  0, or -1. */
int phase_fetch(struct phases *);

/* One batch; with the last of `accumulate` the weights move.  G's move also counts the step and
 * moves the average.  0; -1 after fail() naming the first value that is not finite, with lost set.
 * A device is not waited for: its losses are known, and judged, at phase_tell. */
int phase_d_step(struct phases *);
int phase_g_step(struct phases *);
/* Scores and losses of the last batches; 0, or -1 as the steps.  Once both have run. */
int phase_tell(struct phases *);
/* Of D's last batch: [2 batch], fake first; borrowed. */
const real *phase_scores(const struct phases *);

#endif
