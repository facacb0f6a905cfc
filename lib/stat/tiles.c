/* tiles: blocks of TILES_SIDE rows of either set are read by one thread and multiplied in bands by
 * all; blocks and bands are the same for any number of threads. */
#include "lib/stat/tiles.h"
#include "kernels/cpu/blas.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/say.h"

#include <stdlib.h>

struct work {
	const struct tiles *t;
	float *room;                         /* [TILES_SIDE][width] */
	double *a, *b;                       /* [TILES_SIDE][width] */
	double *dot;                         /* [TILES_SIDE][TILES_SIDE] */
	int64_t row, column;
	int m, n;
};

static int at_most(int64_t left, int most)
{
	return left < most ? (int)left : most;
}

int tiles_read(const struct knn_set *s, int64_t first, int n, float *room, double *to)
{
	size_t count = (size_t)n * (size_t)s->width;

	if (s->fetch(s, first, n, room)) return -1;
	for (size_t i = 0; i < count; i++) to[i] = (double)room[i];
	return 0;
}

static void multiply_band(void *ctx, int64_t band, int worker)
{
	struct work *w = ctx;
	int width = w->t->a->width, at = (int)band * TILES_BAND, m = at_most(w->m - at, TILES_BAND);
	struct tile tile = { .row = w->row + at, .column = w->column, .m = m, .n = w->n,
		.width = width, .band = (int)band, .a = w->a + (size_t)at * (size_t)width,
		.b = w->b };
	double *dot = w->dot + (size_t)at * (size_t)w->n;

	(void)worker;
	blas_dgemm(false, true, m, w->n, width, 1, tile.a, width, w->b, width, 0, dot, w->n);
	tile.dot = dot;
	w->t->visit(w->t->ctx, &tile);
}

static int run_rows(struct work *w)
{
	const struct tiles *t = w->t;

	w->m = at_most(t->a->count - w->row, TILES_SIDE);
	if (tiles_read(t->a, w->row, w->m, w->room, w->a)) return -1;
	for (w->column = t->half ? w->row : 0; w->column < t->b->count; w->column += TILES_SIDE) {
		w->n = at_most(t->b->count - w->column, TILES_SIDE);
		if (stop_check() || tiles_read(t->b, w->column, w->n, w->room, w->b)) return -1;
		par_for((w->m + TILES_BAND - 1) / TILES_BAND, w, multiply_band);
		if (t->join) t->join(t->ctx, w->row, w->column, w->n);
	}
	return 0;
}

int tiles_run(const struct tiles *t)
{
	size_t block = (size_t)t->a->width * TILES_SIDE;
	struct work w = { .t = t, .room = mem_big(block, sizeof(float), "a block of rows"),
		.a = mem_big(block, sizeof(double), "a block of rows"),
		.b = mem_big(block, sizeof(double), "a block of rows"),
		.dot = mem_big(TILES_SIDE * TILES_SIDE, sizeof(double), "inner products") };
	int bad = w.room && w.a && w.b && w.dot ? 0 : -1;

	for (; !bad && w.row < t->a->count; w.row += TILES_SIDE) {
		progress(t->what, w.row, t->a->count, "%s", "");
		bad = run_rows(&w);
	}
	free(w.room);
	free(w.a);
	free(w.b);
	free(w.dot);
	return bad;
}
