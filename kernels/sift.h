/* sift: of all pairs of rows of two sets in bf16, those whose scores may reach a bar: what a
 * backend does for lib/stat/sweep.h.  kernels/ref/sift.c is the definition. */
#ifndef IC_SIFT_H
#define IC_SIFT_H

#include <stdbool.h>
#include <stdint.h>

/* Rows of a tile; rows are padded with zeros to a multiple of SIFT_DEEP numbers. */
enum { SIFT_SIDE = 128, SIFT_DEEP = 32 };

/* Rows in the memory of the backend. */
struct sift_rows {
	const uint16_t *bits;                /* [n][wide]: the upper halves of floats */
	const float *norm, *rest, *bias;     /* [n] */
	const float *bar;                    /* [n] */
	int n;
};

/* A pair of a tile, of rows `row` of a and `column` of b within it; dot: a.b, summed in f32 in any
 * order; left, right: whether a's and b's bar may be reached. */
struct sift_hit { float dot; uint8_t row, column, left, right; };
/* Those of a tile: hit[from .. from+n-1], by row and column in an order of their own. */
struct sift_part { uint32_t from, n; };

/* With slack = norm_a rest_b + rest_a norm_b, in f32:
 *	left     dot + slack + bias_b >= bar_a
 *	right    dot + slack + bias_a >= bar_b, only if both are wanted
 * upper: b is a, only pairs whose column is not below their row, and these two are never `right'
 * when they are the same row. */
struct sift {
	struct sift_rows a, b;
	int wide;
	bool both, upper;
	uint32_t limit;                      /* hits that there is room for */
	uint32_t *count;                     /* how many there are, added to 0; above limit: */
	struct sift_part *part;              /* [tiles of a][tiles of b]: and these hold nothing */
	struct sift_hit *hit;                /* [limit] */
	int rank;                            /* sift_kth: the rank-th largest, 1 .. b.n, */
	float *kth;                          /* [a.n]: of dot + bias_b, */
	float *score;                        /* [a.n][b.n]: through here */
};

static inline int sift_tiles(int n)
{
	return (n + SIFT_SIDE - 1) / SIFT_SIDE;
}

#endif
