/* influence: how much each row has to do with a Frechet distance, and the distance's standard
 * error by that. */
#ifndef IC_INFLUENCE_H
#define IC_INFLUENCE_H

#include "lib/stat/knn.h"

struct influence {
	int width;
	double *mean, *pull;                 /* [width]: m; 2 (m - m') */
	double *form;                        /* [width][width]: I - T */
};

/* For rows of the first set, mean[d] and cov[d][d], against the second; for the other way
 * round, exchange them. The covariances are symmetric and kept. 0, or -1 after fail(). */
int influence_open(struct influence *, int d, const double *mean, const double *cov,
	const double *other_mean, const double *other_cov);
/* phi[count] of the rows whose moments the first ones are; 0, or -1 after fail(). */
int influence_rows(const struct influence *, const struct knn_set *, double *phi);
/* The variance of the distance that the drawing of these rows is to blame for: var(phi) /
 * count. */
int influence_variance(const struct influence *, const struct knn_set *, double *variance);
void influence_close(struct influence *);    /* accepts a zeroed struct */

#endif
