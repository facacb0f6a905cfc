/* wino_dw: the adjoint of wino and wino_wide in the taps: per plane (and phase) a sum over tiles of
 * input column times output row, block by block of channels.  Groups of tiles are summed apart and
 * then in order; groups and strips depend on the shape alone. */
#include "kernels/cpu/conv.h"

#include <omp.h>
#include <string.h>

enum {
	STRIP_FLOATS = 192 * 1024,           /* the planes of a strip of tiles, of x and dy */
	BLOCK_IN = 64, BLOCK_OUT = 128,      /* channels of a block: at most 1.1 MiB of sums */
	ITEMS = 16,                          /* blocks times groups times phases, about */
	GROUP_TILES = 32,                    /* at least, in a group */
	TILES = 8,                           /* at least: see wino_dw_suits */
};

struct wino_dw {
	const struct corr_dw *c;
	const struct tile_set *set;
	const struct wino_maps *maps;
	int planes, phases;
	struct wino_source x, dy;
	int64_t tiles;
	int strip, groups, across, blocks;   /* blocks along O, and in all */
	ptrdiff_t x_plane, y_plane, part_plane, per_thread;
	float *work;
	float *part;                         /* [block][phase][group]; with one group, [thread] */
};

static struct view dw_x(const struct corr_dw *c)
{
	return (struct view){ .p = (float *)c->x, .s = { { c->N, c->H, c->W, c->I } } };
}

static struct view dw_y(const struct corr_dw *c)
{
	return (struct view){ .p = (float *)c->dy, .s = { { c->N, c->P, c->Q, c->O } } };
}

/* The error is one of all pixels of a tile, which a tap at the border does not see: next to the few
 * terms that such a tap has of a few tiles it would be large. */
bool wino_dw_suits(const struct corr_dw *c)
{
	struct wino_grid g = wino_grid(c->scale, dw_x(c).s, dw_y(c).s);

	if (!c->scale && (int64_t)c->N * g.down * g.across < TILES) return false;
	return wino_shape(c->scale, c->K, c->L, c->stride, c->top, c->left, dw_x(c).s, dw_y(c).s);
}

static struct wino_dw dw_plan(const struct corr_dw *c, struct room *r)
{
	struct wino_dw w = { .c = c, .set = tile_best() };
	int in = whole(w.set, least(c->I, BLOCK_IN)), out = whole(w.set, least(c->O, BLOCK_OUT));
	struct wino_grid grid = wino_grid(c->scale, dw_x(c).s, dw_y(c).s);

	w.maps = wino_maps(w.set, c->scale);
	w.phases = w.maps->phases;
	w.planes = w.maps->side * w.maps->side;
	w.x = wino_input(w.maps, c->scale, dw_x(c), c->top, c->left, grid);
	w.dy = wino_gradient(w.maps, c->scale, dw_y(c), grid);
	w.tiles = (int64_t)c->N * grid.down * grid.across;
	w.strip = most(32, STRIP_FLOATS / (w.planes * (in + out)) / 8 * 8);
	w.across = ceil_div(c->O, BLOCK_OUT);
	w.blocks = ceil_div(c->I, BLOCK_IN) * w.across;
	w.groups = most(1, ITEMS / (w.blocks * w.phases));
	if (w.tiles / GROUP_TILES < w.groups) w.groups = most(1, (int)(w.tiles / GROUP_TILES));
	w.x_plane = (ptrdiff_t)w.strip * in + WINO_GAP;
	w.y_plane = (ptrdiff_t)w.strip * out + WINO_GAP;
	w.part_plane = (ptrdiff_t)in * out + WINO_GAP;
	w.per_thread = w.planes * (w.x_plane + w.y_plane + most(in, out));
	w.work = conv_take(r, (size_t)c->threads * (size_t)w.per_thread);
	int parts = w.groups > 1 ? w.blocks * w.phases * w.groups : c->threads;
	w.part = conv_take(r, (size_t)parts * (size_t)w.planes * (size_t)w.part_plane);
	return w;
}

/* Channels of a block, and those that its planes have, in whole vectors. */
struct block { int i0, in, o0, out, x_wide, y_wide; };

/* part[i][o] += sum over tiles of x[tile][i] dy[tile][o] for one plane of a block. */
static void plane_product(const struct wino_dw *w, struct block b, const float *x, const float *dy,
	int tiles, float *part, bool add)
{
	struct panels cut;

	panels_plan(&cut, &(struct room){ 0 }, 0, b.out);
	for (int panel = 0; panel < cut.count; panel++) {
		int first = panels_first(&cut, panel), width = panels_width(&cut, panel);
		struct tile t = {
			.b = dy + first, .cols = width, .runs = 1, .run = tiles,
			.la = b.x_wide, .lb = b.y_wide, .add = add,
		};

		tile_rows(w->set, &t, width, b.in, x, 1, part + first, b.y_wide);
	}
}

static struct block block_of(const struct wino_dw *w, int block)
{
	int i0 = block / w->across * BLOCK_IN, o0 = block % w->across * BLOCK_OUT;
	int in = least(BLOCK_IN, w->c->I - i0), out = least(BLOCK_OUT, w->c->O - o0);

	return (struct block){ i0, in, o0, out, whole(w->set, in), whole(w->set, out) };
}

static void sum_tiles(const struct wino_dw *w, struct block b, int phase, int64_t from,
	int64_t until, float *part)
{
	float *x = w->work + omp_get_thread_num() * w->per_thread, *dy = x + w->planes * w->x_plane;
	float *window = dy + w->planes * w->y_plane;

	for (int64_t at = from; at < until; at += w->strip) {
		int tiles = until - at < w->strip ? (int)(until - at) : w->strip;

		for (int s = 0; s < tiles; s++) {
			wino_load(&w->x, at + s, phase, b.i0, b.in, x + (ptrdiff_t)s * b.x_wide,
				w->x_plane, window);
			wino_load(&w->dy, at + s, phase, b.o0, b.out,
				dy + (ptrdiff_t)s * b.y_wide, w->y_plane, window);
		}
		for (int p = 0; p < w->planes; p++)
			plane_product(w, b, x + p * w->x_plane, dy + p * w->y_plane, tiles,
				part + p * w->part_plane, at > from);
	}
}

/* Row i of the block in a phase: the groups in order, then from planes to taps, to which later
 * phases add. */
static void finish(const struct wino_dw *w, struct block b, int phase, int i, const float *part)
{
	const struct corr_dw *c = w->c;
	ptrdiff_t tap = (ptrdiff_t)c->I * c->O, all = w->planes * w->part_plane;
	float *dw = c->dw + (ptrdiff_t)(b.i0 + i) * c->O + b.o0, last[9 * BLOCK_OUT];
	size_t bytes = sizeof(float) * (size_t)b.out;

	part += (ptrdiff_t)i * b.y_wide;
	if (b.out == b.y_wide) {
		w->maps->taps_t(part, w->part_plane, w->groups, all, dw, tap, b.out, phase);
		return;
	}
	memset(last, 0, sizeof last);
	for (int k = 0; k < 9 && phase; k++) memcpy(last + k * b.y_wide, dw + k * tap, bytes);
	w->maps->taps_t(part, w->part_plane, w->groups, all, last, b.y_wide, b.y_wide, phase);
	for (int k = 0; k < 9; k++) memcpy(dw + k * tap, last + k * b.y_wide, bytes);
}

/* A block whose tiles are all one group, from beginning to end. */
static void whole_block(const struct wino_dw *w, int block)
{
	struct block b = block_of(w, block);
	float *part = w->part + omp_get_thread_num() * w->planes * w->part_plane;

	for (int f = 0; f < w->phases; f++) {
		sum_tiles(w, b, f, 0, w->tiles, part);
		for (int row = 0; row < b.in; row++) finish(w, b, f, row, part);
	}
}

static void run_groups(const struct wino_dw *w)
{
	ptrdiff_t size = w->planes * w->part_plane, all = w->groups * size;

#pragma omp for schedule(dynamic)
	for (int i = 0; i < w->blocks * w->phases * w->groups; i++) {
		int64_t g = i % w->groups;
		struct block b = block_of(w, i / w->groups / w->phases);

		sum_tiles(w, b, i / w->groups % w->phases, w->tiles * g / w->groups,
			w->tiles * (g + 1) / w->groups, w->part + i * size);
	}
#pragma omp for collapse(2)
	for (int i = 0; i < w->blocks; i++)
		for (int row = 0; row < BLOCK_IN; row++) {
			struct block b = block_of(w, i);

			for (int f = 0; f < w->phases && row < b.in; f++)
				finish(w, b, f, row, w->part + (i * w->phases + f) * all);
		}
}

void wino_dw_run(const struct corr_dw *c, struct room *r)
{
	struct wino_dw w = dw_plan(c, r);

	if (!r->base) return;
#pragma omp parallel num_threads(c->threads)
	{
		if (w.groups > 1) run_groups(&w);
#pragma omp for schedule(dynamic)
		for (int i = 0; i < (w.groups > 1 ? 0 : w.blocks); i++) whole_block(&w, i);
	}
}
