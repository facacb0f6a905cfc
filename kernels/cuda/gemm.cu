/* gemm: products of matrices and convolutions with both adjoints, all as c[m,n] = sum over k of
 * a[m,k] b[k,n], where a of a convolution is read in place: no patches are ever written.
 *
 *	conv     m (n,p,q)   n o   k (tap,i)   a x   b w
 *	conv_dx  m (n,h,w)   n i   k (tap,o)   a dy  b w
 *	conv_dw  m (tap,i)   n o   k (n,p,q)   a x   b dy
 *
 * A block makes a tile of TILE x TILE, DEPTH of k at a time, the next operands on their way while it
 * multiplies.  Operands are rounded to tf32 or bf16 for tensor cores as they enter shared memory, or
 * stay f32; sums are f32.  A long k is split in parts that depend on the shape alone, added in order. */
#include "kernels/cuda/cuda.h"

enum { TILE = 128, DEPTH = 16, PAD_A = 4, PAD_B = 8, TARGET_BLOCKS = 264 };

enum kind { MATMUL, MATMUL_TA, MATMUL_TB, MATMUL_TAB, CONV, CONV_DX, CONV_DW };

/* What is done to a result: c = min(max(c + bias[n] + rest[m,n], low), high), NaN stays. */
struct finish { int wanted; const float *bias, *rest; float low, high; };

struct gemm {
	const float *a, *b;
	float *c;                            /* [batches or parts][m][n] */
	int m, n, k, part;                   /* part: of k, a multiple of DEPTH */
	int parts, lda, ldb;
	size_t step_a, step_b;               /* from one batch to the next */
	int vector_a, vector_b;              /* four elements in a row can be read as one */
	int H, W, I, P, Q, O, L, stride, top, left;
	struct finish finish;
};

struct parts { const float *from; float *to; size_t count; int n, columns; struct finish finish; };

DEVICE int a_along_m(int kind)
{
	return kind == MATMUL_TA || kind == MATMUL_TAB || kind == CONV_DW;
}

DEVICE int b_along_k(int kind)
{
	return kind == MATMUL_TB || kind == MATMUL_TAB || kind == CONV_DX;
}

/* A place along m: a pixel before the tap is added, or a tap and its channel. */
struct where { int n, y, x, m; };

DEVICE struct where where_of(const struct gemm *g, int kind, int m)
{
	struct where w = { 0, 0, 0, m };

	if (kind == CONV) {
		w.n = m / (g->P * g->Q);
		w.y = m / g->Q % g->P * g->stride - g->top;
		w.x = m % g->Q * g->stride - g->left;
	} else if (kind == CONV_DX) {
		w.n = m / (g->H * g->W);
		w.y = m / g->W % g->H + g->top;
		w.x = m % g->W + g->left;
	} else if (kind == CONV_DW) {
		w.n = m % g->I;
		w.y = m / g->I / g->L - g->top;
		w.x = m / g->I % g->L - g->left;
	}
	return w;
}

/* A place along k: a tap and its channel c, or a pixel of picture c. */
struct walk { int k, c, y, x; };

DEVICE struct walk walk_to(const struct gemm *g, int kind, int k)
{
	struct walk w = { k, 0, 0, 0 };

	if (kind == CONV || kind == CONV_DX) {
		int channels = kind == CONV ? g->I : g->O;
		w.c = k % channels;
		w.y = k / channels / g->L;
		w.x = k / channels % g->L;
	} else if (kind == CONV_DW) {
		w.c = k / (g->P * g->Q);
		w.y = k / g->Q % g->P;
		w.x = k % g->Q;
	}
	return w;
}

DEVICE void walk_on(const struct gemm *g, int kind, struct walk *w)
{
	w->k += DEPTH;
	if (kind == CONV || kind == CONV_DX) {
		int channels = kind == CONV ? g->I : g->O;
		for (w->c += DEPTH; w->c >= channels; w->c -= channels)
			if (++w->x == g->L) w->x = 0, w->y++;
	} else if (kind == CONV_DW) {
		for (w->x += DEPTH; w->x >= g->Q; w->x -= g->Q)
			if (++w->y == g->P) w->y = 0, w->c++;
	}
}

DEVICE int inside(int y, int x, int rows, int cols)
{
	return y >= 0 && y < rows && x >= 0 && x < cols;
}

/* Where a[m,k] is; NULL where it is zero. */
DEVICE const float *at_a(const struct gemm *g, int kind, const float *a, struct where m,
			 struct walk k)
{
	int y, x;

	switch (kind) {
	case CONV:
		y = m.y + k.y, x = m.x + k.x;
		if (!inside(y, x, g->H, g->W)) return NULL;
		return a + (((size_t)m.n * g->H + y) * g->W + x) * g->I + k.c;
	case CONV_DX:
		y = m.y - k.y, x = m.x - k.x;
		if (y < 0 || x < 0 || y % g->stride || x % g->stride) return NULL;
		y /= g->stride, x /= g->stride;
		if (!inside(y, x, g->P, g->Q)) return NULL;
		return a + (((size_t)m.n * g->P + y) * g->Q + x) * g->O + k.c;
	case CONV_DW:
		y = k.y * g->stride + m.y, x = k.x * g->stride + m.x;
		if (!inside(y, x, g->H, g->W)) return NULL;
		return a + (((size_t)k.c * g->H + y) * g->W + x) * g->I + m.n;
	case MATMUL_TA: case MATMUL_TAB: return a + (size_t)k.k * g->lda + m.m;
	default: return a + (size_t)m.m * g->lda + k.k;
	}
}

DEVICE const float *at_b(const struct gemm *g, int kind, const float *b, struct walk k, int n)
{
	switch (kind) {
	case CONV_DX: return b + (((size_t)k.y * g->L + k.x) * g->I + n) * g->O + k.c;
	case MATMUL_TB: case MATMUL_TAB: return b + (size_t)n * g->ldb + k.k;
	default: return b + (size_t)k.k * g->ldb + n;
	}
}

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

DEVICE float finished(const struct finish *f, size_t at, int n, float x)
{
	if (!f->wanted) return x;
	x += f->bias[n] + (f->rest ? f->rest[at] : 0);
	return x < f->low ? f->low : x > f->high ? f->high : x;
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

KERNEL(add_parts, struct parts)
{
	size_t i = (size_t)BLOCK_X * THREADS + (size_t)THREAD;
	float sum = 0;

	if (i >= a.count) return;
	for (int k = 0; k < a.n; k++) sum += a.from[(size_t)k * a.count + i];
	a.to[i] = finished(&a.finish, i, (int)(i % (size_t)a.columns), sum);
}

/* c[n] = sum of a[k] b[k,n]: memory is the limit, and spectral norms stay in f32. */
KERNEL(vector_rows, struct gemm)
{
	int n = BLOCK_X * THREADS + THREAD, begin = BLOCK_Y * a.part;
	int end = begin + a.part < a.k ? begin + a.part : a.k;
	float sum = 0;

	if (n >= a.n) return;
	for (int k = begin; k < end; k++) sum += a.a[k] * a.b[(size_t)k * a.ldb + n];
	a.c[(size_t)BLOCK_Y * a.n + n] = sum;
}

/* c[n] = sum of a[k] b[n,k]: a warp each. */
KERNEL(vector_columns, struct gemm)
{
	int n = BLOCK_X * (THREADS / WARP) + THREAD / WARP;
	float sum = 0;

	for (int k = THREAD % WARP; n < a.n && k < a.k; k += WARP)
		sum += a.a[k] * a.b[(size_t)n * a.ldb + k];
	for (int lanes = WARP / 2; lanes; lanes /= 2) sum += shuffle_xor(sum, lanes);
	if (n < a.n && THREAD % WARP == 0) a.c[n] = sum;
}

static struct gemm make_matmul(struct shape y, const struct shape *x, const struct attr *at)
{
	struct gemm g;
	int ta = at->i[0];

	memset(&g, 0, sizeof g);
	g.m = y.d[2];
	g.n = y.d[3];
	g.k = x[0].d[ta ? 2 : 3];
	g.lda = x[0].d[3];
	g.ldb = x[1].d[3];
	g.step_a = (size_t)x[0].d[2] * (size_t)x[0].d[3];
	g.step_b = (size_t)x[1].d[2] * (size_t)x[1].d[3];
	g.vector_a = g.lda % 4 == 0;
	g.vector_b = g.ldb % 4 == 0;
	return g;
}

static struct gemm make_conv(int kind, struct shape y, const struct shape *x, const struct attr *at)
{
	struct gemm g;
	struct shape in = kind == CONV_DX ? y : x[0], w = kind == CONV_DW ? y : x[1];
	struct shape out = kind == CONV ? y : kind == CONV_DX ? x[0] : x[1];

	memset(&g, 0, sizeof g);
	g.H = in.d[1], g.W = in.d[2], g.I = in.d[3];
	g.P = out.d[1], g.Q = out.d[2], g.O = out.d[3];
	g.L = w.d[1];
	g.stride = at->i[0], g.top = at->i[1], g.left = at->i[3];
	int pixels = in.d[0] * g.H * g.W, outs = in.d[0] * g.P * g.Q, taps = w.d[0] * g.L;
	g.m = kind == CONV ? outs : kind == CONV_DX ? pixels : taps * g.I;
	g.n = kind == CONV_DX ? g.I : g.O;
	g.k = kind == CONV ? taps * g.I : kind == CONV_DX ? taps * g.O : outs;
	g.ldb = g.n;
	g.vector_a = (kind == CONV_DX ? g.O : g.I) % 4 == 0;
	g.vector_b = g.O % 4 == 0;
	return g;
}

/* Parts of k: enough blocks for the device, each with enough to do. */
static void make_parts(struct gemm *g, int blocks, int depth)
{
	int want = (TARGET_BLOCKS + blocks - 1) / blocks, most = (g->k + depth - 1) / depth;

	g->parts = want < most ? want : most;
	if (g->parts < 1) g->parts = 1;
	g->part = ((g->k + g->parts - 1) / g->parts + DEPTH - 1) / DEPTH * DEPTH;
	g->parts = (g->k + g->part - 1) / g->part;
}

static int tiles_of(int n)
{
	return (n + TILE - 1) / TILE;
}

static void split(struct gemm *g, int batches)
{
	make_parts(g, tiles_of(g->m) * tiles_of(g->n) * batches, 16 * DEPTH);
	if (batches > 1) g->parts = 1, g->part = (g->k + DEPTH - 1) / DEPTH * DEPTH;
}

static size_t scratch_of(const struct gemm *g)
{
	return g->parts > 1 ? (size_t)g->parts * (size_t)g->m * (size_t)g->n * sizeof(float) : 0;
}

#define CASE(kind, precision) case kind: LAUNCH(b, gemm_##kind##_##precision, x, y, z, *g); break;

static void launch(struct backend *b, const struct gemm *g, int kind, int z)
{
	int x = tiles_of(g->m), y = tiles_of(g->n);

	switch (cuda_precision(b)) {
	case PRECISION_TF32: switch (kind) { KINDS(CASE, TF32) } break;
	case PRECISION_BF16: switch (kind) { KINDS(CASE, BF16) } break;
	default: switch (kind) { KINDS(CASE, F32) }
	}
}

static void add_up(struct backend *b, const struct gemm *g, float *to)
{
	struct parts p;

	p.from = g->c;
	p.to = to;
	p.count = (size_t)g->m * (size_t)g->n;
	p.n = g->parts;
	p.columns = g->n;
	p.finish = g->finish;
	LAUNCH(b, add_parts, blocks_for(p.count, THREADS), 1, 1, p);
}

static void run(struct backend *b, struct gemm *g, int kind, int batches, struct view y,
		const struct view *x)
{
	g->a = x[0].p;
	g->b = x[1].p;
	g->c = g->parts > 1 ? (float *)b->work : y.p;
	launch(b, g, kind, batches * g->parts);
	if (g->parts > 1) add_up(b, g, y.p);
}

static int is_vector(const struct gemm *g, const struct attr *at, int batches)
{
	return g->m == 1 && batches == 1 && !at->i[0];
}

static void split_vector(struct gemm *g, const struct attr *at)
{
	if (!at->i[1]) make_parts(g, (g->n + THREADS - 1) / THREADS, 64);
	else g->parts = 1;
}

static void matmul(struct backend *b, struct view y, const struct view *x, const struct attr *at)
{
	struct shape in[2] = { x[0].s, x[1].s };
	struct gemm g = make_matmul(y.s, in, at);
	int batches = y.s.d[0] * y.s.d[1], kind = MATMUL + at->i[0] + 2 * at->i[1];

	if (!is_vector(&g, at, batches)) {
		split(&g, batches);
		run(b, &g, kind, batches, y, x);
		return;
	}
	split_vector(&g, at);
	g.a = x[0].p;
	g.b = x[1].p;
	g.c = g.parts > 1 ? (float *)b->work : y.p;
	if (at->i[1]) LAUNCH(b, vector_columns, blocks_for((size_t)g.n, THREADS / WARP), 1, 1, g);
	else LAUNCH(b, vector_rows, blocks_for((size_t)g.n, THREADS), g.parts, 1, g);
	if (g.parts > 1) add_up(b, &g, y.p);
}

static size_t matmul_scratch(struct backend *b, struct shape y, const struct shape *x,
			     const struct attr *at)
{
	struct gemm g = make_matmul(y, x, at);
	int batches = y.d[0] * y.d[1];

	(void)b;
	if (is_vector(&g, at, batches)) split_vector(&g, at);
	else split(&g, batches);
	return scratch_of(&g);
}

static void convolve(struct backend *b, int kind, struct view y, const struct view *x,
		     const struct attr *at)
{
	struct shape in[2] = { x[0].s, x[1].s };
	struct gemm g = make_conv(kind, y.s, in, at);

	split(&g, 1);
	run(b, &g, kind, 1, y, x);
}

static size_t convolve_scratch(int kind, struct shape y, const struct shape *x,
			       const struct attr *at)
{
	struct gemm g = make_conv(kind, y, x, at);

	split(&g, 1);
	return scratch_of(&g);
}

/* Which image of a scaled convolution (i7) is given at half its side: an input; -1: the result. */
static int halved(int kind, const struct attr *at)
{
	int up = at->i[7] == CONV_UP;

	if (kind == CONV_DW) return up ? 0 : 1;
	return up == (kind == CONV) ? 0 : -1;
}

static struct shape doubled(struct shape s)
{
	s.d[1] *= 2;
	s.d[2] *= 2;
	return s;
}

static size_t large_bytes(struct shape s)
{
	return (shape_count(doubled(s)) * sizeof(float) + 255) / 256 * 256;
}

/* The large image is in the scratch: up2 of an input, or what sum2 makes the result of. */
static void convolve_scaled(struct backend *b, int kind, struct view y, const struct view *x,
			    const struct attr *at)
{
	struct attr same = *at;
	struct view in[2] = { x[0], x[1] }, large, small;
	char *work = (char *)b->work;
	int which = halved(kind, at);

	same.i[7] = CONV_SAME;
	small = which < 0 ? y : x[which];
	large.p = (float *)work;
	large.s = doubled(small.s);
	if (which < 0) y = large;
	else in[which] = large;
	if (which >= 0) b->op[OP_up2](b, large, &small, &same);
	b->work = work + large_bytes(small.s);
	convolve(b, kind, y, in, &same);
	b->work = work;
	if (which < 0) b->op[OP_sum2](b, small, &large, &same);
}

static size_t convolve_scaled_scratch(int kind, struct shape y, const struct shape *x,
				      const struct attr *at)
{
	struct attr same = *at;
	struct shape in[2] = { x[0], x[1] };
	int which = halved(kind, at);
	size_t bytes = large_bytes(which < 0 ? y : x[which]);

	same.i[7] = CONV_SAME;
	if (which < 0) y = doubled(y);
	else in[which] = doubled(in[which]);
	return bytes + convolve_scratch(kind, y, in, &same);
}

#define DEFINE_CONV(name, kind) \
	static void name(struct backend *b, struct view y, const struct view *x, \
			 const struct attr *at) \
	{ \
		if (at->i[7]) convolve_scaled(b, kind, y, x, at); \
		else convolve(b, kind, y, x, at); \
	} \
	static size_t name##_scratch(struct backend *b, struct shape y, const struct shape *x, \
				     const struct attr *at) \
	{ \
		(void)b; \
		return at->i[7] ? convolve_scaled_scratch(kind, y, x, at) \
				: convolve_scratch(kind, y, x, at); \
	}
DEFINE_CONV(conv, CONV)
DEFINE_CONV(conv_dx, CONV_DX)
DEFINE_CONV(conv_dw, CONV_DW)

static void conv_act(struct backend *b, struct view y, const struct view *x, const struct attr *at)
{
	struct shape in[2] = { x[0].s, x[1].s };
	struct gemm g = make_conv(CONV, y.s, in, at);

	g.finish.wanted = 1;
	g.finish.bias = x[2].p;
	g.finish.rest = x[3].p;
	g.finish.low = at->f[0];
	g.finish.high = at->f[1];
	split(&g, 1);
	run(b, &g, CONV, 1, y, x);
}

void cuda_gemm_fill(struct backend *b)
{
#define FILL(name) b->op[OP_##name] = name, b->scratch[OP_##name] = name##_scratch;
	FILL(matmul)
	FILL(conv)
	FILL(conv_dx)
	FILL(conv_dw)
	b->op[OP_conv_act] = conv_act;
	b->scratch[OP_conv_act] = conv_scratch;
}
