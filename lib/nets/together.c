/* together: the same layers as a worker's, for all pictures at once. */
#include "lib/nets/together.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <stdlib.h>
#include <string.h>

int together_open(struct together *w, struct folded *f, struct backend *b, int batch, int side,
	worker_build *build, void *ctx)
{
	size_t numbers = (size_t)side * (size_t)side * 3;

	*w = (struct together){ .t = tape_new(), .batch = batch, .input = numbers,
		.x = mem_big((size_t)batch, numbers * sizeof *w->x, "pictures of a batch") };
	if (!w->x) return -1;
	memset(w->x, 0, (size_t)batch * numbers * sizeof *w->x);
	folded_onto(f, w->t, b);
	w->y = build(ctx, f, input(w->t, shape4(batch, side, side, 3), w->x));
	if (folded_finish(f)) return -1;
	w->width = shape_count(tape_shape(w->t, w->y)) / (size_t)batch;
	keep(w->t, w->y);
	return tape_plan(w->t, b, true);
}

int together_run(struct together *w, int n, const real *x, real *f)
{
	must(n >= 1 && n <= w->batch);
	memcpy(w->x, x, (size_t)n * w->input * sizeof *x);
	if (tape_run(w->t)) return -1;
	tape_read(w->t, w->y, f);
	return 0;
}

void together_close(struct together *w)
{
	tape_free(w->t);
	free(w->x);
	*w = (struct together){ 0 };
}
