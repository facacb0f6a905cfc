/* data: what one training step sees: images and their conditioning, drawn as the reference does (spec
 * biggan 6.5), every draw a function of (seed, number of the draw), so that nothing needs saving to go
 * on. */
#ifndef IC_DATA_H
#define IC_DATA_H

#include "formats/rows.h"
#include "lib/gan/phase.h"

struct data {
	struct rows images, features, flipped, near;
	bool instance_cond, class_cond, flip;
	int64_t n;
	int classes;                         /* largest label + 1; 0 without labels */
	uint64_t seed;
	uint32_t *order;                     /* this epoch's permutation */
	int64_t epoch;                       /* -1: none yet */
};

/* features, near: NULL for a run that instances do not condition; flipped: features of the mirrored
 * images, or NULL.  Refuses stores of different lineage, naming both.  0, or -1 after fail(). */
int data_open(struct data *, const char *images, const char *features, const char *near,
	      const char *flipped);
void data_close(struct data *);              /* accepts a zeroed struct */
void data_seed(struct data *, uint64_t seed);   /* of all draws from here on */

/* Real images, number `batch_number` of the run: index i of a shuffled epoch gives features of i, image
 * and label of a uniformly drawn neighbour of i; without instances image and label of i.
 * x[batch][R][R][3], y[batch] or NULL, f[batch][width] or NULL. */
int data_real(struct data *, int64_t batch_number, int batch, real *x, real *y, real *f);
/* Fake conditioning number `draw`: z normal, instances uniform, labels those of a neighbour (of an
 * image without instances). */
int data_fake(struct data *, int64_t draw, int batch, int dim_z, real *z, real *y, real *f);
/* Draws what the augmentation does to each picture of a batch, number `draw`. */
void data_augment(const struct data *, int64_t draw, struct diffaug *);

/* f[width] of one row of a feature store, at unit length; fails naming the key of a row that is zero
 * or not finite. */
int data_feature(struct rows *, int64_t i, real *f);

#endif
