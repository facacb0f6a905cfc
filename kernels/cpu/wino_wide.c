/* wino_wide: Winograd's F(4x4, 3x3) for many channels, whose 36 planes of taps would not fit in a
 * cache: they are made a panel of outputs and a block of inputs at a time, and used at once on
 * all tiles of a chunk. */
#include "kernels/cpu/conv.h"

#include <omp.h>

enum {
	PLANES = WINO_PLANES,
	WIDE = 16384,                        /* I O with planes of taps larger than 2 MiB */
	BLOCK = 64,                          /* inputs at a time: planes of taps of 576 KiB */
	GROUP = 60,                          /* tiles at a time: planes of 64 outputs of 540 KiB */
};

struct wide {
	const struct corr *c;
	struct panels w;                     /* the cut; taps are packed block by block */
	struct wino_source x;
	int64_t tiles;
	int group, groups, chunk;            /* tiles of a group, groups and tiles of a chunk */
	int width;                           /* outputs of the widest panel */
	ptrdiff_t in_plane, out_plane, u_plane, per_thread;
	float *in;                           /* planes of x of a chunk */
	float *work;                         /* per thread: taps, planes of taps and of y, window */
};

bool wino_wide_suits(const struct corr *c)
{
	return wino_suits(c) && (int64_t)c->t.C * c->t.O > WIDE;
}

static struct wide wide_plan(const struct corr *c, struct room *r)
{
	struct wide w = { .c = c };
	int I = c->t.C;
	struct room none = { 0 };

	panels_plan(&w.w, &none, BLOCK, c->t.O);
	w.x = wino_input(w.w.set, c->x, c->H, c->W, I, c->top, c->left, c->P, c->Q);
	w.tiles = (int64_t)c->N * w.x.down * w.x.across;
	int64_t share = (w.tiles * w.w.count + c->threads - 1) / c->threads;
	w.group = share < GROUP ? (int)(share + 5) / 6 * 6 : GROUP;
	w.groups = ceil_div(2 * c->threads, w.w.count);
	w.chunk = w.group * w.groups;
	w.width = panels_width(&w.w, 0);
	w.in_plane = (ptrdiff_t)w.chunk * I + WINO_GAP;
	w.out_plane = (ptrdiff_t)w.group * w.width + WINO_GAP;
	w.u_plane = (ptrdiff_t)BLOCK * w.width + WINO_GAP;
	w.per_thread = 9 * BLOCK * w.width + PLANES * (w.u_plane + w.out_plane + most(I, w.width));
	w.in = conv_take(r, PLANES * (size_t)w.in_plane);
	w.work = conv_take(r, (size_t)c->threads * (size_t)w.per_thread);
	return w;
}

static void taps_to_planes(const struct wide *w, int panel, int i0, int count, float *taps,
	float *u)
{
	struct taps t = w->c->t;
	int first = panels_first(&w->w, panel), width = panels_width(&w->w, panel);
	ptrdiff_t tap = (ptrdiff_t)count * width;

	t.w += i0 * t.c;
	t.C = count;
	for (int k = 0; k < 9; k++) panels_tap(taps + k * tap, &t, k, first, width);
	for (int i = 0; i < count; i++)
		w->w.set->wino_taps(taps + (ptrdiff_t)i * width, tap,
			u + (ptrdiff_t)i * width, w->u_plane, width);
}

/* Outputs of one panel of the tiles [first, first + tiles), whose planes of x begin at `in`:
 * per plane out[tile][o] += in[tile][i] u[i][o], a block of i at a time. */
static void panel_group(const struct wide *w, int panel, int64_t first, int tiles, const float *in)
{
	int I = w->c->t.C, width = panels_width(&w->w, panel);
	float *taps = w->work + omp_get_thread_num() * w->per_thread;
	float *u = taps + 9 * BLOCK * w->width, *out = u + PLANES * w->u_plane;
	float *window = out + PLANES * w->out_plane;

	for (int i0 = 0; i0 < I; i0 += BLOCK) {
		int count = least(BLOCK, I - i0);
		struct tile t = {
			.cols = width, .runs = 1, .run = count, .la = 1, .lb = width, .add = i0 > 0,
		};

		taps_to_planes(w, panel, i0, count, taps, u);
		for (int p = 0; p < PLANES; p++) {
			t.b = u + p * w->u_plane;
			tile_rows(w->w.set, &t, width, tiles, in + p * w->in_plane + i0, I,
				out + p * w->out_plane, width);
		}
	}
	for (int s = 0; s < tiles; s++)
		wino_store(w->w.set, w->c, first + s, panels_first(&w->w, panel), width,
			out + (ptrdiff_t)s * width, w->out_plane, window);
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
		float *window = mine + w.per_thread - PLANES * most(I, w.width);

#pragma omp for
		for (int s = 0; s < tiles; s++)
			wino_load(&w.x, first + s, 0, I, w.in + (ptrdiff_t)s * I, w.in_plane,
				window);
#pragma omp for schedule(dynamic)
		for (int i = 0; i < w.w.count * w.groups; i++) {
			int at = i % w.groups * w.group, some = least(w.group, tiles - at);

			if (some > 0)
				panel_group(&w, i / w.groups, first + at, some,
					w.in + (ptrdiff_t)at * I);
		}
	}
}
