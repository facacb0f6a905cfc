/* tile: the kernels of products.  A block makes a tile of TILE x TILE, DEPTH of k at a time, the next
 * operands on their way while it multiplies.  Operands are rounded to tf32 or bf16 for tensor cores
 * as they enter shared memory, or stay f32; sums are f32. */
#include "kernels/cuda/place.h"

enum { PAD_A = 4, PAD_B = 8 };

DEVICE void read4(const float *p, float v[4])
{
#ifdef __CUDACC__
	float4 f = p ? *(const float4 *)p : make_float4(0, 0, 0, 0);
	v[0] = f.x, v[1] = f.y, v[2] = f.z, v[3] = f.w;
#else
	for (int i = 0; i < 4; i++) v[i] = p ? p[i] : 0;
#endif
}

/* What a thread brings of the next tiles: two rows of four of each operand. */
struct carried { float a[2][4], b[2][4]; };

/* Its places: along k, two rows below each other where k is not the direction of its four. */
struct places { struct where m[2]; struct walk a[2], b[2]; int m0, n0, end; };

/* k of the thread's row j, and its offset in the other direction: four along k lie in rows of
 * DEPTH, four along the other in rows of TILE. */
DEVICE int row_k(int along_k, int j) { return along_k ? THREAD % 4 * 4 : THREAD / 32 * 2 + j; }
DEVICE int row_other(int along_k, int j) { return along_k ? THREAD / 4 + 64 * j : THREAD % 32 * 4; }

DEVICE void start_places(const struct gemm *g, int kind, struct places *p, int m0, int n0, int k0)
{
	p->m0 = m0;
	p->n0 = n0;
	p->end = k0 + g->part < g->k ? k0 + g->part : g->k;
	for (int j = 0; j < 2; j++) {
		p->m[j] = where_of(g, kind, m0 + row_other(!a_along_m(kind), j));
		p->a[j] = walk_to(g, kind, k0 + row_k(!a_along_m(kind), j));
		p->b[j] = walk_to(g, kind, k0 + row_k(b_along_k(kind), j));
	}
}

DEVICE void fetch_a(const struct gemm *g, int kind, const struct places *p, const float *a, int j,
		    float v[4])
{
	struct where m = p->m[j];
	struct walk k = p->a[j];

	if (g->vector_a) {
		read4(m.m < g->m && k.k < p->end ? at_a(g, kind, a, m, k) : NULL, v);
		return;
	}
	for (int i = 0; i < 4; i++) {
		struct where mi = a_along_m(kind) ? where_of(g, kind, m.m + i) : m;
		struct walk ki = a_along_m(kind) ? k : walk_to(g, kind, k.k + i);
		const float *from = mi.m < g->m && ki.k < p->end ? at_a(g, kind, a, mi, ki) : NULL;
		v[i] = from ? *from : 0;
	}
}

DEVICE void fetch_b(const struct gemm *g, int kind, const struct places *p, const float *b, int j,
		    float v[4])
{
	struct walk k = p->b[j];
	int n = p->n0 + row_other(b_along_k(kind), j);

	if (g->vector_b) {
		read4(n < g->n && k.k < p->end ? at_b(g, kind, b, k, n) : NULL, v);
		return;
	}
	for (int i = 0; i < 4; i++) {
		struct walk ki = b_along_k(kind) ? walk_to(g, kind, k.k + i) : k;
		int ni = b_along_k(kind) ? n : n + i;
		v[i] = ni < g->n && ki.k < p->end ? *at_b(g, kind, b, ki, ni) : 0;
	}
}

DEVICE void fetch(const struct gemm *g, int kind, struct places *p, const float *a, const float *b,
		  struct carried *c)
{
	UNROLL
	for (int j = 0; j < 2; j++) {
		fetch_a(g, kind, p, a, j, c->a[j]);
		fetch_b(g, kind, p, b, j, c->b[j]);
		walk_on(g, kind, &p->a[j]);
		walk_on(g, kind, &p->b[j]);
	}
}

/* Words of shared memory: a number each, or two of bf16 that follow each other in k. */
struct tiles {
	uint32_t a[TILE][DEPTH + PAD_A];
	uint32_t b[DEPTH][TILE + PAD_B];
};

DEVICE uint32_t word(int precision, float x)
{
	return precision == PRECISION_TF32 ? round_tf32(x) : float_bits(x);
}

DEVICE uint32_t two(float low, float high)
{
	return round_bf16(low) | round_bf16(high) << 16;
}

DEVICE void store_a(struct tiles *t, int kind, int precision, const struct carried *c)
{
	int bf16 = precision == PRECISION_BF16, along_k = !a_along_m(kind);

	UNROLL
	for (int j = 0; j < 2; j++) {
		int m = row_other(along_k, j), k = row_k(along_k, j);
		const float *v = c->a[j];
		if (!bf16)
			for (int i = 0; i < 4; i++)
				t->a[along_k ? m : m + i][along_k ? k + i : k] =
					word(precision, v[i]);
		else if (along_k)
			for (int i = 0; i < 2; i++)
				t->a[m][k / 2 + i] = two(v[2 * i], v[2 * i + 1]);
		else if (!j)
			for (int i = 0; i < 4; i++) t->a[m + i][k / 2] = two(v[i], c->a[1][i]);
	}
}

DEVICE void store_b(struct tiles *t, int kind, int precision, const struct carried *c)
{
	int bf16 = precision == PRECISION_BF16, along_k = b_along_k(kind);

	UNROLL
	for (int j = 0; j < 2; j++) {
		int n = row_other(along_k, j), k = row_k(along_k, j);
		const float *v = c->b[j];
		if (!bf16)
			for (int i = 0; i < 4; i++)
				t->b[along_k ? k + i : k][along_k ? n : n + i] =
					word(precision, v[i]);
		else if (along_k)
			for (int i = 0; i < 2; i++)
				t->b[k / 2 + i][n] = two(v[2 * i], v[2 * i + 1]);
		else if (!j)
			for (int i = 0; i < 4; i++) t->b[k / 2][n + i] = two(v[i], c->b[1][i]);
	}
}

/* A warp has 64 x 32 of the tile, in 4 x 4 fragments of 16 x 8. */
DEVICE void multiply_fragments(const struct tiles *t, int precision, float *acc)
{
	int lane = THREAD % WARP, g = lane / 4, q = lane % 4;
	int m0 = THREAD / WARP / 4 * 64, n0 = THREAD / WARP % 4 * 32;
	int words = precision == PRECISION_BF16 ? DEPTH / 2 : DEPTH;

	UNROLL
	for (int k = 0; k < words; k += 8) {
		uint32_t a[4][4], b[4][2];
		UNROLL
		for (int i = 0; i < 4; i++) {
			int m = m0 + 16 * i + g;
			a[i][0] = t->a[m][k + q], a[i][1] = t->a[m + 8][k + q];
			a[i][2] = t->a[m][k + q + 4], a[i][3] = t->a[m + 8][k + q + 4];
			b[i][0] = t->b[k + q][n0 + 8 * i + g];
			b[i][1] = t->b[k + q + 4][n0 + 8 * i + g];
		}
		UNROLL
		for (int i = 0; i < 4; i++) {
			UNROLL
			for (int j = 0; j < 4; j++) {
				float *to = acc + (4 * i + j) * 4;
				if (precision == PRECISION_BF16) mma_bf16(to, a[i], b[j]);
				else mma_tf32(to, a[i], b[j]);
			}
		}
	}
}

/* A thread has 8 x 8 numbers, 16 apart. */
DEVICE void multiply_numbers(const struct tiles *t, float *acc)
{
	int m0 = THREAD / 16, n0 = THREAD % 16;

	UNROLL
	for (int k = 0; k < DEPTH; k++) {
		float b[8];
		UNROLL
		for (int j = 0; j < 8; j++) b[j] = bits_float(t->b[k][n0 + 16 * j]);
		UNROLL
		for (int i = 0; i < 8; i++) {
			float x = bits_float(t->a[m0 + 16 * i][k]);
			UNROLL
			for (int j = 0; j < 8; j++) acc[8 * i + j] += x * b[j];
		}
	}
}

DEVICE void put(const struct gemm *g, float *c, int m, int n, float x)
{
	size_t at = (size_t)m * g->n + n;

	if (m < g->m && n < g->n) c[at] = g->parts > 1 ? x : finished(&g->finish, at, n, x);
}

DEVICE void put_all(const struct gemm *g, const struct places *p, int precision, float *c,
		    const float *acc)
{
	int lane = THREAD % WARP, warp = THREAD / WARP;

	UNROLL
	for (int e = 0; e < 64; e++) {
		int i = e / 16, j = e / 4 % 4, f = e % 4;
		if (precision == PRECISION_F32)
			put(g, c, p->m0 + THREAD / 16 + 16 * (e / 8),
			    p->n0 + THREAD % 16 + 16 * (e % 8), acc[e]);
		else
			put(g, c, p->m0 + warp / 4 * 64 + 16 * i + lane / 4 + f / 2 * 8,
			    p->n0 + warp % 4 * 32 + 8 * j + lane % 4 * 2 + f % 2, acc[e]);
	}
}

DEVICE void gemm_tile(const struct gemm *g, int kind, int precision)
{
	SHARED struct tiles tile[2];
	int batch = BLOCK_Z / g->parts, part = BLOCK_Z % g->parts;
	const float *a = g->a + (size_t)batch * g->step_a, *b = g->b + (size_t)batch * g->step_b;
	struct places p;
	struct carried next;
	float acc[64];

	UNROLL
	for (int i = 0; i < 64; i++) acc[i] = 0;
	start_places(g, kind, &p, BLOCK_X * TILE, BLOCK_Y * TILE, part * g->part);
	fetch(g, kind, &p, a, b, &next);
	store_a(&tile[0], kind, precision, &next);
	store_b(&tile[0], kind, precision, &next);
	sync_threads();
	for (int k = part * g->part, now = 0; k < p.end; k += DEPTH, now ^= 1) {
		if (k + DEPTH < p.end) fetch(g, kind, &p, a, b, &next);
		if (precision == PRECISION_F32) multiply_numbers(&tile[now], acc);
		else multiply_fragments(&tile[now], precision, acc);
		if (k + DEPTH < p.end) {
			store_a(&tile[now ^ 1], kind, precision, &next);
			store_b(&tile[now ^ 1], kind, precision, &next);
		}
		sync_threads();
	}
	put_all(g, &p, precision, g->c + (size_t)BLOCK_Z * g->m * g->n, acc);
}

#define KINDS(EACH, precision) \
	EACH(MATMUL, precision) EACH(MATMUL_TA, precision) EACH(MATMUL_TB, precision) \
	EACH(MATMUL_TAB, precision) EACH(CONV, precision) EACH(CONV_DX, precision) \
	EACH(CONV_DW, precision)
#define DEFINE(kind, precision) \
	KERNEL(gemm_##kind##_##precision, struct gemm) { gemm_tile(&a, kind, PRECISION_##precision); }
KINDS(DEFINE, F32)
KINDS(DEFINE, TF32)
KINDS(DEFINE, BF16)

#define CASE(kind, precision) case kind: LAUNCH(b, gemm_##kind##_##precision, x, y, z, *g); break;

void cuda_tile_launch(struct backend *b, const struct gemm *g, int kind, int batches)
{
	int x = tiles_of(g->m), y = tiles_of(g->n), z = batches * g->parts;

	switch (cuda_precision(b)) {
	case PRECISION_TF32: switch (kind) { KINDS(CASE, TF32) } break;
	case PRECISION_BF16: switch (kind) { KINDS(CASE, BF16) } break;
	default: switch (kind) { KINDS(CASE, F32) }
	}
}
