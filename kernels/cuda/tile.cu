/* tile: the kernels of products.  A block makes a tile of TILE x TILE of c; what it multiplies
 * comes to shared memory in steps of DEPTH_CHUNKS along k, STAGES of them in turns, two on their
 * way while one is multiplied: by tensor cores, or number by number in f32.  Sums are f32.  What a
 * group multiplies goes on while the next step is waited for. */
#include "kernels/cuda/fragment.h"
#include "kernels/cuda/place.h"

#include <assert.h>

/* Begins the copies of a step of both operands; half: of the columns. */
DEVICE void copy_step(const struct gemm *g, int kind, int bf16, int half, const struct path *p,
		      struct stage *to)
{
	struct chunk *a = &to->a[copy_place(a_along_k(kind), bf16, THREAD)];
	struct chunk *b = &to->b[copy_place(b_along_k(kind), bf16, THREAD)];
	const char *from;
	bool inside;

	UNROLL
	for (int j = 0; j < COPIES; j++) {
		from = from_a(g, kind, bf16, p, j, &inside);
		copy_async(a + j * copy_stride(a_along_k(kind), bf16), from, inside);
	}
	UNROLL
	for (int j = 0; j < COPIES; j++) {
		int id = THREAD + j * TILE_THREADS;
		if (half && copy_other(b_along_k(kind), bf16, id) >= TILE / 2) continue;
		from = from_b(g, kind, bf16, p, j, &inside);
		copy_async(b + j * copy_stride(b_along_k(kind), bf16), from, inside);
	}
}

DEVICE float number(const struct chunk *tile, int along, int x, int k)
{
	const struct chunk *c = &tile[along ? place_along(x, k / 4) : place_across(0, k, x / 4)];
	return bits_float(c->word[along ? k % 4 : x % 4]);
}

/* The sums are those that tensor cores give a thread. */
DEVICE void multiply_numbers(const struct stage *s, int kind, float *acc)
{
	UNROLL_BY(2)                         /* more want more registers than there are */
	for (int k = 0; k < 4 * DEPTH_CHUNKS; k++) {
		float a[ROWS];
		UNROLL
		for (int i = 0; i < ROWS; i++)
			a[i] = number(s->a, a_along_k(kind), fragment_row(i), k);
		UNROLL
		for (int j = 0; j < COLUMNS; j++) {
			float x = number(s->b, b_along_k(kind), fragment_column(j), k);
			UNROLL
			for (int i = 0; i < ROWS; i++) acc[fragment_place(i, j)] += a[i] * x;
		}
	}
}

static_assert(sizeof(struct half) <= STAGES * sizeof(struct stage), "it lies where the stages are");

/* The sums of a thread in that half. */
DEVICE void put_aside(struct half *to, const float *acc, int half)
{
	UNROLL
	for (int i = half * (ROWS / 2); i < (half + 1) * (ROWS / 2); i++) {
		float *row = to->row[fragment_row(i) % HALF];
		UNROLL
		for (int j = 0; j < COLUMNS; j += 2) {
			int at = fragment_place(i, j);
			uint32_t two[2] = { float_bits(acc[at]), float_bits(acc[at + 1]) };
			write_two(row + fragment_column(j), two);
		}
	}
}

/* Four neighbours of row m, from column n on. */
DEVICE void put_four(const struct gemm *g, int kind, struct data c, int phase, int m, int n,
		     const float *from)
{
	int64_t row = m < g->m ? row_of_c(g, kind, m, phase) : -1, at = row * g->n + n;
	float v[4];

	if (row < 0 || n >= g->n) return;
	read_four(from, v);
	UNROLL
	for (int l = 0; l < 4; l++)
		if (g->parts == 1 && n + l < g->n) v[l] = finished(&g->finish, at + l, n + l, v[l]);
	if (g->fours) data_put4(c, (size_t)at, v);
	else for (int l = 0; l < 4 && n + l < g->n; l++) data_put(c, (size_t)(at + l), v[l]);
}

/* The tile, by way of shared memory: a warp writes a row. */
DEVICE void put_all(const struct gemm *g, int kind, int m0, int n0, int phase, const float *acc,
		    struct half *by)
{
	/* phases of an image are its pixels, those of a gradient of w follow each other */
	int set = g->phases && kind != CONV_DW ? BLOCK_Z % g->parts : BLOCK_Z;
	struct data c = data_from(g->c, (size_t)set * (size_t)g->rows * (size_t)g->n);

	UNROLL
	for (int half = 0; half < 2; half++) {
		sync_threads();              /* nobody reads what was there */
		put_aside(by, acc, half);
		sync_threads();
		for (int at = THREAD; at < HALF * TILE / 4; at += TILE_THREADS) {
			int m = at / (TILE / 4), n = at % (TILE / 4) * 4;
			put_four(g, kind, c, phase, m0 + half * HALF + m, n0 + n,
				 by->row[m] + n);
		}
	}
}

/* half: c has no more columns than that; there is nothing beside them. */
DEVICE void gemm_tile(const struct gemm *g, int kind, int precision, int half)
{
	SHARED struct stage stage[STAGES];
	int bf16 = precision == PRECISION_BF16, depth = step_depth(precision);
	bool grouped = GROUPED && bf16;
	int batch = BLOCK_Z / g->parts, k0 = BLOCK_Z % g->parts * g->part;
	int phase = g->phases ? batch : 0;
	int end = k0 + g->part < g->k ? k0 + g->part : g->k;
	/* neighbours in n first: they share the larger operand */
	int across = tiles_of(g->n), m0 = BLOCK_X / across * TILE, n0 = BLOCK_X % across * TILE;
	const char *a = (const char *)g->a + data_bytes(bf16, (size_t)batch * g->step_a);
	const char *b = (const char *)g->b + data_bytes(bf16, (size_t)batch * g->step_b);
	struct path path = path_of(g, kind, bf16, a, b, m0, n0, k0, end, phase);
	int fill = 0;
	float acc[SUMS];

	UNROLL
	for (int i = 0; i < SUMS; i++) acc[i] = 0;
	for (int s = 0; s < STAGES - 1; s++, fill++) {
		if (path.left > 0) copy_step(g, kind, bf16, half, &path, &stage[fill]);
		copy_commit();
		path_on(g, kind, bf16, &path);
	}
	for (int k = k0, now = 0; k < end; k += depth) {
		await_step(grouped);
		if (grouped)
			multiply_group(&stage[now], half, a_along_k(kind), b_along_k(kind), acc);
		if (path.left > 0) copy_step(g, kind, bf16, half, &path, &stage[fill]);
		copy_commit();
		path_on(g, kind, bf16, &path);
		if (precision == PRECISION_F32) multiply_numbers(&stage[now], kind, acc);
		else if (!grouped)
			multiply_fragments(&stage[now], half, a_along_k(kind),
					   b_along_k(kind), precision, acc);
		if (++now == STAGES) now = 0;
		if (++fill == STAGES) fill = 0;
	}
	if (grouped) end_group(acc);
	put_all(g, kind, m0, n0, phase, acc, (struct half *)stage);
}

#define KINDS(EACH, precision) \
	EACH(CONV, precision) EACH(CONV_DX, precision) EACH(CONV_DW, precision)
#define DEFINE_OF(name, kind, precision, half) \
	KERNEL_OF(TILE_THREADS, 2, name, struct gemm) \
	{ \
		gemm_tile(&a, kind, PRECISION_##precision, half); \
	}
#define DEFINE(kind, precision) DEFINE_OF(gemm_##kind##_##precision, kind, precision, 0)
#define DEFINE_HALF(kind, precision) DEFINE_OF(half_##kind##_##precision, kind, precision, 1)
KINDS(DEFINE, F32)
KINDS(DEFINE, TF32)
KINDS(DEFINE, BF16)
KINDS(DEFINE_HALF, TF32)
KINDS(DEFINE_HALF, BF16)

#define LAUNCH_TILE(name) LAUNCH_OF(TILE_THREADS, b, name, blocks, 1, deep, *g)
#define CASE(kind, precision) case kind: LAUNCH_TILE(gemm_##kind##_##precision); break;
#define CASE_HALF(kind, precision) \
	case kind: \
		if (g->n <= TILE / 2) LAUNCH_TILE(half_##kind##_##precision); \
		else LAUNCH_TILE(gemm_##kind##_##precision); \
		break;

void cuda_tile_launch(struct backend *b, const struct gemm *g, int kind)
{
	int blocks = tiles_of(g->m) * tiles_of(g->n), deep = g->batches * g->parts;

	switch (cuda_precision(b)) {
	case PRECISION_TF32: switch (kind) { KINDS(CASE_HALF, TF32) } break;
	case PRECISION_BF16: switch (kind) { KINDS(CASE_HALF, BF16) } break;
	default: switch (kind) { KINDS(CASE, F32) }
	}
}
