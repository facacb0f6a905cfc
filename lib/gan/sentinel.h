/* sentinel: whether a run has collapsed, judged from what a step leaves behind; no pass of its own.
 *
 * The bounds are far outside what sound runs show, so that one look is enough (Brock et al., ICLR
 * 2019, section 4, describe the collapse they are for: spectral norms explode, and with them the
 * scores):
 *   not finite  a loss or a weight: nothing can follow from it.
 *   gap         the mean score of real images is 100 above that of fakes.  The hinge loss rewards
 *               no gap beyond 2, and small networks that know their few images by heart show some
 *               tens: a hundred is not learnt but has run away.  Or it is 0: D gives all the same
 *               score.
 *   norm        a weight has a spectral norm above 1000.  Weights begin orthogonal, with norm 1,
 *               and grow to some tens; the layers divide by it, so a large one means learning has
 *               all but stopped there.
 *   variance    the pictures of a batch differ by less than a grey level, (2/255)^2 on [-1,1]: G
 *               ignores its noise and its instances. */
#ifndef IC_SENTINEL_H
#define IC_SENTINEL_H

#include "lib/gan/phase.h"

#define SENTINEL_GAP 100.0
#define SENTINEL_NORM 1000.0
#define SENTINEL_VARIANCE (4.0 / (255 * 255))

enum collapse {
	COLLAPSE_NONE, COLLAPSE_NOT_FINITE, COLLAPSE_GAP, COLLAPSE_NORM, COLLAPSE_VARIANCE
};

struct vitals {
	bool finite;                         /* all weights of G, D and the average are */
	double gap;                          /* mean score of real - of fakes, D's last batch */
	double norm;                         /* the largest spectral norm; 0 without any */
	const char *where;                   /* its layer's buffer; borrowed */
	/* of G's last batch: over its pictures, mean over their values in [-1,1] */
	double variance;
};

/* A program that reads the state where the steps compute it: only its few results are fetched. */
struct sentinel {
	struct tape *t;
	const struct phases *p;              /* borrowed */
	val seen;                            /* [1,1,1,n]: three sums, the variance, norms */
	int *norm, norms;                    /* their buffers: parameters of G, then of D */
	int norms_g;
	real *read;                          /* seen, in the host's memory */
};

int sentinel_open(struct sentinel *, const struct phases *);   /* 0, or -1 after fail() */
int sentinel_read(struct sentinel *, struct vitals *);   /* after phase_tell; 0 or -1 */
void sentinel_close(struct sentinel *);      /* accepts a zeroed struct */
/* All weights of G, D and the average are, and what StyleGAN2's regularisers keep. */
bool sentinel_finite(const struct gan *);
enum collapse sentinel_judge(const struct vitals *);    /* the first of the above that holds */
void sentinel_say(const struct vitals *, enum collapse, char text[160]);   /* found and expected */

const char *sentinel_word(enum collapse);    /* "none", "not finite", "gap", "norm", "variance" */
enum collapse sentinel_named(const char *word);         /* COLLAPSE_NONE for another */

#endif
