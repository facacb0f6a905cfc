/* phase: the programs of a training step and what running them does to the state.
 * BigGAN (spec biggan 4.2): discriminator on [fake; real], then generator, hinge loss, Adam, moving
 * average.  StyleGAN2 (spec stylegan2 6 and 8): generator, now and then its path length, the
 * discriminator, now and then R1; logistic loss. */
#ifndef IC_PHASE_H
#define IC_PHASE_H

#include "lib/gan/diffaug.h"
#include "lib/gan/state.h"
#include "lib/tape/adam.h"

/* What is StyleGAN2's alone. */
struct style_recipe {
	double mixing;                       /* share of batches with two styles */
	double r1, path;                     /* weights: gamma of R1, of the path length */
	double path_decay;                   /* of the mean length, each time */
	int r1_every, path_every;            /* steps; the first has both */
	double ema_ramp;                     /* the average's span is at most this share of what
					      * was seen; 0: always the same */
};

/* BigGAN's weights move by the mean gradient of `accumulate` batches, StyleGAN2's by the sum; batch
 * norm and minibatch deviation see one at a time. */
struct recipe {
	int batch, accumulate;
	int d_steps;                         /* moves of D to one of G; BigGAN */
	struct adam g, d;
	double ema_decay;
	int64_t ema_start;
	struct diffaug_policy aug;
	bool recompute;                      /* less memory, more time, the same results */
	struct style_recipe style;
};

/* What a phase reads; the caller fills it before each batch. */
struct phase_input {
	real *z;                             /* [batch][dim_z] */
	real *y, *f;                         /* of the fakes: [batch] labels, [batch][features] */
	real *x;                             /* [batch][R][R][3] real images in [-1,1]; D only */
	real *xy, *xf;                       /* conditioning of the real images; D only */
	/* StyleGAN2's: a second z, of which the styles with 1 in mix[styles] are, and planes of
	 * noise, each [batch][r][r] */
	real *z2, *mix, *plane[STYLEGAN2_PLANES];
	real *probe;                         /* [phase_path_batch][R][R][3], normal; path only */
};

enum { PHASES = 4 };

struct phase {
	struct tape *t;                      /* NULL: the run has no such phase */
	struct scope g, d;
	val fake, score, loss;
	val *grad;                           /* of each parameter, or -1 */
	struct diffaug aug;                  /* of D's pictures; drawn before each batch */
	/* of gradients, laid out as parameters; one for the phases of a network, none of which
	 * begins before another's move is made; NULL: no need */
	real *sum;
	int batches;                         /* in sum */
	double told;                         /* loss of the last batch that was told of */
	val mean;                            /* path: of lengths, moved on */
};

/* The state of a run where its ops compute: the gan's own, or copies on a device. */
struct phase_state { real *g, *d, *ema, *gm, *gv, *dm, *dv, *path; };

struct phases {
	struct gan *s;
	struct backend *b;
	struct phase_state at;
	struct recipe r;
	struct phase_input in;
	union {
		struct { struct phase d, g, r1, path; };
		struct phase each[PHASES];
	};
	int d_moves;                         /* since the last of G */
	const real **grads;
	real *arena;                         /* of all programs: each one runs over the last */
	real *told;                          /* what they tell, where the ops compute */
	real *pictures;                      /* [batch][R][R][3]: G's last, there, too */
	real *scores;                        /* of the last batches, as all below: see phase_tell */
	double d_real, d_fake;               /* both parts of its loss, of the last batch told of */
	bool lost;                           /* a loss was not finite */
};

/* 0, or -1 after fail(). */
int phase_open(struct phases *, struct gan *, const struct recipe *, struct backend *);
/* The programs without memory, to be measured; the gan may be one of gan_shape. */
int phase_plan(struct phases *, struct gan *, const struct recipe *, struct backend *);

/* Pictures that the path length looks at. */
int phase_path_batch(const struct recipe *);

/* Multiply-adds of one batch of each move of a step, with StyleGAN2's regularisers as often as they
 * come; and of the step that comes next, with those that are due.  Once planned. */
double phase_work(const struct phases *);
double phase_step_work(const struct phases *);

/* What a step takes beside weights and optimiser. */
struct phase_bytes { size_t activations, workspace, batches; };
struct phase_bytes phase_bytes(struct phases *);
void phase_close(struct phases *);           /* accepts a zeroed struct */
/* the gan's state is another: forgets a step half done */
void phase_restart(struct phases *);
/* Brings the gan's state up to date where a device computes; nothing to do elsewhere.  0, or -1. */
int phase_fetch(struct phases *);

/* One batch; with the last of `accumulate` the weights move.  BigGAN's G's move is also the end of
 * the step.  0; -1 after fail() naming the first value that is not finite, with lost set.
 * A device is not waited for: its losses are known, and judged, at phase_tell. */
int phase_d_step(struct phases *);
int phase_g_step(struct phases *);
/* The same for StyleGAN2's regularisers, in a step that has them: see phase_due. */
int phase_r1_step(struct phases *);
int phase_path_step(struct phases *);
bool phase_due(const struct phases *, const struct phase *);
/* The end of a step: counts it and moves the average. */
void phase_end(struct phases *);
/* Scores and losses of the last batches; 0, or -1 as the steps.  Once both have run. */
int phase_tell(struct phases *);
/* Of D's last batch: [2 batch], fake first; borrowed. */
const real *phase_scores(const struct phases *);

#endif
