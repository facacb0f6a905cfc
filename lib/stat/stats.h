/* stats: means and covariances of sets of rows and of parts of them, and what the distances of
 * parts foretell. */
#ifndef IC_STATS_H
#define IC_STATS_H

#include "lib/stat/frechet.h"
#include "lib/stat/knn.h"

struct stats {
	int width;
	int64_t count;                       /* rows; -1 unknown */
	double *mean, *cov;                  /* [width], [width][width] both triangles; owned */
};

/* 0, or -1 after fail() with the struct closed. */
int stats_of(struct stats *, const struct knn_set *);
void stats_close(struct stats *);            /* accepts a zeroed struct */

/* The covariances are kept. */
int stats_distance(struct frechet *, const struct stats *a, const struct stats *b);

/* The bias of a distance falls like 1 / rows. Twice the distance less the mean of those of two
 * halves of the rows is free of it to first order: order[count] is a permutation, of which the
 * first count / 2 are one half. */
int stats_halves(double *corrected, const struct stats *real, const struct knn_set *rows,
	const uint32_t *order, double distance);
/* The least-squares line of distance[n] against 1 / size[n] where it meets 1 / size = 0. */
double stats_intercept(const double *distance, const int64_t *size, int n);
/* That of STATS_SIZES parts without replacement, of min(5000, max(count / 10, 2)) to all count
 * rows in equal steps (Chong and Forsyth, CVPR 2020). Part i is drawn from stream i + 1 of the
 * seed. */
enum { STATS_SIZES = 15 };
int stats_infinity(double *distance, const struct stats *real, const struct knn_set *rows,
	uint64_t seed);
/* A permutation of count rows, stream 0 for the halves; owned by the caller. */
uint32_t *stats_order(int64_t count, uint64_t seed, uint64_t stream);

#endif
