/* near: the loops that propose neighbours, once per instruction set: products of rows of small
 * integers, the same integers in every set, and the scan of these products for the few that matter.
 */
#ifndef IC_NEAR_H
#define IC_NEAR_H

#include <stddef.h>
#include <stdint.h>

/* Rows are rounded to 16 bits, 256 high + low, with high of -127..127 and low of -128..127.
 * Widths are multiples of NEAR_DEEP, padded with zeros.  High bytes are stored packed:
 *   left operand   groups of NEAR_LEFT rows   [width / 4][NEAR_LEFT][4]    uint8_t, the value + 128
 *   right operand  groups of NEAR_RIGHT rows  [width / 4][NEAR_RIGHT][4]   int8_t
 * so that four products of one column of either side are one step of the inner loop, and like low
 * bytes also row by row, for single pairs. */
enum { NEAR_LEFT = 14, NEAR_RIGHT = 32, NEAR_DEEP = 64, NEAR_LOW = 256 };

/* dot = the product of low, which is stored as the value + 128, and high; sum: of high. */
struct near_pair { const uint8_t *low; const int8_t *high; int32_t sum, dot; };

/* What bounds the products of a row: |x.y - step_x step_y q_x.q_y| <= norm_x rest_y + rest_x
 * norm_y. */
struct near_row { float step, norm, rest, bias, floor; };

/* The same of many rows. */
struct near_rows { const float *step, *norm, *rest, *bias, *floor; };

struct near_set {
	const char *name;
	/* c[m][ldc], n columns each, = left right^T; m and n whole groups; sum[j] = the sum of row
	 * j of the right operand.  Row products must fit 31 bits.  The bytes ahead are read next,
	 * and may come into the cache meanwhile. */
	void (*products)(const uint8_t *left, int m, const int8_t *right, const int32_t *sum, int n,
		int width, int32_t *c, ptrdiff_t ldc, const int8_t *ahead, size_t bytes);
	/* The dot of each pair; row products must fit 31 bits. */
	void (*dots)(struct near_pair *pair, int n, int width);
	/* With v = the largest that x.y_j can be given c[j]: hit[] = 4 j + (v + bias_j >= floor) +
	 * 2 (v + bias >= floor_j) of the n rows for which that is not 4 j, in order; returns how
	 * many.  All arrays are of whole groups of NEAR_RIGHT, hit too. */
	int (*scan)(const int32_t *c, int n, const struct near_row *x, const struct near_rows *y,
		uint32_t *hit);
};

extern const struct near_set near_base, near_avx2, near_avx512vnni, near_dotprod;
const struct near_set *near_best(void);      /* what this CPU has */

#endif
