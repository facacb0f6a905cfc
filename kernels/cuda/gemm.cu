/* gemm: products of matrices, and what convolutions share with them: a long k in parts, which depend
 * on the shape alone and are added in order. */
#include "kernels/cuda/gemm.h"

enum { TARGET_BLOCKS = 264 };                /* two for each processor of an H100 */

struct parts { const float *from; float *to; size_t count; int n, columns; struct finish finish; };

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

/* Parts of k: enough blocks for the device, each with enough to do. */
static void make_parts(struct gemm *g, int blocks, int depth)
{
	int want = (TARGET_BLOCKS + blocks - 1) / blocks, most = (g->k + depth - 1) / depth;

	g->parts = want < most ? want : most;
	if (g->parts < 1) g->parts = 1;
	g->part = ((g->k + g->parts - 1) / g->parts + DEPTH - 1) / DEPTH * DEPTH;
	g->parts = (g->k + g->part - 1) / g->part;
}

void cuda_gemm_split(struct gemm *g, int batches)
{
	make_parts(g, tiles_of(g->m) * tiles_of(g->n) * batches, 16 * DEPTH);
	if (batches > 1) g->parts = 1, g->part = (g->k + DEPTH - 1) / DEPTH * DEPTH;
}

size_t cuda_gemm_scratch(const struct gemm *g)
{
	return g->parts > 1 ? (size_t)g->parts * (size_t)g->m * (size_t)g->n * sizeof(float) : 0;
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

void cuda_gemm_run(struct backend *b, struct gemm *g, int kind, int batches, struct view y,
		   const struct view *x)
{
	g->a = x[0].p;
	g->b = x[1].p;
	g->c = g->parts > 1 ? (float *)b->work : y.p;
	cuda_tile_launch(b, g, kind, batches);
	if (g->parts > 1) add_up(b, g, y.p);
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
		cuda_gemm_split(&g, batches);
		cuda_gemm_run(b, &g, kind, batches, y, x);
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
	else cuda_gemm_split(&g, batches);
	return cuda_gemm_scratch(&g);
}

void cuda_gemm_fill(struct backend *b)
{
	b->op[OP_matmul] = matmul;
	b->scratch[OP_matmul] = matmul_scratch;
}
