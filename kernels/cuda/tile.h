/* tile: where the chunks of an operand lie in shared memory, so that no warp meets a bank twice,
 * and which of them each thread copies and reads (tests/check-banks.c counts).
 *
 * Along k a tile has TILE rows of DEPTH_CHUNKS chunks; across it, rows of TILE elements, one for
 * each k.  In either the chunks of a row are exchanged among each other, by the row's number, as
 * group.h wants it. */
#ifndef IC_CUDA_TILE_H
#define IC_CUDA_TILE_H

#include "kernels/cuda/gemm.h"

enum { TILE_THREADS = 128 };                 /* of its kernels */
enum { TILE_CHUNKS = TILE * DEPTH_CHUNKS, COPIES = TILE_CHUNKS / TILE_THREADS };

/* Chunk c of row x of an operand along k: two rows fill the banks, four pairs differ. */
DEVICE int place_along(int x, int c)
{
	return x * DEPTH_CHUNKS + (c ^ (x >> 1 & 3));
}

/* Chunk c of row k of one across: eight fill the banks.  Of bf16 eight rows are read at once,
 * and all k of half a row's chunks come before those of the other half; of tf32 two chunks in each
 * of four rows. */
DEVICE int place_across(int bf16, int k, int c)
{
	return bf16 ? c / 8 * (TILE_CHUNKS / 2) + k * 8 + (c % 8 ^ (k & 7))
		    : k * (TILE / 4) + (c ^ (k & 3) << 1);
}

/* What copy `id` of TILE_CHUNKS brings: offset in k and in the other direction. */
DEVICE int copy_k(int along, int bf16, int id)
{
	int each = bf16 ? 8 : 4;
	return along ? id % DEPTH_CHUNKS * each : id / (TILE / each);
}

DEVICE int copy_other(int along, int bf16, int id)
{
	int each = bf16 ? 8 : 4;
	return along ? id / DEPTH_CHUNKS : id % (TILE / each) * each;
}

DEVICE int copy_place(int along, int bf16, int id)
{
	int row = TILE / (bf16 ? 8 : 4);

	return along ? place_along(id / DEPTH_CHUNKS, id % DEPTH_CHUNKS)
		     : place_across(bf16, id / row, id % row);
}

/* From there to the place of copy id + TILE_THREADS. */
DEVICE int copy_stride(int along, int bf16)
{
	return !along && bf16 ? TILE_THREADS / 2 : TILE_THREADS;
}

/* Four matrices of 8 rows by one chunk are read together: those of rows x and x + 8 of chunks c and
 * c + 1; matrix j is the next rows first, as in a, or the next chunk first, as in b. */
DEVICE int matrix_x(int of_a, int j) { return 8 * (of_a ? j & 1 : j >> 1); }
DEVICE int matrix_c(int of_a, int j) { return of_a ? j >> 1 : j & 1; }

/* The chunk that lane's address is of, when ldmatrix reads them: a row of a matrix along k, or of
 * its transpose across. */
DEVICE int matrix_place(int along, int of_a, int x, int c, int lane)
{
	int j = lane / 8, row = lane % 8;

	x += matrix_x(of_a, j);
	c += matrix_c(of_a, j);
	return along ? place_along(x + row, c) : place_across(1, 8 * c + row, x / 8);
}

/* The word that lane has of matrix j, read one by one: tf32 across.  x is a multiple of eight; what
 * is known of it when the kernel is compiled is added last. */
DEVICE int matrix_word(int of_a, int x, int c, int j, int lane)
{
	int k = 4 * (c + matrix_c(of_a, j)) + lane % 4;

	x += matrix_x(of_a, j);
	return 4 * (place_across(0, k, x % 32 / 4) + lane / 16 + x / 32 * 8) + lane / 4 % 4;
}

/* Half of the tile's rows of sums on their way to c: they begin 8 banks apart. */
enum { HALF = TILE / 2 };
struct half { float row[HALF][TILE + 8]; };

#endif
