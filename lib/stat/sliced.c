/* sliced: in one dimension the best way to move a distribution is in order, so that the cost is the
 * integral over u of (X(u) - Y(u))^2 with the quantile functions X and Y.  All directions are
 * taken in one pass over the rows where their projections fit into ROOM_BYTES, else in several. */
#include "lib/stat/sliced.h"
#include "kernels/cpu/blas.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/rng.h"
#include "lib/base/say.h"
#include "lib/stat/tiles.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCK = 512, BAND = 32, ROOM_BYTES = 1 << 27 };
/* Streams beyond those of stats_order(). */
#define STREAM ((uint64_t)1 << 32)

struct work {
	const struct knn_set *set[2];
	int directions;                      /* of this pass */
	double *direction;                   /* [directions][width] */
	float *room;                         /* [BLOCK][width] */
	double *rows;                        /* [BLOCK][width] */
	double *along[2];                    /* [directions][count]: the projections */
	double *cost;                        /* [directions] */
	const struct knn_set *from;          /* of the rows in hand, from row `first` */
	double *to;
	int64_t first;
	int n;
};

void sliced_direction(uint64_t seed, int i, int width, double *to)
{
	struct rng r = rng_at(seed, STREAM + (uint64_t)i);
	double square = 0;

	for (int j = 0; j < width; j++) {
		to[j] = rng_normal(&r);
		square += to[j] * to[j];
	}
	for (int j = 0; j < width; j++) to[j] /= sqrt(square);
}

/* X and Y are steps: X is x[i] for u from i / n to (i+1) / n; u runs in units of 1 / (n m). */
double sliced_transport(const double *x, int64_t n, const double *y, int64_t m)
{
	uint64_t rows = (uint64_t)n, others = (uint64_t)m, i = 0, j = 0, u = 0;
	double sum = 0;

	while (i < rows && j < others) {
		uint64_t x_ends = (i + 1) * others, y_ends = (j + 1) * rows;
		uint64_t next = x_ends < y_ends ? x_ends : y_ends;
		sum += (double)(next - u) * (x[i] - y[j]) * (x[i] - y[j]);
		i += x_ends == next;
		j += y_ends == next;
		u = next;
	}
	return sum / ((double)n * (double)m);
}

static void project_band(void *ctx, int64_t band, int worker)
{
	struct work *w = ctx;
	int at = (int)band * BAND, width = w->from->width;
	int n = w->directions - at < BAND ? w->directions - at : BAND;
	int64_t count = w->from->count;

	(void)worker;
	blas_dgemm(false, true, n, w->n, width, 1, w->direction + (size_t)at * (size_t)width, width,
		w->rows, width, 0, w->to + at * count + w->first, (int)count);
}

static int project(struct work *w, int side)
{
	const struct knn_set *s = w->from = w->set[side];

	w->to = w->along[side];
	for (w->first = 0; w->first < s->count; w->first += BLOCK) {
		w->n = s->count - w->first < BLOCK ? (int)(s->count - w->first) : BLOCK;
		progress("projections", w->first, s->count, "%s", s->name);
		if (stop_check() || tiles_read(s, w->first, w->n, w->room, w->rows)) return -1;
		par_for((w->directions + BAND - 1) / BAND, w, project_band);
	}
	return 0;
}

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

static void transport(void *ctx, int64_t i, int worker)
{
	struct work *w = ctx;
	double *at[2];

	(void)worker;
	for (int side = 0; side < 2; side++) {
		at[side] = w->along[side] + i * w->set[side]->count;
		qsort(at[side], (size_t)w->set[side]->count, sizeof *at[side], ascending);
	}
	w->cost[i] = sliced_transport(at[0], w->set[0]->count, at[1], w->set[1]->count);
}

static int run(struct work *w, int directions, uint64_t seed, double *sum)
{
	int most = w->directions, width = w->set[0]->width;

	for (int done = 0; done < directions; done += w->directions) {
		w->directions = directions - done < most ? directions - done : most;
		for (int i = 0; i < w->directions; i++)
			sliced_direction(seed, done + i, width,
				w->direction + (size_t)i * (size_t)width);
		if (project(w, 0) || project(w, 1)) return -1;
		par_for(w->directions, w, transport);
		for (int i = 0; i < w->directions; i++) *sum += w->cost[i];
	}
	return 0;
}

int sliced_distance(double *distance, const struct knn_set *x, const struct knn_set *y,
	int directions, uint64_t seed)
{
	size_t width = (size_t)x->width, rows = (size_t)x->count + (size_t)y->count;
	size_t most = ROOM_BYTES / sizeof(double) / rows;
	struct work w = { .set = { x, y }, .directions = directions };
	double sum = 0;

	if (most < (size_t)directions) w.directions = most ? (int)most : 1;
	size_t slices = (size_t)w.directions;
	w.direction = mem_big(slices, width * sizeof *w.direction, "directions");
	w.room = mem_big(BLOCK * width, sizeof *w.room, "a block of rows");
	w.rows = mem_big(BLOCK * width, sizeof *w.rows, "a block of rows");
	w.along[0] = mem_big(slices, rows * sizeof *w.along[0], "projections");
	w.along[1] = w.along[0] + slices * (size_t)x->count;
	w.cost = mem_new(slices, sizeof *w.cost);
	int bad = w.direction && w.room && w.rows && w.along[0] ?
		run(&w, directions, seed, &sum) : -1;
	*distance = 3.0 * x->width * sum / directions;
	free(w.direction);
	free(w.room);
	free(w.rows);
	free(w.along[0]);
	free(w.cost);
	return bad;
}
