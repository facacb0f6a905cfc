/* frechet: the distance |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2) of two Gaussians. */
#ifndef IC_FRECHET_H
#define IC_FRECHET_H

struct frechet {
	double distance, mean_term, trace_a, trace_b, trace_root;
	int rank_a, rank_b;                  /* numerical ranks of the covariances */
};

/* mean[d], cov[d][d] of either side; the covariances must be symmetric and are destroyed.  0, or -1
 * after fail(): they are not finite or have negative eigenvalues. */
int frechet_distance(struct frechet *, int d, const double *mean_a, double *cov_a,
	const double *mean_b, double *cov_b);

/* f[d][rank] with cov = f f^T, without the directions that are rounding; cov is destroyed.  Owned
 * by the caller; NULL after fail(), as above. */
double *frechet_factor(int d, double *cov, int *rank);

#endif
