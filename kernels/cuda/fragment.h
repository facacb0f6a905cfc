/* fragment: the part of a tile of products that a warp multiplies by tensor cores, from two
 * operands in shared memory. */
#ifndef IC_CUDA_FRAGMENT_H
#define IC_CUDA_FRAGMENT_H

#include "kernels/cuda/tile.h"

enum { STAGES = 3 };

struct chunk { uint32_t word[CHUNK_BYTES / 4]; };
struct stage { struct chunk a[TILE_CHUNKS], b[TILE_CHUNKS]; };

/* The four matrices at row x, chunk c. */
DEVICE void load4(const struct chunk *tile, int along, int of_a, int precision, int x, int c,
		  uint32_t v[4])
{
	int lane = THREAD % WARP;

	if (along || precision == PRECISION_BF16) {
		load_matrices(v, &tile[matrix_place(along, of_a, x, c, lane)], !along);
		return;
	}
	UNROLL
	for (int j = 0; j < 4; j++) v[j] = tile->word[matrix_word(of_a, x, c, j, lane)];
}

/* A warp has 64 x 64 of the tile, in 4 x 8 fragments of 16 x 8: a thread 8 x 16 sums. */
enum { ROWS = 8, COLUMNS = 16, SUMS = ROWS * COLUMNS };

DEVICE void multiply_fragments(const struct stage *s, int a_along, int b_along, int precision,
			       float *acc)
{
	int m0 = THREAD / WARP / 2 * 64, n0 = THREAD / WARP % 2 * 64;

	UNROLL
	for (int c = 0; c < DEPTH_CHUNKS; c += 2) {
		uint32_t a[4][4], b[4][4];
		UNROLL
		for (int i = 0; i < 4; i++) {
			load4(s->a, a_along, 1, precision, m0 + 16 * i, c, a[i]);
			load4(s->b, b_along, 0, precision, n0 + 16 * i, c, b[i]);
		}
		UNROLL
		for (int i = 0; i < 4; i++) {
			UNROLL
			for (int j = 0; j < 8; j++) {
				float *to = acc + (8 * i + j) * 4;
				const uint32_t *bj = b[j / 2] + j % 2 * 2;
				if (precision == PRECISION_BF16) mma_bf16(to, a[i], bj);
				else mma_tf32(to, a[i], bj);
			}
		}
	}
}

/* Where in the tile a thread's row i and column j are, and their sum in acc. */
DEVICE int fragment_row(int i)
{
	int lane = THREAD % WARP, warp = THREAD / WARP;
	return warp / 2 * 64 + 16 * (i / 2) + lane / 4 + i % 2 * 8;
}

DEVICE int fragment_column(int j)
{
	int lane = THREAD % WARP, warp = THREAD / WARP;
	return warp % 2 * 64 + 8 * (j / 2) + lane % 4 * 2 + j % 2;
}

DEVICE int fragment_place(int i, int j)
{
	return i / 2 * 32 + j / 2 * 4 + i % 2 * 2 + j % 2;
}

#endif
