/* attention: softmax(q k^T) v and its gradients (formulas: ref/attention.c), blocks of rows at a
 * time: of the matrix there is never more than a block, in the cache, and the gradients make it
 * again.  A row is summed in the same order whatever the number of rows; gradients of k and v are
 * sums over parts of the rows, cut by the shape alone, added in order. */
#include "kernels/cpu/conv.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

#include <omp.h>

enum {
	ITEMS = 16,                          /* batches times parts, where there are rows enough */
	ITEM_ROWS = 192,                     /* of a part at least */
	BLOCK = 64 << 10,                    /* floats of a block of the matrix */
	ROWS = 24,                           /* of a block a multiple: whole tiles */
	DEPTH = 256,                         /* of a sum at a time: 64 KiB of a panel */
	GAP = 16,                            /* keeps rows from competing for one cache set */
};

/* q[m][d], k[t][d], v[t][e] of each batch; y, or dq, dk, dv where g is the gradient of y. */
struct attention {
	const struct rows *set;
	const float *q, *k, *v, *g;
	float *y, *dq, *dk, *dv;
	int batch, m, t, d, e;
	int parts, part, rows;               /* of q's rows; rows of a part, of a block */
	ptrdiff_t pitch;                     /* of a row of a block */
	int threads;
	float *sums;                         /* dk, then dv, of each part; NULL: there is one */
};

/* A thread's: k^T and v of a batch; for the gradients k^T, v^T and k, a block's rows of q and g;
 * the block of the matrix and of its gradient. */
struct work { struct panels kt, v, vt, k, q, g; float *p, *dp; };

/* A matrix whose elements lie row and column apart. */
struct strided { const float *p; ptrdiff_t row, column; };

static struct attention attention_plan(struct backend *b, const struct view *x, struct room *r,
	bool back)
{
	struct attention a = {
		.set = cpu_rows(), .q = x[0].p, .k = x[1].p, .v = x[2].p, .threads = b->threads,
		.batch = x[0].s.d[0] * x[0].s.d[1], .m = x[0].s.d[2], .t = x[1].s.d[2],
		.d = x[0].s.d[3], .e = x[2].s.d[3],
	};

	a.parts = most(1, least(ceil_div(ITEMS, a.batch), a.m / ITEM_ROWS));
	a.part = ceil_div(ceil_div(a.m, a.parts), ROWS) * ROWS;
	a.parts = ceil_div(a.m, a.part);
	a.pitch = ceil_div(a.t, GAP) * GAP + GAP;
	a.rows = least(a.part, most(1, BLOCK / ROWS / (int)a.pitch) * ROWS);
	if (back && a.parts > 1)
		a.sums = conv_take(r, (size_t)a.batch * (size_t)a.parts * (size_t)a.t
			* (size_t)(a.d + a.e));
	return a;
}

static struct work work_plan(const struct attention *a, struct room *r, bool back)
{
	struct work w = { .p = conv_take(r, (size_t)a->rows * (size_t)a->pitch) };

	panels_plan(&w.kt, r, a->d, a->t);
	if (!back) {
		panels_plan(&w.v, r, a->t, a->e);
		return w;
	}
	w.dp = conv_take(r, (size_t)a->rows * (size_t)a->pitch);
	panels_plan(&w.vt, r, a->e, a->t);
	panels_plan(&w.k, r, a->t, a->d);
	panels_plan(&w.q, r, a->rows, a->d);
	panels_plan(&w.g, r, a->rows, a->e);
	return w;
}

static void pack(struct panels *to, struct strided m, int rows, int columns)
{
	struct taps w = { m.p, 1, 1, rows, columns, 0, 0, m.row, m.column };

	to->depth = rows;
	panels_pack(to, &w, 1);
}

/* c[rows][columns], rows c_row apart, = a b, or += it. */
static void multiply(float *c, ptrdiff_t c_row, int rows, int columns, struct strided a,
	const struct panels *b, bool add)
{
	for (int panel = 0; panel < b->count; panel++) {
		int first = panels_first(b, panel), width = panels_width(b, panel);

		for (int k0 = 0; k0 < b->depth; k0 += DEPTH) {
			struct tile t = {
				.b = panels_at(b, panel) + (ptrdiff_t)k0 * width,
				.cols = least(width, columns - first), .runs = 1,
				.run = least(DEPTH, b->depth - k0), .la = a.column, .lb = width,
				.add = add || k0 > 0,
			};

			tile_rows(b->set, &t, width, rows, a.p + k0 * a.column, a.row, c + first,
				c_row);
		}
	}
}

/* to[rows][pitch] = a[rows][] b, in whole vectors. */
static void fill_block(const struct attention *a, float *to, int rows, const float *from, int depth,
	const struct panels *b)
{
	multiply(to, a->pitch, rows, panels_first(b, b->count), (struct strided){ from, depth, 1 },
		b, false);
}

/* p = softmax(q k^T) of rows of q. */
static void weights(const struct attention *a, const struct work *w, const float *q, int rows)
{
	fill_block(a, w->p, rows, q, a->d, &w->kt);
	for (int i = 0; i < rows; i++)
		a->set->softmax(w->p + i * a->pitch, w->p + i * a->pitch, (size_t)a->t);
}

static void forward(const struct attention *a, struct work *w, int z, int part)
{
	ptrdiff_t first = (ptrdiff_t)z * a->m, at = (ptrdiff_t)z * a->t;
	int from = part * a->part, end = least(a->m, from + a->part);

	pack(&w->kt, (struct strided){ a->k + at * a->d, 1, a->d }, a->d, a->t);
	pack(&w->v, (struct strided){ a->v + at * a->e, a->e, 1 }, a->t, a->e);
	for (int m = from; m < end; m += a->rows) {
		int rows = least(a->rows, end - m);

		weights(a, w, a->q + (first + m) * a->d, rows);
		multiply(a->y + (first + m) * a->e, a->e, rows, a->e,
			(struct strided){ w->p, a->pitch, 1 }, &w->v, false);
	}
}

/* Rows of q and g: their dq, and what they add to dk and dv. */
static void backward_block(const struct attention *a, struct work *w, ptrdiff_t row, int rows,
	float *dk, float *dv, bool add)
{
	const float *q = a->q + row * a->d, *g = a->g + row * a->e;

	weights(a, w, q, rows);
	fill_block(a, w->dp, rows, g, a->e, &w->vt);
	for (int i = 0; i < rows; i++)
		a->set->softmax_back(w->dp + i * a->pitch, w->p + i * a->pitch, (size_t)a->t);
	multiply(a->dq + row * a->d, a->d, rows, a->d, (struct strided){ w->dp, a->pitch, 1 },
		&w->k, false);
	pack(&w->q, (struct strided){ q, a->d, 1 }, rows, a->d);
	multiply(dk, a->d, a->t, a->d, (struct strided){ w->dp, 1, a->pitch }, &w->q, add);
	pack(&w->g, (struct strided){ g, a->e, 1 }, rows, a->e);
	multiply(dv, a->e, a->t, a->e, (struct strided){ w->p, 1, a->pitch }, &w->g, add);
}

static void backward(const struct attention *a, struct work *w, int z, int part)
{
	ptrdiff_t at = (ptrdiff_t)z * a->t;
	const float *k = a->k + at * a->d, *v = a->v + at * a->e;
	float *dk = a->dk + at * a->d, *dv = a->dv + at * a->e;
	int from = part * a->part, end = least(a->m, from + a->part);

	if (a->sums) {
		dk = a->sums + ((ptrdiff_t)z * a->parts + part) * a->t * (a->d + a->e);
		dv = dk + (ptrdiff_t)a->t * a->d;
	}
	pack(&w->kt, (struct strided){ k, 1, a->d }, a->d, a->t);
	pack(&w->vt, (struct strided){ v, 1, a->e }, a->e, a->t);
	pack(&w->k, (struct strided){ k, a->d, 1 }, a->t, a->d);
	for (int m = from; m < end; m += a->rows)
		backward_block(a, w, (ptrdiff_t)z * a->m + m, least(a->rows, end - m), dk, dv,
			m > from);
}

/* to = the sum of n numbers of each part, in order. */
static void add_parts(const struct attention *a, float *to, const float *from, ptrdiff_t n)
{
	for (ptrdiff_t i = 0; i < n; i++) to[i] = from[i];
	for (int part = 1; part < a->parts; part++) {
		from += (ptrdiff_t)a->t * (a->d + a->e);
		for (ptrdiff_t i = 0; i < n; i++) to[i] += from[i];
	}
}

static void run(const struct attention *a, const struct room *r, bool back)
{
	int items = a->batch * a->parts;
	struct room share = { 0 };

	work_plan(a, &share, back);
#pragma omp parallel for schedule(dynamic) num_threads(a->threads) \
	if (items > 1 && (double)a->batch * a->m * a->t * (a->d + a->e) > 1e5)
	for (int i = 0; i < items; i++) {
		struct room mine = { r->base + r->used, 0 };

		mine.base += (size_t)omp_get_thread_num() * share.used;
		struct work w = work_plan(a, &mine, back);
		if (back) backward(a, &w, i / a->parts, i % a->parts);
		else forward(a, &w, i / a->parts, i % a->parts);
	}
}

void cpu_attention(struct backend *b, struct view y, const struct view *x, const struct attr *at)
{
	struct room r = { b->work, 0 };
	struct attention a = attention_plan(b, x, &r, false);

	(void)at;
	a.y = y.p;
	run(&a, &r, false);
}

void cpu_attention_back(struct backend *b, struct view y, const struct view *x,
	const struct attr *at)
{
	struct room r = { b->work, 0 };
	struct attention a = attention_plan(b, x, &r, true);
	ptrdiff_t k = (ptrdiff_t)a.t * a.d, v = (ptrdiff_t)a.t * a.e;

	(void)at;
	a.g = x[3].p;
	a.dq = y.p;
	a.dk = a.dq + shape_count(x[0].s);
	a.dv = a.dk + shape_count(x[1].s);
	run(&a, &r, true);
	if (!a.sums) return;
#pragma omp parallel for num_threads(a.threads) if (a.batch * (k + v) > CPU_ALONE)
	for (int z = 0; z < a.batch; z++) {
		const float *from = a.sums + z * a.parts * (k + v);

		add_parts(&a, a.dk + z * k, from, k);
		add_parts(&a, a.dv + z * v, from + k, v);
	}
}

static size_t scratch(struct backend *b, const struct view *x, bool back)
{
	struct room r = { 0 }, share = { 0 };
	struct attention a = attention_plan(b, x, &r, back);

	work_plan(&a, &share, back);
	return r.used + (size_t)a.threads * share.used;
}

size_t cpu_attention_scratch(struct backend *b, struct view y, const struct view *x,
	const struct attr *a)
{
	(void)y, (void)a;
	return scratch(b, x, false);
}

size_t cpu_attention_back_scratch(struct backend *b, struct view y, const struct view *x,
	const struct attr *a)
{
	(void)y, (void)a;
	return scratch(b, x, true);
}
