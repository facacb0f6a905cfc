/* gemm: batched matrix products on the tiles of the convolutions.  A row of the result is summed
 * in the same order whatever the number of rows, so that a sample does not depend on its batch;
 * OpenBLAS promises no such thing. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/conv.h"

#include <omp.h>

enum {
	DEPTH = 256,                         /* of k at a time: 64 KiB of a panel of 64 columns */
	ROWS = 240,                          /* of an item: with DEPTH, 240 KiB of a */
	FEW_ROWS = 24,                       /* up to here packing b costs more than it saves */
};

/* c[z][m][n] = sum over k of a[z] at m, k * b[z] at k, n; the elements by strides, c dense. */
struct gemm {
	const float *a, *b;
	float *c;
	int batch, m, n, k;
	ptrdiff_t a_row, a_col, b_row, b_col;
	struct panels p;                     /* the cut of the columns */
	int blocks, threads;
	ptrdiff_t per_thread;
	float *packed;
};

static struct gemm gemm_plan(struct backend *be, struct view y, const struct view *x,
	const struct attr *at, struct room *r)
{
	bool ta = at->i[0], tb = at->i[1];
	struct room none = { 0 };
	struct gemm g = {
		.a = x[0].p, .b = x[1].p, .c = y.p, .batch = y.s.d[0] * y.s.d[1],
		.m = y.s.d[2], .n = y.s.d[3], .k = x[0].s.d[ta ? 2 : 3], .threads = be->threads,
	};

	g.a_row = ta ? 1 : g.k, g.a_col = ta ? g.m : 1;
	g.b_row = tb ? 1 : g.n, g.b_col = tb ? g.k : 1;
	if (g.n == 1 && ta) {                /* one column: as the row b' a, vectors along a */
		g.a = x[1].p, g.b = x[0].p;
		g.n = g.m, g.m = 1;
		g.a_row = g.k, g.a_col = 1;
		g.b_row = g.n, g.b_col = 1;
	}
	panels_plan(&g.p, &none, DEPTH, g.n);
	g.blocks = ceil_div(g.m, ROWS);
	g.per_thread = (ptrdiff_t)least(DEPTH, g.k) * panels_width(&g.p, 0);
	g.packed = conv_take(r, (size_t)g.threads * (size_t)g.per_thread);
	return g;
}

/* Adds rows [k0, k0 + depth) of b to the columns of one panel in rows [m0, m0 + rows) of c. */
static void slab(const struct gemm *g, int z, int m0, int rows, int panel, int k0, int depth)
{
	int col = panels_first(&g->p, panel), width = panels_width(&g->p, panel);
	const float *a = g->a + (ptrdiff_t)z * g->m * g->k + m0 * g->a_row + k0 * g->a_col;
	const float *b = g->b + (ptrdiff_t)z * g->n * g->k + k0 * g->b_row;
	float *c = g->c + ((ptrdiff_t)z * g->m + m0) * g->n + col;
	struct tile t = {
		.b = b + col, .cols = least(width, g->n - col), .runs = 1, .run = depth,
		.la = g->a_col, .lb = g->n, .add = k0 > 0,
	};

	if (rows > FEW_ROWS || g->b_col != 1 || t.cols < width) {
		struct taps w = { b, 1, 1, depth, g->n, 0, 0, g->b_row, g->b_col };
		float *packed = g->packed + omp_get_thread_num() * g->per_thread;

		panels_tap(packed, &w, 0, col, width);
		t.b = packed;
		t.lb = width;
	}
	tile_rows(g->p.set, &t, width, rows, a, g->a_row, c, g->n);
}

void cpu_matmul(struct backend *be, struct view y, const struct view *x, const struct attr *at)
{
	struct room r = { be->work, 0 };
	struct gemm g = gemm_plan(be, y, x, at, &r);
	int per = g.blocks * g.p.count;
	int64_t items = (int64_t)g.batch * per;

#pragma omp parallel for schedule(dynamic) num_threads(g.threads) \
	if (items > 1 && (double)g.batch * g.m * g.n * g.k > 1e5)
	for (int64_t i = 0; i < items; i++) {
		int m0 = (int)(i % per) / g.p.count * ROWS, panel = (int)(i % per) % g.p.count;
		int rows = least(ROWS, g.m - m0);

		for (int k0 = 0; k0 < g.k; k0 += DEPTH)
			slab(&g, (int)(i / per), m0, rows, panel, k0, least(DEPTH, g.k - k0));
	}
}

size_t cpu_matmul_scratch(struct backend *b, struct view y, const struct view *x,
	const struct attr *a)
{
	struct room r = { 0 };

	gemm_plan(b, y, x, a, &r);
	return r.used;
}
