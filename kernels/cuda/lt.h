/* lt: products of matrices by cuBLASLt, where it is: on Hopper only its kernels reach the full rate
 * of the tensor cores.
 *
 * Which algorithm a product gets follows from its shape, the GPU and the library's version; it is
 * asked for once and kept.  Sums are of one part, or of parts that a kernel adds afterwards in
 * order, never by atomic additions: the same bits each time. */
#ifndef IC_CUDA_LT_H
#define IC_CUDA_LT_H

#include "kernels/cuda/cuda.h"

/* After a product: + bias[n]; before that + rest[m][n]. */
enum lt_after { LT_BIAS = 1, LT_REST = 2 };
enum { LT_ALIGNED = 16 };                    /* bytes: what it reads and writes, row by row */

/* c[batches][m][n] = a b: row after row, of a[m][k] or given as [k][m], b[k][n] or [n][k]. */
struct lt_product {
	int m, n, k, batches;
	int ta, tb;                          /* given so */
	int row_a, row_b;                    /* elements from a row as it is given to the next */
	int bf16;                            /* else f32, of which it reads the upper 19 bits */
	int bf16_c;                          /* with bf16, and nothing after */
	int after;                           /* enum lt_after */
	int64_t step_a, step_b;              /* elements from one batch to the next */
};

/* Loads $IC_CUBLAS, or where that is not set what the system has of it: engine then says which, or
 * why there is none.  "none": is not looked for.  NULL: there is none, or after cuda_failed(): the
 * one named does not work. */
struct lt *cuda_lt_open(struct backend *, char *engine, size_t size);
void cuda_lt_close(struct lt *);             /* NULL is fine */
struct lt *cuda_lt(const struct backend *);  /* the backend's; NULL: none */

/* The backend's for such products: stays until it is closed.  NULL: cuBLASLt has none. */
struct lt_plan;
struct lt_plan *cuda_lt_plan(struct backend *, const struct lt_product *);
size_t cuda_lt_scratch(const struct lt_plan *);    /* bytes that a run wants at work */
/* bias, rest: NULL where they are not wanted */
void cuda_lt_run(struct backend *, struct lt_plan *, void *c, const void *a, const void *b,
		 const float *bias, const float *rest, void *work);

#endif
