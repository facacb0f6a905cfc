/* frechet: tr (S1 S2)^(1/2) is the sum of the singular values of F1^T F2 for any S = F F^T.
 * Factors come from pivoted Cholesky, which stops where a covariance of few rows has lost its
 * rank; a square root is never taken of a rounding error, so the result is good to about 1e-14
 * where eigenvalues of S1 S2 give 1e-6. */
#include "lib/stat/frechet.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double trace(int d, const double *cov)
{
	double sum = 0;
	for (int i = 0; i < d; i++) sum += cov[(size_t)i * (size_t)d + (size_t)i];
	return sum;
}

/* The share of the trace by which a factor's may be off: rounding to float stays far below,
 * negative eigenvalues do not. */
#define NEGATIVE 0x1p-10

static double square(const double *x, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
	return sum;
}

/* Row p[i] of f is column i of the factor U of the permuted matrix, which is zero below its
 * diagonal. */
double *frechet_factor(int d, double *cov, int *rank)
{
	size_t w = (size_t)d;
	double all = trace(d, cov), largest = 0;
	double *f = mem_big(w * w, sizeof *f, "a factor of a covariance");
	int *p = mem_new(w, sizeof *p);

	for (size_t i = 0; i < w; i++) largest = fmax(largest, cov[i * w + i]);
	double floor = d * DBL_EPSILON * largest;
	int info = f && largest > 0 ? lapack_cholesky(d, cov, floor, p, rank) : 0;
	if (!(largest > 0)) *rank = 0;
	if (info) {
		fail("a covariance of %d columns: the Cholesky factorisation failed (%d)", d, info);
		free(f);
		f = NULL;
	}
	for (size_t i = 0, r = (size_t)*rank; f && i < w && r; i++) {
		size_t n = i + 1 < r ? i + 1 : r;
		double *row = f + (size_t)p[i] * r;
		memcpy(row, cov + i * w, n * sizeof *row);
		memset(row + n, 0, (r - n) * sizeof *row);
	}
	free(p);
	if (!f || fabs(square(f, w * (size_t)*rank) - all) <= NEGATIVE * fabs(all)) return f;
	fail("a covariance of %d columns has negative eigenvalues, expected none", d);
	free(f);
	return NULL;
}

struct cross { int d, m, n; const double *a, *b; double *c; };

enum { BAND = 128 };

/* Rows band * BAND ... of c[m][n] = a[d][m]^T b[d][n]. */
static void cross_band(void *ctx, int64_t band, int worker)
{
	struct cross *x = ctx;
	int at = (int)band * BAND, rows = x->m - at < BAND ? x->m - at : BAND;

	(void)worker;
	blas_dgemm(true, false, rows, x->n, x->d, 1, x->a + at, x->m, x->b, x->n, 0,
		x->c + (size_t)at * (size_t)x->n, x->n);
}

/* The sum of the singular values of a[d][m]^T b[d][n], computed in c[m][n]; NaN after fail(). */
static double nuclear_norm(struct cross x)
{
	int few = x.m < x.n ? x.m : x.n;
	double sum = 0, *s = mem_new((size_t)few, sizeof *s);

	par_for((x.m + BAND - 1) / BAND, &x, cross_band);
	int info = few ? lapack_singular(x.m, x.n, x.c, s) : 0;
	for (int i = few; i-- > 0;) sum += s[i];
	free(s);
	if (!info) return sum;
	fail("singular values of a %d x %d matrix: LAPACK failed (%d)", x.m, x.n, info);
	return NAN;
}

int frechet_distance(struct frechet *f, int d, const double *mean_a, double *cov_a,
	const double *mean_b, double *cov_b)
{
	*f = (struct frechet){ .trace_a = trace(d, cov_a), .trace_b = trace(d, cov_b) };
	for (int i = 0; i < d; i++)
		f->mean_term += (mean_a[i] - mean_b[i]) * (mean_a[i] - mean_b[i]);
	if (!isfinite(f->trace_a) || !isfinite(f->trace_b) || !isfinite(f->mean_term))
		return fail("means or covariances that are not finite");
	double *a = frechet_factor(d, cov_a, &f->rank_a);
	double *b = a ? frechet_factor(d, cov_b, &f->rank_b) : NULL;
	struct cross cross = { d, f->rank_a, f->rank_b, a, b, cov_a };
	f->trace_root = a && b ? nuclear_norm(cross) : NAN;
	free(a);
	free(b);
	f->distance = f->mean_term + f->trace_a + f->trace_b - 2 * f->trace_root;
	return isnan(f->trace_root) ? -1 : 0;
}
