/* data: what one training step sees: images and their conditioning, drawn as the reference does
 * (spec biggan 6.5), every draw a function of (seed, number of the draw), so that nothing needs
 * saving to go on. */
#ifndef IC_DATA_H
#define IC_DATA_H

#include "formats/rows.h"
#include "lib/gan/balance.h"
#include "lib/gan/phase.h"

struct data {
	struct rows images, features, flipped, near;
	bool instance_cond;
	bool flip;                           /* mirror half of the images; set by the caller */
	bool compat;                         /* load as the reference does, faults included */
	int step_batches;                    /* real batches to a step; compat only */
	int64_t n;
	uint32_t *label;                     /* [n] by position; NULL: classes do not condition */
	struct balance classes;              /* of these labels */
	uint64_t labels_id;                  /* of the store they came from */
	uint64_t seed;
	uint32_t *order;                     /* this epoch's permutation */
	int64_t epoch;                       /* -1: none yet */
};

/* features, near: NULL for a run that instances do not condition; flipped: features of the mirrored
 * images, or NULL.  Refuses stores of different lineage, naming both.  0, or -1 after fail(). */
int data_open(struct data *, const char *images, const char *features, const char *near,
	      const char *flipped);
/* Conditions on classes as well: the images' own labels or, by key, those of the store `labels`.
 * Without instances the classes of fakes are drawn at this temperature (balance.h).  0, or -1 after
 * fail(). */
int data_by_class(struct data *, const char *labels, double temperature);
void data_close(struct data *);              /* accepts a zeroed struct */
void data_seed(struct data *, uint64_t seed);   /* of all draws from here on */

/* Real images, number `batch_number` of the run: index i of a shuffled epoch gives features of i,
 * image and label of a uniformly drawn neighbour of i; without instances image and label of i.
 * x[batch][R][R][3], y[batch] or NULL, f[batch][width] or NULL.
 * With compat, two faults of the reference's loader (spec biggan 9, traps 21 and 27): levels 1 ..
 * 63 are one lower, as a round trip through floats leaves them, and in each ten steps the same
 * numbers choose neighbours and mirrored features. */
int data_real(struct data *, int64_t batch_number, int batch, real *x, real *y, real *f);
/* Fake conditioning number `draw`: z normal, instances uniform, labels those of a neighbour, or of
 * a drawn class without instances. */
int data_fake(struct data *, int64_t draw, int batch, int dim_z, real *z, real *y, real *f);
/* What StyleGAN2's generator takes beside, number `draw`: a second z and where its styles begin, if
 * anywhere, planes of noise and, if asked for, the random images of the path length. */
void data_style(const struct data *, int64_t draw, const struct phases *, bool probe);
/* Draws what the augmentation does to each picture of a batch, number `draw`. */
void data_augment(const struct data *, int64_t draw, struct diffaug *);

/* The features x[width] of row `key` of the file `name` at unit length, f[width], which may be x.
 * 0, or -1 after fail(): they are zero or not finite. */
int data_unit(const char *name, uint64_t key, const float *x, int width, real *f);

#endif
