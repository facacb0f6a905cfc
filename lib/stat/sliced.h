/* sliced: the Monge Inception Distance (Berthet et al., arXiv 2605.06797): what it costs to move
 * one set of rows onto another, along random directions. */
#ifndef IC_SLICED_H
#define IC_SLICED_H

#include "lib/stat/knn.h"

/* 3 width times the mean over directions of the squared 2-Wasserstein distance of the projections.
 * Sets of unlike size are compared by their quantile functions, as if each row were repeated until
 * they are alike.  Both sets are of one width and have rows.  0, or -1 after fail(). */
int sliced_distance(double *distance, const struct knn_set *x, const struct knn_set *y,
	int directions, uint64_t seed);

/* Direction i of a seed: to[width] of length 1, even over the sphere. */
void sliced_direction(uint64_t seed, int i, int width, double *to);
/* The squared 2-Wasserstein distance of ascending x[n] and y[m], n m < 2^64. */
double sliced_transport(const double *x, int64_t n, const double *y, int64_t m);

#endif
