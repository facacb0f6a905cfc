/* gemm: convolutions with both adjoints, and products of matrices as convolutions of one tap over
 * images of one pixel, all as c[m,n] = sum over k of a[m,k] b[k,n], where a is read in place: no
 * patches are ever written.
 *
 *	CONV     m (n,p,q)   n o   k (tap,i)   a x   b w      a b
 *	CONV_DX  m (n,h,w)   n i   k (tap,o)   a dy  b w      a b^T
 *	CONV_DW  m (tap,i)   n o   k (n,p,q)   a x   b dy     a^T b
 *
 * An operand is read in chunks of 16 bytes.  pack.cu first brings it to the numbers that tensor
 * cores read and to rows of whole chunks, zeros behind; one of f32 that has them stays where it is.
 * place.h says where a chunk lies, tile.h where in shared memory, tile.cu multiplies, gemm.cu
 * splits a long k, conv.cu and matmul.cu are the ops.  What is a plain product of matrices goes to
 * lt.cu instead where cuBLASLt is. */
#ifndef IC_CUDA_GEMM_H
#define IC_CUDA_GEMM_H

#include "kernels/cuda/cuda.h"

enum { TILE = 128 };                         /* a block makes TILE x TILE of c */
enum { CHUNK_BYTES = 16, DEPTH_CHUNKS = 4 }; /* along k: of a step */

enum kind { CONV, CONV_DX, CONV_DW };

/* What is done to a result: c = min(max(c + bias[n] + rest[m,n], low), high), NaN stays; more:
 * there is a rest. */
struct finish { int wanted, more; struct data bias, rest; float low, high; };

/* A place along k: (outer middle' + middle) inner' + inner, where inner stays below inner' and
 * middle below middle': channel `inner` of tap outer, middle; or pixel middle, inner of picture
 * outer. */
struct walk { int inner, middle, outer; };

struct gemm {
	const void *a, *b;                   /* packed */
	struct data c;                       /* [batches, phases of CONV_DW][parts][rows][n] */
	int fours;                           /* four neighbours of c may be written at once */
	int m, n, k, part;                   /* part: of k, whole steps */
	int rows;                            /* of c: less the padding of channels, of all phases */
	int parts, batches;
	size_t step_a, step_b;               /* elements from one batch to the next */
	/* The convolution: rows, columns, channels of x and of y, taps in a row.  In a and b
	 * channels are padded to Ip and Op. */
	int H, W, I, Ip, P, Q, O, Op, L, stride, top, left;
	/* Batches are of the pixels of c (CONV_DW: of b) that are even or odd down and across, 2
	 * down + across; top and left grow by `shift` for odd ones.  0: they are not. */
	int phases, shift;
	int spread;                          /* CONV_DX: of a, pixels from one of c's to the next */
	unsigned per_stride;                 /* 2^31 / stride, rounded up */
	struct walk whole, step;             /* what inner and middle stay below; k of a step */
	struct finish finish;
};

DEVICE float finished(const struct finish *f, int64_t at, int n, float x)
{
	if (!f->wanted) return x;
	x += data_get(f->bias, (size_t)n) + (f->more ? data_get(f->rest, (size_t)at) : 0);
	return x < f->low ? f->low : x > f->high ? f->high : x;
}

HOST_DEVICE int chunk_elements(int precision)
{
	return precision == PRECISION_BF16 ? 8 : 4;
}

/* A chunk of the numbers v, rounded to what products read. */
DEVICE void put_chunk(int precision, const float v[8], uint32_t to[4])
{
	for (int k = 0; k < 4; k++)
		to[k] = precision == PRECISION_BF16 ? round_two(v[2 * k], v[2 * k + 1])
			: precision == PRECISION_TF32 ? round_tf32(v[k]) : float_bits(v[k]);
}

HOST_DEVICE int step_depth(int precision)
{
	return DEPTH_CHUNKS * chunk_elements(precision);
}

HOST_DEVICE struct walk walk_to(const struct walk *whole, int k)
{
	struct walk w = { k % whole->inner, k / whole->inner % whole->middle,
			  k / whole->inner / whole->middle };
	return w;
}

HOST_DEVICE int tiles_of(int n)
{
	return (n + TILE - 1) / TILE;
}

/* c = the product of a and b: a convolution of x[N,H,W,I], w[K,L,I,O] and y[N,P,Q,O]; or several
 * that follow each other in memory. */
struct product {
	int kind, batches;
	struct data a, b, c;
	struct shape x, w, y;
	int stride, top, left;
	enum conv_scale scale;               /* w is 3x3, summed to 4x4 or, in phases, to 2x2 */
	int transposed;                      /* a is given as [channels][N], images of one pixel */
};

/* By cuBLASLt where the product is one of plain matrices that suit it, else by tile.cu.  Scratch:
 * cuda_gemm_scratch bytes at b->work.  finish may be NULL; for the scratch no array need be known.
 */
void cuda_gemm_run(struct backend *, const struct product *, const struct finish *);
size_t cuda_gemm_scratch(struct backend *, const struct product *, const struct finish *);

/* One kernel: parts * batches products of g->part of k each, into g->c. */
void cuda_tile_launch(struct backend *, const struct gemm *, int kind);

/* Between the 3x3 of w and the 16 taps of a product at the small side. */
struct taps {
	struct data w;                       /* [3][3][I][O] */
	void *to;                            /* [16][Ip][Op], zeros behind I and O */
	const float *from;                   /* [phases][parts][taps of a phase][I][O] */
	int precision, phases, parts, I, O, Ip, Op;
	int rows[4];
};
struct taps cuda_taps(const struct product *, const struct gemm *, int precision);
size_t cuda_taps_bytes(const struct taps *);           /* of `to`, as scratch */
void cuda_taps_sum(struct backend *, const struct taps *);     /* w to `to` */
void cuda_taps_spread(struct backend *, const struct taps *);  /* `from` to w, a gradient */

/* Rows of `width` numbers to rows of `padded` elements, groups of rows to longer groups; what is
 * new is zero. */
struct pack {
	struct data from;
	void *to;
	int precision, width, padded, group, group_padded;
	size_t rows;                         /* of the result */
	int across;                          /* not 0: from is [..][width][across], the transpose */
};
bool cuda_pack_needed(const struct pack *);            /* else it is packed as it is */
size_t cuda_pack_bytes(const struct pack *);           /* of the result, as scratch */
void cuda_pack(struct backend *, const struct pack *);

#endif
