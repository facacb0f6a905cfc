/* attention: softmax(q k^T) v and its gradients (formulas: ref/attention.c), by products and a
 * softmax of so many batches at a time that their matrices fill a bounded scratch.  At bf16 these
 * are of bf16, which the next product reads as they are. */
#include "kernels/cuda/lanes.h"

/* At a time; of a batch at least. */
#ifdef __CUDACC__
enum { MATRIX_BYTES = 128 << 20 };
#else
enum { MATRIX_BYTES = 64 << 10 };            /* small, so that tests take several times */
#endif

/* g[rows][width] = p (g - sum over the row of p g) */
struct softmax { struct data p, g; size_t rows; int width; };

/* A warp has a row. */
DEVICE void row_back(const struct softmax *s, int lanes)
{
	size_t row = (size_t)BLOCK_X * (THREADS / WARP) + (size_t)(THREAD / WARP);
	size_t first = row * (size_t)s->width, end = row < s->rows ? first + (size_t)s->width : 0;
	size_t step = (size_t)(WARP * lanes);
	float p[LANES], g[LANES], sum = 0;

	first += (size_t)(THREAD % WARP * lanes);
	for (size_t i = first; i < end; i += step) {
		lanes_get(s->p, i, p, lanes);
		lanes_get(s->g, i, g, lanes);
		UNROLL
		for (int l = 0; l < lanes; l++) sum += p[l] * g[l];
	}
	for (int away = WARP / 2; away; away /= 2) sum += shuffle_xor(sum, away);
	for (size_t i = first; i < end; i += step) {
		lanes_get(s->p, i, p, lanes);
		lanes_get(s->g, i, g, lanes);
		UNROLL
		for (int l = 0; l < lanes; l++) g[l] = p[l] * (g[l] - sum);
		lanes_put(s->g, i, g, lanes);
	}
}

KERNEL(softmax_back, struct softmax)
{
	if (a.width % LANES) row_back(&a, 1);
	else row_back(&a, LANES);
}

/* need: the most scratch of a product; dry: nothing is launched. */
struct attention { struct backend *b; size_t need; bool dry; };

/* y = op(l) op(r) */
static void multiply(struct attention *a, struct view y, struct view l, struct view r, int tl,
		     int tr)
{
	struct view x[2] = { l, r };
	struct attr at;

	memset(&at, 0, sizeof at);
	at.i[0] = tl;
	at.i[1] = tr;
	size_t need = a->b->scratch[OP_matmul](a->b, y, x, &at);
	if (need > a->need) a->need = need;
	if (!a->dry) a->b->op[OP_matmul](a->b, y, x, &at);
}

/* p = softmax(q k^T) */
static void weights(struct attention *a, struct view p, struct view q, struct view k)
{
	struct attr none;

	memset(&none, 0, sizeof none);
	multiply(a, p, q, k, 0, 1);
	if (!a->dry) a->b->op[OP_softmax](a->b, p, &p, &none);
}

/* g, the gradient of p, becomes that of q k^T. */
static void scores_back(struct attention *a, struct view g, struct view p)
{
	struct softmax s = { data_of(p), data_of(g), shape_count(p.s) / (size_t)p.s.d[3],
			     p.s.d[3] };

	if (!a->dry) LAUNCH(a->b, softmax_back, blocks_for(s.rows, THREADS / WARP), 1, 1, s);
}

/* `some` batches of rows by columns from number `first`. */
static struct view batches(struct data d, int first, int some, int rows, int columns)
{
	struct view v;

	v.p = (float *)data_from(d, (size_t)first * (size_t)rows * (size_t)columns).p;
	v.bf16 = d.bf16;
	v.s.d[0] = some;
	v.s.d[1] = 1;
	v.s.d[2] = rows;
	v.s.d[3] = columns;
	return v;
}

/* The gradients of q, k and v one after the other at `to`, of g = x[3]. */
static void backward(struct attention *a, struct data to, const struct view *x, int first, int some,
		     struct view p, struct view dp)
{
	int m = x[0].s.d[2], t = x[1].s.d[2], d = x[0].s.d[3], e = x[2].s.d[3];
	struct data dk = data_from(to, shape_count(x[0].s));
	struct data dv = data_from(dk, shape_count(x[1].s));
	struct view q = batches(data_of(x[0]), first, some, m, d);
	struct view k = batches(data_of(x[1]), first, some, t, d);
	struct view v = batches(data_of(x[2]), first, some, t, e);
	struct view g = batches(data_of(x[3]), first, some, m, e);

	weights(a, p, q, k);
	multiply(a, dp, g, v, 0, 1);
	multiply(a, batches(dv, first, some, t, e), p, g, 1, 0);
	scores_back(a, dp, p);
	multiply(a, batches(to, first, some, m, d), dp, k, 0, 0);
	multiply(a, batches(dk, first, some, t, d), dp, q, 1, 0);
}

static void forward(struct attention *a, struct data to, const struct view *x, int first, int some,
		    struct view p)
{
	int m = x[0].s.d[2], t = x[1].s.d[2], d = x[0].s.d[3], e = x[2].s.d[3];

	weights(a, p, batches(data_of(x[0]), first, some, m, d),
		batches(data_of(x[1]), first, some, t, d));
	multiply(a, batches(to, first, some, m, e), p,
		 batches(data_of(x[2]), first, some, t, e), 0, 0);
}

/* Returns the scratch of it: the matrix, for the gradients two, and a product's. */
static size_t run(struct backend *b, struct data y, const struct view *x, bool back, bool dry)
{
	struct attention a = { b, 0, dry };
	int n = x[0].s.d[0] * x[0].s.d[1], m = x[0].s.d[2], t = x[1].s.d[2];
	int bf16 = cuda_precision(b) == PRECISION_BF16;
	size_t numbers = (size_t)m * (size_t)t, fit = MATRIX_BYTES / data_bytes(bf16, numbers);
	int most = fit < 1 ? 1 : fit < (size_t)n ? (int)fit : n;
	size_t bytes = scratch_bytes(bf16, (size_t)most * numbers);
	char *work = dry ? NULL : (char *)b->work;
	struct data matrix = { work, bf16 };

	for (int first = 0; first < n; first += most) {
		int some = most < n - first ? most : n - first;
		struct view p = batches(matrix, 0, some, m, t), dp = p;

		if (!dry) b->work = work + (back ? 2 : 1) * bytes;
		if (!dry) dp.p = (float *)(work + bytes);
		if (back) backward(&a, y, x, first, some, p, dp);
		else forward(&a, y, x, first, some, p);
	}
	if (!dry) b->work = work;
	return (back ? 2 : 1) * bytes + a.need;
}

#define DEFINE(name, back) \
	static void name(struct backend *b, struct view y, const struct view *x, \
			 const struct attr *at) \
	{ \
		(void)at; \
		run(b, data_of(y), x, back, false); \
	} \
	static size_t name##_scratch(struct backend *b, struct view y, const struct view *x, \
				     const struct attr *at) \
	{ \
		(void)at; \
		return run(b, data_of(y), x, back, true); \
	}
DEFINE(attention, false)
DEFINE(attention_back, true)

void cuda_attention_fill(struct backend *b)
{
#define FILL(name) b->op[OP_##name] = name, b->scratch[OP_##name] = name##_scratch;
	FILL(attention)
	FILL(attention_back)
}
