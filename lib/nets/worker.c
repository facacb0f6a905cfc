/* worker: the programs of a network that one thread runs. */
#include "lib/nets/worker.h"
#include "lib/base/mem.h"

#include <stdlib.h>
#include <string.h>

static real *zeros(size_t n, const char *what)
{
	real *p = mem_big(n, sizeof *p, what);

	if (p) memset(p, 0, n * sizeof *p);
	return p;
}

/* Plans the parts there are, and gives them the memory that they exchange rows in. */
static int plan(struct worker *w, val joint)
{
	w->row = shape_count(tape_shape(w->first, w->y));
	keep(w->first, w->y);
	w->between = zeros(WORKER_BATCH * w->row, "rows of the network");
	if (!w->between || tape_plan(w->first, w->b, true)) return -1;
	if (!w->second) return 0;
	keep(w->second, w->last);
	tape_bind(w->second, joint, w->between);
	return tape_plan(w->second, w->b, true);
}

int worker_open(struct worker *w, struct folded *f, int side, worker_build *build, void *ctx)
{
	*w = (struct worker){ .b = backend_new("cpu", 1), .first = tape_new() };
	w->x = zeros((size_t)side * (size_t)side * 3, "input of the network");
	w->second = tape_new();
	if (!w->b || !w->x) return -1;
	folded_onto(f, w->first, w->b);
	f->second = w->second;
	w->last = w->y = build(ctx, f, leaf(w->first, shape4(1, side, side, 3), w->x));
	if (folded_finish(f)) return -1;
	if (f->t == w->second) {
		w->y = f->cut;
		return plan(w, f->joint);
	}
	tape_free(w->second);
	w->second = NULL;
	return plan(w, -1);
}

void worker_put(struct worker *w, int place)
{
	tape_run(w->first);
	memcpy(w->between + (size_t)place * w->row, tape_value(w->first, w->y),
		w->row * sizeof(real));
}

const real *worker_get(struct worker *w)
{
	if (!w->second) return w->between;
	tape_run(w->second);
	return tape_value(w->second, w->last);
}

void worker_close(struct worker *w)
{
	tape_free(w->first);
	tape_free(w->second);
	backend_free(w->b);
	free(w->x);
	free(w->between);
	*w = (struct worker){ 0 };
}
