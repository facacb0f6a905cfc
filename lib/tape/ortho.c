/* ortho: orthonormal rows by Cholesky: with V V' = L L', the rows of L^-1 V are those that Gram and
 * Schmidt would make, and nearly all the work is in large products. */
#include "lib/tape/ortho.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/rng.h"

#include <stdlib.h>

enum {
	DRAWS = 16384,                       /* at a time */
	SIDE = 192,                          /* of a block of V V' */
	COLUMNS = 256,                       /* of V solved for at a time */
};

struct job {
	double *v, *s;                       /* s[k][k]: V V', then L; the lower triangle counts */
	int k, n;
	uint64_t seed, stream;
};

static int least(int a, int b)
{
	return a < b ? a : b;
}

static void draw(void *ctx, int64_t i, int worker)
{
	const struct job *j = ctx;
	int64_t first = i * DRAWS, all = (int64_t)j->k * j->n;
	struct rng r = rng_at(j->seed, j->stream);

	(void)worker;
	r.at = 4 * (uint64_t)first;          /* a normal takes four numbers */
	for (int64_t at = first; at < all && at < first + DRAWS; at++) j->v[at] = rng_normal(&r);
}

static void multiply(void *ctx, int64_t i, int worker)
{
	const struct job *j = ctx;
	int side = (j->k + SIDE - 1) / SIDE;
	int row = (int)(i / side) * SIDE, col = (int)(i % side) * SIDE;

	(void)worker;
	if (col > row) return;
	blas_dgemm(false, true, least(SIDE, j->k - row), least(SIDE, j->k - col), j->n, 1,
		j->v + (int64_t)row * j->n, j->n, j->v + (int64_t)col * j->n, j->n, 0,
		j->s + (int64_t)row * j->k + col, j->k);
}

static void solve(void *ctx, int64_t i, int worker)
{
	const struct job *j = ctx;
	int first = (int)i * COLUMNS;

	(void)worker;
	blas_dtrsm(j->k, least(COLUMNS, j->n - first), j->s, j->k, j->v + first, j->n);
}

static int orthonormalise(struct job *j)
{
	int side = (j->k + SIDE - 1) / SIDE;

	par_for((int64_t)side * side, j, multiply);
	if (lapack_factor(j->k, j->s))
		return fail("%d by %d random numbers are not of full rank", j->k, j->n);
	par_for((j->n + COLUMNS - 1) / COLUMNS, j, solve);
	return 0;
}

/* What is not orthogonal afterwards is the square of V's condition number times the rounding.  The
 * number is below 6 where n >= 2 k, and without bound for squares: those are done twice (Yamamoto
 * et al. 2015). */
int ortho_random(double *v, int k, int n, uint64_t seed, uint64_t stream)
{
	struct job j = { v, NULL, k, n, seed, stream };

	must(k <= n);
	j.s = mem_big((size_t)k * (size_t)k, sizeof *j.s, "products of rows");
	if (!j.s) return -1;
	par_for(((int64_t)k * n + DRAWS - 1) / DRAWS, &j, draw);
	int bad = orthonormalise(&j);
	if (!bad && n < 2 * k) bad = orthonormalise(&j);
	free(j.s);
	return bad;
}
