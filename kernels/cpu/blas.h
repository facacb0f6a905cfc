/* blas: the products and factorisations of OpenBLAS (BLAS and LAPACK) that we use, each call on one
 * thread; parallelism is ours (lib/base/par.h and the kernels).  blas.c is the only file that
 * includes <cblas.h>.  Row-major throughout. */
#ifndef IC_BLAS_H
#define IC_BLAS_H

#include <stdbool.h>

/* First line of main() in programs that compute: re-executes the program once with a better
 * environment, since both libraries read theirs before main (IC_NO_REEXEC=1 forbids it; what is set
 * already stays).  OPENBLAS_CORETYPE: OpenBLAS chooses lesser kernels on CPUs it does not know.
 * GOMP_SPINCOUNT: threads that wait give their core away soon. */
void blas_start(char **argv);
const char *blas_core(void);                 /* the core in use, "SkylakeX" */

/* c[m][n] = alpha * op(a) op(b) + beta * c; op(a) is m by k, ta: a is stored [k][m]. */
void blas_sgemm(bool ta, bool tb, int m, int n, int k, float alpha, const float *a, int lda,
		const float *b, int ldb, float beta, float *c, int ldc);
void blas_dgemm(bool ta, bool tb, int m, int n, int k, double alpha, const double *a, int lda,
		const double *b, int ldb, double beta, double *c, int ldc);
/* Upper triangle of c[n][n] += alpha * a^T a, a[k][n]. */
void blas_dsyrk(int n, int k, double alpha, const double *a, int lda, double *c, int ldc);
/* b[n][m] becomes the x of l x = b, l[n][n] lower triangular; what is above its diagonal is not
 * read. */
void blas_dtrsm(int n, int m, const double *l, int ldl, double *b, int ldb);
/* The lower triangle of the positive definite a[n][n] becomes L, a = L L'; 0, or the routine's
 * info. */
int lapack_factor(int n, double *a);

/* LAPACK, on two threads whatever the machine (the rounding depends on their number), one call at a
 * time; 0, or the routine's info. */
/* symmetric a[n][n]: w ascending, row i of a becomes eigenvector i */
int lapack_eigh(int n, double *a, double *w);
/* Pivoted Cholesky of the positive semi-definite a[n][n]: a[p[i]][p[j]] = sum_l u[i][l] u[j][l], l
 * < rank; row i of a becomes u[i] (zero, but not stored, beyond l = i).  Stops where no pivot
 * exceeds floor. */
int lapack_cholesky(int n, double *a, double floor, int *p, int *rank);
/* singular values of a[m][n], descending; a is destroyed */
int lapack_singular(int m, int n, double *a, double *s);

#endif
