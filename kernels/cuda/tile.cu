/* tile: the kernels of products.  A block makes a tile of TILE x TILE of c; what it multiplies
 * comes to shared memory in steps of DEPTH_CHUNKS along k, STAGES of them in turns, two on their
 * way while one is multiplied: by tensor cores, or number by number in f32.  Sums are f32. */
#include "kernels/cuda/fragment.h"
#include "kernels/cuda/place.h"

/* Begins the copies of a step of both operands. */
DEVICE void copy_step(const struct gemm *g, int kind, int bf16, const struct path *p,
		      struct stage *to)
{
	struct chunk *a = &to->a[copy_place(a_along_k(kind), bf16, THREAD)];
	struct chunk *b = &to->b[copy_place(b_along_k(kind), bf16, THREAD)];
	const char *from;
	bool inside;

	UNROLL
	for (int j = 0; j < COPIES; j++) {
		from = from_a(g, kind, bf16, p, j, &inside);
		copy_async(a + j * THREADS, from, inside);
	}
	UNROLL
	for (int j = 0; j < COPIES; j++) {
		from = from_b(g, kind, bf16, p, j, &inside);
		copy_async(b + j * THREADS, from, inside);
	}
}

DEVICE float number(const struct chunk *tile, int along, int x, int k)
{
	const struct chunk *c = &tile[along ? place_along(x, k / 4) : place_across(0, k, x / 4)];
	return bits_float(c->word[along ? k % 4 : x % 4]);
}

/* A thread has 8 x 8 numbers, 16 apart. */
DEVICE void multiply_numbers(const struct stage *s, int kind, float *acc)
{
	int m0 = THREAD / 16, n0 = THREAD % 16;

	UNROLL_BY(2)                         /* more want more registers than there are */
	for (int k = 0; k < 4 * DEPTH_CHUNKS; k++) {
		float b[8];
		UNROLL
		for (int j = 0; j < 8; j++) b[j] = number(s->b, b_along_k(kind), n0 + 16 * j, k);
		UNROLL
		for (int i = 0; i < 8; i++) {
			float x = number(s->a, a_along_k(kind), m0 + 16 * i, k);
			UNROLL
			for (int j = 0; j < 8; j++) acc[8 * i + j] += x * b[j];
		}
	}
}

DEVICE void put(const struct gemm *g, struct data c, int64_t row, int n, float x)
{
	int64_t at = row * g->n + n;

	if (n < g->n)
		data_put(c, (size_t)at, g->parts > 1 ? x : finished(&g->finish, at, n, x));
}

/* Columns n and n + 1 as one word. */
DEVICE void put_pair(const struct gemm *g, struct data c, int64_t row, int n, float x, float y)
{
	int64_t at = row * g->n + n;

	if (n >= g->n) return;
	uint32_t first = round_bf16(finished(&g->finish, at, n, x));
	uint32_t second = round_bf16(finished(&g->finish, at + 1, n + 1, y));
	((uint32_t *)c.p)[at / 2] = first | second << 16;
}

/* Elements of c that the thread has: of row e / 8, in the order of acc. */
DEVICE void put_all(const struct gemm *g, int kind, int m0, int n0, int precision, struct data c,
		    const float *acc)
{
	int cores = precision != PRECISION_F32;

	UNROLL
	for (int i = 0; i < 8; i++) {
		int m = m0 + (cores ? fragment_row(i) : THREAD / 16 + 16 * i);
		int64_t row = m < g->m ? row_of_c(g, kind, m) : -1;
		if (row < 0) continue;
		UNROLL
		for (int j = 0; j < 8; j++) {
			int n = cores ? fragment_column(j) : THREAD % 16 + 16 * j;
			int e = cores ? fragment_place(i, j) : 8 * i + j;
			if (precision != PRECISION_BF16 || !g->pairs)
				put(g, c, row, n0 + n, acc[e]);
			else if (j % 2 == 0)
				put_pair(g, c, row, n0 + n, acc[e], acc[e + 1]);
		}
	}
}

DEVICE void gemm_tile(const struct gemm *g, int kind, int precision)
{
	SHARED struct stage stage[STAGES];
	int bf16 = precision == PRECISION_BF16, depth = step_depth(precision);
	int batch = BLOCK_Z / g->parts, k0 = BLOCK_Z % g->parts * g->part;
	int end = k0 + g->part < g->k ? k0 + g->part : g->k;
	/* neighbours in n first: they share the larger operand */
	int across = tiles_of(g->n), m0 = BLOCK_X / across * TILE, n0 = BLOCK_X % across * TILE;
	const char *a = (const char *)g->a + (size_t)batch * g->step_a * (bf16 ? 2 : 4);
	const char *b = (const char *)g->b + (size_t)batch * g->step_b * (bf16 ? 2 : 4);
	struct path path = path_of(g, kind, bf16, a, b, m0, n0, k0, end);
	int fill = 0;
	float acc[64];

	UNROLL
	for (int i = 0; i < 64; i++) acc[i] = 0;
	for (int s = 0; s < STAGES - 1; s++, fill++) {
		if (path.left > 0) copy_step(g, kind, bf16, &path, &stage[fill]);
		copy_commit();
		path_on(g, kind, bf16, &path);
	}
	for (int k = k0, now = 0; k < end; k += depth) {
		copy_wait(STAGES - 2);       /* this step's are here, and nobody reads the last's */
		sync_threads();
		if (path.left > 0) copy_step(g, kind, bf16, &path, &stage[fill]);
		copy_commit();
		path_on(g, kind, bf16, &path);
		if (precision == PRECISION_F32) multiply_numbers(&stage[now], kind, acc);
		else
			multiply_fragments(&stage[now], a_along_k(kind), b_along_k(kind),
					   precision, acc);
		if (++now == STAGES) now = 0;
		if (++fill == STAGES) fill = 0;
	}
	struct data c = data_from(g->c, (size_t)BLOCK_Z * (size_t)g->rows * (size_t)g->n);
	put_all(g, kind, m0, n0, precision, c, acc);
}

#define KINDS(EACH, precision) \
	EACH(CONV, precision) EACH(CONV_DX, precision) EACH(CONV_DW, precision)
#define DEFINE(kind, precision) \
	KERNEL(gemm_##kind##_##precision, struct gemm) \
	{ \
		gemm_tile(&a, kind, PRECISION_##precision); \
	}
#define DEFINE_TWICE(kind, precision) \
	KERNEL_TIMES(2, gemm_##kind##_##precision, struct gemm) \
	{ \
		gemm_tile(&a, kind, PRECISION_##precision); \
	}
KINDS(DEFINE, F32)
KINDS(DEFINE, TF32)
KINDS(DEFINE_TWICE, BF16)

#define CASE(kind, precision) \
	case kind: LAUNCH(b, gemm_##kind##_##precision, blocks, 1, deep, *g); break;

void cuda_tile_launch(struct backend *b, const struct gemm *g, int kind)
{
	int blocks = tiles_of(g->m) * tiles_of(g->n), deep = g->batches * g->parts;

	switch (cuda_precision(b)) {
	case PRECISION_TF32: switch (kind) { KINDS(CASE, TF32) } break;
	case PRECISION_BF16: switch (kind) { KINDS(CASE, BF16) } break;
	default: switch (kind) { KINDS(CASE, F32) }
	}
}
