/* matmul: products of matrices, as convolutions of one tap over images of one pixel; a single row
 * by a matrix in f32, for memory is its limit. */
#include "kernels/cuda/gemm.h"

enum { TARGET_BLOCKS = 264, ENOUGH = 64 };   /* two for each processor of an H100; k of a part */

/* c[n] = sum of a[k] b[k,n], or b[n,k]; of columns: in parts, each to [n] of its own. */
struct vector { struct data a, b, c; int n, k, part, parts; };

KERNEL(vector_rows, struct vector)
{
	int n = BLOCK_X * THREADS + THREAD, begin = BLOCK_Y * a.part;
	int end = begin + a.part < a.k ? begin + a.part : a.k;
	float sum = 0;

	if (n >= a.n) return;
	for (int k = begin; k < end; k++)
		sum += data_get(a.a, (size_t)k) *
		       data_get(a.b, (size_t)k * (size_t)a.n + (size_t)n);
	data_put(a.c, (size_t)BLOCK_Y * (size_t)a.n + (size_t)n, sum);
}

/* A warp has a result. */
KERNEL(vector_columns, struct vector)
{
	int n = BLOCK_X * (THREADS / WARP) + THREAD / WARP;
	float sum = 0;

	for (int k = THREAD % WARP; n < a.n && k < a.k; k += WARP)
		sum += data_get(a.a, (size_t)k) *
		       data_get(a.b, (size_t)n * (size_t)a.k + (size_t)k);
	for (int lanes = WARP / 2; lanes; lanes /= 2) sum += shuffle_xor(sum, lanes);
	if (n < a.n && THREAD % WARP == 0) data_put(a.c, (size_t)n, sum);
}

KERNEL(add_vectors, struct vector)
{
	int n = BLOCK_X * THREADS + THREAD;
	float sum = 0;

	if (n >= a.n) return;
	for (int k = 0; k < a.parts; k++)
		sum += data_get(a.a, (size_t)k * (size_t)a.n + (size_t)n);
	data_put(a.c, (size_t)n, sum);
}

static bool is_vector(struct shape y, const struct attr *at)
{
	return y.d[0] * y.d[1] * y.d[2] == 1 && !at->i[0];
}

static struct vector make_vector(struct view y, const struct view *x, const struct attr *at)
{
	struct vector v;
	int blocks = blocks_for((size_t)y.s.d[3], THREADS);
	int want = (TARGET_BLOCKS + blocks - 1) / blocks;

	memset(&v, 0, sizeof v);
	v.a = data_of(x[0]), v.b = data_of(x[1]);
	v.n = y.s.d[3];
	v.k = x[0].s.d[3];
	int most = (v.k + ENOUGH - 1) / ENOUGH;
	v.parts = at->i[1] ? 1 : want < most ? want : most;
	v.part = (v.k + v.parts - 1) / v.parts;
	v.parts = (v.k + v.part - 1) / v.part;
	return v;
}

static void run_vector(struct backend *b, struct vector *v, struct data y, bool columns)
{
	struct data partial = { b->work, 0 };

	v->c = v->parts > 1 ? partial : y;
	if (columns) LAUNCH(b, vector_columns, blocks_for((size_t)v->n, THREADS / WARP), 1, 1, *v);
	else LAUNCH(b, vector_rows, blocks_for((size_t)v->n, THREADS), v->parts, 1, *v);
	if (v->parts == 1) return;
	v->a = v->c;
	v->c = y;
	LAUNCH(b, add_vectors, blocks_for((size_t)v->n, THREADS), 1, 1, *v);
}

static struct shape pixels(int n, int channels)
{
	struct shape s = { { n, 1, 1, channels } };
	return s;
}

/* a b is a convolution, a b^T the adjoint in x, a^T b the one in w; of a^T b^T the first is
 * transposed beforehand, unless cuBLASLt multiplies. */
static struct product make_product(struct view y, const struct view *x, const struct attr *at)
{
	struct product p;
	int ta = at->i[0], tb = at->i[1], m = y.s.d[2], n = y.s.d[3], k = x[0].s.d[ta ? 2 : 3];

	memset(&p, 0, sizeof p);
	p.kind = tb ? CONV_DX : ta ? CONV_DW : CONV;
	p.a = data_of(x[0]), p.b = data_of(x[1]), p.c = data_of(y);
	p.batches = y.s.d[0] * y.s.d[1];
	p.transposed = ta && tb;
	p.stride = 1;
	p.x = p.kind == CONV ? pixels(m, k) : p.kind == CONV_DX ? pixels(m, n) : pixels(k, m);
	p.y = p.kind == CONV ? pixels(m, n) : p.kind == CONV_DX ? pixels(m, k) : pixels(k, n);
	p.w = pixels(1, p.y.d[3]);
	p.w.d[2] = p.x.d[3];
	return p;
}

static void matmul(struct backend *b, struct view y, const struct view *x, const struct attr *at)
{
	if (is_vector(y.s, at)) {
		struct vector v = make_vector(y, x, at);
		run_vector(b, &v, data_of(y), at->i[1] != 0);
	} else {
		struct product p = make_product(y, x, at);
		cuda_gemm_run(b, &p, NULL);
	}
}

static size_t matmul_scratch(struct backend *b, struct view y, const struct view *x,
			     const struct attr *at)
{
	if (is_vector(y.s, at)) {
		struct vector v = make_vector(y, x, at);
		return v.parts > 1 ? (size_t)v.parts * (size_t)v.n * sizeof(float) : 0;
	}
	struct product p = make_product(y, x, at);
	return cuda_gemm_scratch(b, &p, NULL);
}

void cuda_matmul_fill(struct backend *b)
{
	b->op[OP_matmul] = matmul;
	b->scratch[OP_matmul] = matmul_scratch;
}
