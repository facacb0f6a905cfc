/* fragment: the tile of products of a block, by tensor cores, from two operands in shared memory:
 * by each warp in fragments, or by its four warps as a group. */
#ifndef IC_CUDA_FRAGMENT_H
#define IC_CUDA_FRAGMENT_H

#include "kernels/cuda/group.h"
#include "kernels/cuda/tile.h"

#include <assert.h>

enum { STAGES = 3 };

struct chunk { uint32_t word[CHUNK_BYTES / 4]; };
struct stage { struct chunk a[TILE_CHUNKS], b[TILE_CHUNKS]; };

/* A warp has 16 rows of the tile and 16 of its other half, in fragments of 16 x 8: a thread 4 x 32
 * sums. */
enum { ROWS = 4, COLUMNS = 32, SUMS = ROWS * COLUMNS };

/* Where in the tile a thread's row i and column j are, and their sum in acc. */
DEVICE int fragment_row(int i)
{
	return i / 2 * (TILE / 2) + THREAD / WARP * 16 + THREAD % WARP / 4 + i % 2 * 8;
}

DEVICE int fragment_column(int j)
{
	return j / 2 * 8 + THREAD % WARP % 4 * 2 + j % 2;
}

DEVICE int fragment_place(int i, int j)
{
	return i / 2 * (SUMS / 2) + j / 2 * 4 + i % 2 * 2 + j % 2;
}

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
	for (int j = 0; j < 4; j++)
		v[j] = ((const uint32_t *)tile)[matrix_word(of_a, x, c, j, lane)];
}

/* half: of the tile's columns, here and below. */
DEVICE void multiply_fragments(const struct stage *s, int half, int a_along, int b_along,
			       int precision, float *acc)
{
	int row = THREAD / WARP * 16;

	UNROLL
	for (int c = 0; c < DEPTH_CHUNKS; c += 2) {
		uint32_t a[2][4], b[4];
		UNROLL
		for (int i = 0; i < 2; i++)
			load4(s->a, a_along, 1, precision, row + i * (TILE / 2), c, a[i]);
		UNROLL
		for (int j = 0; j < (half ? COLUMNS / 4 : COLUMNS / 2); j++) {
			if (j % 2 == 0) load4(s->b, b_along, 0, precision, 8 * j, c, b);
			UNROLL
			for (int i = 0; i < 2; i++) {
				float *to = acc + fragment_place(2 * i, 2 * j);
				if (precision == PRECISION_BF16) mma_bf16(to, a[i], b + j % 2 * 2);
				else mma_tf32(to, a[i], b + j % 2 * 2);
			}
		}
	}
}

static_assert((int)TILE_THREADS == 4 * WARP && (int)TILE == (int)GROUP_COLUMNS,
	      "a block is a group");
static_assert((int)TILE == 2 * (int)GROUP_ROWS && 8 * DEPTH_CHUNKS == 2 * (int)GROUP_DEPTH &&
	      SUMS == 2 * (int)GROUP_SUMS, "a step is four of its products");

/* An operand's tile for a group, from its half on, and from half of its k on. */
DEVICE uint64_t group_tile(const struct chunk *tile, int along, int half, int deep)
{
	unsigned at = shared_at(tile) + (unsigned)half * (TILE_CHUNKS / 2 * CHUNK_BYTES);
	int line = along ? DEPTH_CHUNKS : 8;

	at += (unsigned)deep * (along ? DEPTH_CHUNKS / 2 : GROUP_DEPTH * 8) * CHUNK_BYTES;
	return group_operand(at, along, along ? 0 : TILE_CHUNKS / 2, 8 * line);
}

/* Begins the products of a step; those of the step before are done then, and its stage is free. */
DEVICE void multiply_group(const struct stage *s, int half, int a_along, int b_along, float *acc)
{
	group_begin();
	UNROLL
	for (int i = 0; i < 2; i++) {
		UNROLL
		for (int deep = 0; deep < 2; deep++)
			group_multiply(half, acc + i * GROUP_SUMS,
				       group_tile(s->a, a_along, i, deep), a_along,
				       group_tile(s->b, b_along, 0, deep), b_along);
	}
	group_commit();
	group_wait(1);
}

DEVICE void end_group(float *acc)
{
	group_wait(0);
	group_end(acc);
	group_end(acc + GROUP_SUMS);
}

/* Until the copies of the step to be multiplied are here, of all threads. */
DEVICE void await_step(bool grouped)
{
	copy_wait(STAGES - 2);
	if (grouped) group_show();
	sync_threads();
}

#endif
