/* gemm: products of matrices and convolutions with both adjoints, all as c[m,n] = sum over k of
 * a[m,k] b[k,n], where a of a convolution is read in place: no patches are ever written.
 *
 *	conv     m (n,p,q)   n o   k (tap,i)   a x   b w
 *	conv_dx  m (n,h,w)   n i   k (tap,o)   a dy  b w
 *	conv_dw  m (tap,i)   n o   k (n,p,q)   a x   b dy
 *
 * place.h says where a[m,k] and b[k,n] lie, tile.cu multiplies, gemm.cu splits a long k and has the
 * products of matrices, conv.cu the convolutions. */
#ifndef IC_CUDA_GEMM_H
#define IC_CUDA_GEMM_H

#include "kernels/cuda/cuda.h"

enum { TILE = 128, DEPTH = 16 };             /* a block makes TILE x TILE of c, DEPTH of k at a time */

enum kind { MATMUL, MATMUL_TA, MATMUL_TB, MATMUL_TAB, CONV, CONV_DX, CONV_DW };

/* What is done to a result: c = min(max(c + bias[n] + rest[m,n], low), high), NaN stays. */
struct finish { int wanted; const float *bias, *rest; float low, high; };

struct gemm {
	const float *a, *b;
	float *c;                            /* [batches or parts][m][n] */
	int m, n, k, part;                   /* part: of k, a multiple of DEPTH */
	int parts, lda, ldb;
	size_t step_a, step_b;               /* from one batch to the next */
	int vector_a, vector_b;              /* four elements in a row can be read as one */
	int H, W, I, P, Q, O, L, stride, top, left;
	struct finish finish;
};

DEVICE float finished(const struct finish *f, size_t at, int n, float x)
{
	if (!f->wanted) return x;
	x += f->bias[n] + (f->rest ? f->rest[at] : 0);
	return x < f->low ? f->low : x > f->high ? f->high : x;
}

static inline int tiles_of(int n)
{
	return (n + TILE - 1) / TILE;
}

/* One kernel: parts * batches products of g->part of k each, into g->c. */
void cuda_tile_launch(struct backend *, const struct gemm *, int kind, int batches);

/* The parts that k is split in, which depend on the shape alone. */
void cuda_gemm_split(struct gemm *, int batches);
size_t cuda_gemm_scratch(const struct gemm *);         /* bytes, once split */
void cuda_gemm_run(struct backend *, struct gemm *, int kind, int batches, struct view y,
		   const struct view *x);

#endif
