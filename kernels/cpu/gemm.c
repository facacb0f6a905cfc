/* gemm: batched matrix products over OpenBLAS, cut into blocks that depend on the shape alone, each on one thread. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/blas.h"

#include <stdbool.h>

struct block { int m, n, rows, cols; };      /* of every batch's m by n result; the last row and column are smaller */

/* About 16 blocks of at least 64 rows or columns when the product is worth the threads. */
static struct block block_of(int m, int n, int k)
{
	struct block c = { m, n, m, n };

	if ((double)m * n * k < 1e6) return c;
	if (m >= n) c.rows = m / 16 > 64 ? (m / 16 + 47) / 48 * 48 : 64;
	else c.cols = n / 16 > 64 ? (n / 16 + 63) / 64 * 64 : 64;
	if (c.rows > m) c.rows = m;
	if (c.cols > n) c.cols = n;
	return c;
}

struct product { bool ta, tb; int k; const float *a, *b; float *c; };   /* one of the batch, dense */

static void product_block(const struct product *g, const struct block *c, int m0, int n0)
{
	int m = c->m - m0 < c->rows ? c->m - m0 : c->rows, n = c->n - n0 < c->cols ? c->n - n0 : c->cols;
	int lda = g->ta ? c->m : g->k, ldb = g->tb ? g->k : c->n;
	const float *a = g->a + (g->ta ? (size_t)m0 : (size_t)m0 * lda);
	const float *b = g->b + (g->tb ? (size_t)n0 * ldb : (size_t)n0);
	float *to = g->c + (size_t)m0 * c->n + n0;

	if (c->n == 1) blas_sgemv(g->ta, g->ta ? g->k : m, g->ta ? m : g->k, 1, a, lda, b, 0, to);
	else if (c->m == 1) blas_sgemv(!g->tb, g->tb ? n : g->k, g->tb ? g->k : n, 1, b, ldb, a, 0, to);
	else blas_sgemm(g->ta, g->tb, m, n, g->k, 1, a, lda, b, ldb, 0, to, c->n);
}

void cpu_matmul(struct backend *be, struct view y, const struct view *x, const struct attr *at)
{
	int m = y.s.d[2], n = y.s.d[3], k = x[0].s.d[at->i[0] ? 2 : 3];
	int batch = y.s.d[0] * y.s.d[1];
	struct block c = block_of(m, n, k);
	int down = (m + c.rows - 1) / c.rows, across = (n + c.cols - 1) / c.cols;
	int64_t items = (int64_t)batch * down * across;
	double work = (double)batch * m * n * k;

#pragma omp parallel for num_threads(be->threads) if (items > 1 && work > 1e5)
	for (int64_t i = 0; i < items; i++) {
		int64_t of = i / ((int64_t)down * across);
		int part = (int)(i % ((int64_t)down * across));
		struct product g = { at->i[0] != 0, at->i[1] != 0, k, x[0].p + of * m * k, x[1].p + of * n * k,
			y.p + of * m * n };

		product_block(&g, &c, part / across * c.rows, part % across * c.cols);
	}
}

size_t cpu_matmul_scratch(struct backend *b, struct shape y, const struct shape *x, const struct attr *a)
{
	(void)b, (void)y, (void)x, (void)a;
	return 0;
}
