/* ground: where rows are compared in single precision: scaled into the unit ball, and centred,
 * since what all rows share only makes the errors of rounding larger. */
#ifndef IC_GROUND_H
#define IC_GROUND_H

#include "lib/stat/knn.h"

/* With x' = by x - mean and y' = by y - mean the larger score is the nearer row:
 *   distances        x'.y' - |y'|^2 / 2 = (|x'|^2 - |x' - y'|^2) / 2
 *   inner products   x'.y' + mean.y'    = by^2 x.y - mean.x' - |mean|^2 */
struct ground {
	enum knn_metric metric;
	int width;
	double scale;                        /* a power of two, for KNN_L2 and KNN_IP */
	double *mean, mean2;                 /* [width], owned; its square */
};

/* Common ground for both sets, measured; centred on a sample of about.  0, or -1 after fail(). */
int ground_open(
	struct ground *, enum knn_metric, const struct knn_set *about, const struct knn_set *other);
void ground_close(struct ground *);          /* accepts a zeroed struct */

/* What row i is multiplied by. */
double ground_scale(const struct ground *, const struct knn_set *, int64_t i);
/* to[width] = by x - mean.  Returns the addend of its score as a y above, -|y'|^2 / 2 or mean.y',
 * in double. */
double ground_centre(
	const struct ground *, double by, const float *x, float *to, double *square);
/* The score of a row at this distance (for KNN_COSINE and KNN_L2: squared) from a row with that
 * addend. */
double ground_score(const struct ground *, double addend, double distance);

#endif
