/* rows: loops over contiguous floats, compiled once for each instruction set (rows.inc).  Private
 * to kernels/cpu. */
#ifndef IC_CPU_ROWS_H
#define IC_CPU_ROWS_H

#include "kernels/kernels.h"

/* y[i] = op(a[i], b[i]); b is not read by ops of one input; y may be a or b, else overlaps
 * neither. */
typedef void row_fn(float *y, const float *a, const float *b, size_t n, float f0, float f1);

struct rows {
	row_fn *ew[OP_COUNT];
	double (*sum)(const float *x, size_t n);
	void (*softmax)(float *y, const float *x, size_t n);     /* n > 0; y may be x */
	/* g[i] = y[i] (g[i] - sum of y g): the adjoint, of y = softmax */
	void (*softmax_back)(float *restrict g, const float *y, size_t n);
	/* x[rows][width] down its columns: y[j] += x[i][j] */
	void (*sum_down)(float *restrict y, const float *x, size_t rows, size_t width);
	/* first[j] += x[i][j] - from[j], second[j] += (x[i][j] - from[j])^2 */
	void (*spread_down)(float *restrict first, float *restrict second, const float *x,
			    const float *from, size_t rows, size_t width);
	/* y[j] = sum over k of f[k] * x[k][j] */
	void (*blend)(float *restrict y, const float *const *x, const float *f, int count,
		      size_t n);
};

enum { ROWS_DEEP = 16 }; /* so many rows may be added up in float before they go to doubles */

/* Rows that are best added up as one, side by side, to fill vectors when columns are few. */
static inline size_t rows_at_once(size_t width)
{
	if (width % 16 == 0) return width < 64 ? 64 / width : 1;
	return width < 16 ? 16 : 1;
}

extern const struct rows rows_base, rows_avx2, rows_avx512;
const struct rows *cpu_rows(void);           /* the best this CPU can run */

#endif
