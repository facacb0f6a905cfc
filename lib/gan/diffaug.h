/* diffaug: differentiable augmentation (Zhao et al., NeurIPS 2020; spec biggan 4.7) as tape ops, so
 * that the generator learns through it.  What is drawn comes in through leaves. */
#ifndef IC_DIFFAUG_H
#define IC_DIFFAUG_H

#include "lib/base/rng.h"
#include "lib/tape/tape.h"

enum diffaug_kind {
	DIFFAUG_END, DIFFAUG_COLOR, DIFFAUG_TRANSLATION, DIFFAUG_CUTOUT, DIFFAUG_KINDS
};

/* In this order, up to DIFFAUG_END. */
struct diffaug_policy { enum diffaug_kind kind[DIFFAUG_KINDS]; };

/* What happens to one picture. */
struct diffaug_draw {
	double brightness;                   /* [-0.5, 0.5): added */
	double saturation;                   /* [0, 2): times the distance from the pixel's mean */
	double contrast;                     /* [0.5, 1.5): and from the picture's mean */
	int down, right;                     /* y[h][w] = x[h + down][w + right], 0 outside */
	/* of a square of half the side, set to 0; partly outside */
	int top, left;
};

struct diffaug {
	struct diffaug_policy policy;
	int batch, side;
	real *brightness, *saturation, *contrast;   /* [batch] */
	/* [batch][side][side]: pixel to take; one past the last: 0 */
	real *from;
	real *seen;                          /* [batch][side][side]: 0 in the square, else 1 */
};

/* "translation,color,cutout", each at most once, or NULL for nothing; 0, or -1 after fail(). */
int diffaug_parse(struct diffaug_policy *, const char *text);
/* Still without draws; 0, or -1 after fail(): more pixels than a float can number. */
int diffaug_open(struct diffaug *, const struct diffaug_policy *, int batch, int side);
size_t diffaug_bytes(const struct diffaug *);   /* of its draws */
int diffaug_reserve(struct diffaug *);       /* before the build; 0, or -1 after fail() */
void diffaug_close(struct diffaug *);        /* accepts a zeroed struct */
val diffaug_build(struct diffaug *, struct tape *, val x);   /* x[batch,side,side,3] -> the same */

/* Before each run: what happens to picture i.  Kinds outside the policy do not matter. */
void diffaug_set(struct diffaug *, int i, const struct diffaug_draw *);
struct diffaug_draw diffaug_random(struct rng *, int side);

#endif
