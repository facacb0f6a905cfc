/* moments: mean and covariance of rows, in double, however many there are. */
#ifndef IC_MOMENTS_H
#define IC_MOMENTS_H

#include <stdint.h>

struct moments {
	int width;
	int64_t count;
	double *shift, *sum;                 /* [width]: a point near the rows; of row - shift */
	/* [width][width], upper triangle: the sum of (row - shift)^T (row - shift) */
	double *square;
	double *held;                        /* [..][width]: rows that wait for a full block */
	int waiting;
};

int moments_open(struct moments *, int width);           /* 0; -1 when there is no memory */
void moments_add(struct moments *, const float *rows, int n);   /* rows[n][width], finite */
/* mean[width] and cov[width][width], both triangles, divisor count - 1; -1 for fewer than two
 * rows. Ends the adding. */
int moments_end(struct moments *, double *mean, double *cov);
void moments_close(struct moments *);                    /* accepts a zeroed struct */

#endif
