/* wino_wide: Winograd's F(4x4, 3x3) for many channels, whose 36 planes of taps would not fit in a
 * cache: they are made a panel of outputs and a block of inputs at a time, and used at once on
 * all tiles of a chunk.  And F(4x4, 2x2) between an image and one of twice its side, in four
 * phases of 25 planes: the phases of UP are those of the outputs, of DOWN those of the inputs,
 * whose products add up. */
#include "kernels/cpu/conv.h"

#include <omp.h>

enum {
	WIDE = 16384,                        /* I O with planes of taps larger than 2 MiB */
	BLOCK = 64,                          /* inputs at a time: 36 planes of taps of 576 KiB */
	GROUP = 66,                          /* tiles at a time: 36 planes of 64 outputs: 594 KiB */
};

struct wide {
	const struct corr *c;
	struct panels w;                     /* the cut; taps are packed block by block */
	const struct wino_maps *maps;
	int planes;
	struct wino_grid grid;
	struct wino_source x;
	int64_t tiles;
	int group, groups, chunk;            /* tiles of a group, groups and tiles of a chunk */
	int width;                           /* outputs of the widest panel */
	int deep;                            /* inputs in whole vectors: of a tile of a plane */
	ptrdiff_t in_plane, in_phase, out_plane, u_plane, per_thread;
	float *in;                           /* planes of x of a chunk, phase by phase */
	float *work;                         /* per thread: taps, planes of taps and of y, window */
};

bool wino_wide_suits(const struct corr *c)
{
	if (c->packed || !wino_suits(c)) return false;
	return c->scale || (int64_t)c->t.C * c->t.O > WIDE;
}

static struct wide wide_plan(const struct corr *c, struct room *r)
{
	struct wide w = { .c = c };
	struct room none = { 0 };

	panels_plan(&w.w, &none, BLOCK, c->t.O);
	w.deep = whole(w.w.set, c->t.C);
	w.maps = wino_maps(w.w.set, c->scale);
	w.planes = w.maps->side * w.maps->side;
	w.grid = wino_grid(c->scale, corr_x(c).s, corr_y(c).s);
	w.x = wino_input(w.maps, c->scale, corr_x(c), c->top, c->left, w.grid);
	w.tiles = (int64_t)c->N * w.grid.down * w.grid.across;
	int64_t share = (w.tiles * w.w.count + c->threads - 1) / c->threads;
	int64_t fit = share < GROUP ? share : GROUP, all = (w.tiles + fit - 1) / fit;
	w.group = (int)((w.tiles + all - 1) / all + 5) / 6 * 6;
	w.groups = ceil_div(2 * c->threads, w.w.count);
	w.chunk = w.group * w.groups;
	w.width = panels_width(&w.w, 0);
	w.in_plane = (ptrdiff_t)w.chunk * w.deep + WINO_GAP;
	w.out_plane = (ptrdiff_t)w.group * w.width + WINO_GAP;
	w.u_plane = (ptrdiff_t)BLOCK * w.width + WINO_GAP;
	w.per_thread = 9 * BLOCK * w.width;
	w.per_thread += w.planes * (w.u_plane + w.out_plane + most(w.deep, w.width));
	w.in_phase = w.planes * w.in_plane;
	w.in = conv_take(r, (size_t)w.maps->phases * (size_t)w.in_phase);
	w.work = conv_take(r, (size_t)c->threads * (size_t)w.per_thread);
	return w;
}

static void taps_to_planes(const struct wide *w, int panel, int phase, int i0, int count,
	float *taps, float *u)
{
	struct taps t = w->c->t;
	int first = panels_first(&w->w, panel), width = panels_width(&w->w, panel);
	ptrdiff_t tap = (ptrdiff_t)count * width;

	t.w += i0 * t.c;
	t.C = count;
	for (int k = 0; k < 9; k++) panels_tap(taps + k * tap, &t, k, first, width);
	for (int i = 0; i < count; i++)
		w->maps->taps(taps + (ptrdiff_t)i * width, tap, u + (ptrdiff_t)i * width,
			w->u_plane, width, phase);
}

/* Per plane out[tile][o] = (or with add +=) in[tile][i] u[i][o] for one panel and phase, a block
 * of i at a time; scratch holds taps and their planes. */
static void products(const struct wide *w, int panel, int phase, int tiles, const float *in,
	float *out, float *scratch, bool add)
{
	int I = w->c->t.C, width = panels_width(&w->w, panel);
	float *u = scratch + 9 * BLOCK * w->width;

	for (int i0 = 0; i0 < I; i0 += BLOCK) {
		int count = least(BLOCK, I - i0);
		struct tile t = {
			.cols = width, .runs = 1, .run = count, .la = 1, .lb = width,
			.add = add || i0 > 0,
		};

		taps_to_planes(w, panel, phase, i0, count, scratch, u);
		for (int p = 0; p < w->planes; p++) {
			t.b = u + p * w->u_plane;
			/* the next plane's rows, which lie apart */
			conv_fetch(in + i0, (p + 1) * w->in_plane, 1, 0, tiles, w->deep, count);
			tile_rows(w->w.set, &t, width, tiles, in + p * w->in_plane + i0, w->deep,
				out + p * w->out_plane, width);
		}
	}
}

/* Outputs of one panel of the tiles [first, first + tiles), whose planes of x begin at `in`. */
static void panel_group(const struct wide *w, int panel, int64_t first, int tiles, const float *in)
{
	int width = panels_width(&w->w, panel), phases = w->maps->phases;
	float *mine = w->work + omp_get_thread_num() * w->per_thread;
	float *out = mine + 9 * BLOCK * w->width + w->planes * w->u_plane;
	float *window = out + w->planes * w->out_plane;
	bool sum = w->c->scale == CONV_DOWN;

	for (int f = 0; f < phases; f++) {
		products(w, panel, f, tiles, in + f * w->in_phase, out, mine, sum && f);
		if (sum && f < phases - 1) continue;
		for (int s = 0; s < tiles; s++)
			wino_store(w->maps, w->c, w->grid, first + s, f,
				panels_first(&w->w, panel), width, out + (ptrdiff_t)s * width,
				w->out_plane, window);
	}
}

void wino_wide_run(const struct corr *c, struct room *r)
{
	struct wide w = wide_plan(c, r);
	int I = c->t.C;

	if (!r->base) return;
#pragma omp parallel num_threads(c->threads)
	for (int64_t first = 0; first < w.tiles; first += w.chunk) {
		int tiles = w.tiles - first < w.chunk ? (int)(w.tiles - first) : w.chunk;
		float *mine = w.work + omp_get_thread_num() * w.per_thread;
		float *window = mine + w.per_thread - w.planes * most(w.deep, w.width);

#pragma omp for collapse(2)
		for (int f = 0; f < w.maps->phases; f++)
			for (int s = 0; s < tiles; s++)
				wino_load(&w.x, first + s, f, 0, I,
					w.in + f * w.in_phase + (ptrdiff_t)s * w.deep,
					w.in_plane, window);
#pragma omp for schedule(dynamic)
		for (int i = 0; i < w.w.count * w.groups; i++) {
			int at = i % w.groups * w.group, some = least(w.group, tiles - at);

			if (some > 0)
				panel_group(&w, i / w.groups, first + at, some,
					w.in + (ptrdiff_t)at * w.deep);
		}
	}
}
