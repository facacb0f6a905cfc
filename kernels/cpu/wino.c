/* wino: 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3), a quarter of the multiplications:
 * tiles of 4x4 outputs become 36 independent products over channels.  With the points of tile.h
 * its error is that of a plain sum. */
#include "kernels/cpu/conv.h"

#include <omp.h>
#include <string.h>

enum {
	PLANES = 36,
	STRIP_FLOATS = 256 * 1024,           /* planes of a strip: half of a 2 MiB cache */
};

struct wino {
	const struct corr *c;
	struct panels w, u;                  /* taps, where their rows are not outputs; planes */
	int I, O;                            /* channels of planes of x and of y */
	const struct wino_maps *maps;
	struct wino_grid grid;
	struct wino_source x;
	int64_t tiles;
	int strip;                           /* tiles at a time */
	ptrdiff_t in_plane, out_plane, u_plane, per_thread;
	float *work;                         /* per thread: planes of x, planes of y, a window */
};

bool wino_suits(const struct corr *c)
{
	return c->step == 1 && wino_shape(c->scale, c->t.K, c->t.L, c->stride, c->top, c->left,
		corr_x(c).s, corr_y(c).s);
}

/* As many tiles as their planes leave room for in the cache, but enough to be worth reading the
 * planes of the taps for; all strips alike. */
static int strip_tiles(int64_t tiles, int I, int O, int threads)
{
	int64_t room = STRIP_FLOATS / (PLANES * (I + O)), worth = (int64_t)I * O / 256;
	int64_t fit = room > worth ? room : worth, strips = (tiles + fit - 1) / fit;

	if (strips < threads) strips = threads;
	return (int)((tiles + strips - 1) / strips + 5) / 6 * 6;
}

/* The planes, each as panels of depth C. */
static ptrdiff_t u_plane(const struct corr *c)
{
	return (ptrdiff_t)c->t.C * whole(tile_best(), c->t.O) + WINO_GAP;
}

size_t wino_packed(const struct corr *c)
{
	return PLANES * (size_t)u_plane(c);
}

static struct wino wino_plan(const struct corr *c, struct room *r)
{
	struct wino w = { .c = c };
	int I = whole(tile_best(), c->t.C), O = whole(tile_best(), c->t.O);

	w.I = I, w.O = O;
	w.maps = wino_maps(tile_best(), CONV_SAME);
	w.grid = wino_grid(CONV_SAME, corr_x(c).s, corr_y(c).s);
	w.x = wino_input(w.maps, CONV_SAME, corr_x(c), c->top, c->left, w.grid);
	w.tiles = (int64_t)c->N * w.grid.down * w.grid.across;
	w.strip = strip_tiles(w.tiles, I, O, c->threads);
	w.in_plane = (ptrdiff_t)w.strip * I + WINO_GAP;
	w.out_plane = (ptrdiff_t)w.strip * O + WINO_GAP;
	w.u_plane = u_plane(c);
	w.per_thread = PLANES * (w.in_plane + w.out_plane) + PLANES * (ptrdiff_t)most(I, O);
	panels_plan(&w.u, &(struct room){ 0 }, c->t.C, O);
	if (c->packed) w.u.p = (float *)c->t.w;
	else w.u.p = conv_take(r, wino_packed(c));
	if (c->t.o != 1) panels_plan(&w.w, r, 9 * c->t.C, O);
	w.work = conv_take(r, (size_t)c->threads * (size_t)w.per_thread);
	return w;
}

/* Three by three taps of input i to a panel of outputs, and how far apart: where they are, or, if
 * they end inside of a vector, in `part`. */
static const float *taps_of(const struct wino *w, int panel, int i, float *part, ptrdiff_t *tap)
{
	const struct taps *t = &w->c->t;
	int first = panels_first(&w->u, panel), width = panels_width(&w->u, panel);
	int here = least(width, t->O - first);
	const float *from = t->w + i * t->c + first;

	if (t->o != 1) {
		*tap = (ptrdiff_t)t->C * width;
		return panels_at(&w->w, panel) + (ptrdiff_t)i * width;
	}
	*tap = here == width ? t->l : width;
	if (here == width) return from;
	memset(part, 0, sizeof(float) * 9 * (size_t)width);
	for (int k = 0; k < 9; k++)
		memcpy(part + k * width, from + k * t->l, sizeof(float) * (size_t)here);
	return part;
}

static void taps_to_planes(const struct wino *w)
{
#pragma omp parallel for collapse(2) num_threads(w->c->threads)
	for (int panel = 0; panel < w->u.count; panel++)
		for (int i = 0; i < w->c->t.C; i++) {
			int width = panels_width(&w->u, panel);
			float part[9 * TILE_WIDE * TILE_LANES];
			ptrdiff_t tap;
			const float *from = taps_of(w, panel, i, part, &tap);

			w->maps->taps(from, tap, panels_at(&w->u, panel) + (ptrdiff_t)i * width,
				w->u_plane, width, 0);
		}
}

void wino_pack(const struct corr *c, float *to)
{
	struct wino w = wino_plan(c, &(struct room){ 0 });

	w.u.p = to;
	taps_to_planes(&w);
}

/* out[tile][o] = in[tile][i] u[i][o] for one plane; fetches the next panel's u, and the panel's
 * share of the next plane's in. */
static void plane_product(const struct wino *w, const float *in, float *out, int p, int tiles)
{
	int I = w->c->t.C, share = tiles * I / w->u.count;

	for (int panel = 0; panel < w->u.count; panel++) {
		int width = panels_width(&w->u, panel), size = I * width;
		int high = w->u.set->rows[width / w->u.set->lanes];
		struct tile t = {
			.b = panels_at(&w->u, panel) + p * w->u_plane, .cols = width,
			.runs = 1, .run = I, .la = 1, .lb = width,
		};

		tile_fetch(&t, t.b + size, in + w->in_plane + panel * share, most(size, share),
			(int64_t)ceil_div(tiles, high) * I);
		tile_rows(w->u.set, &t, width, tiles, in, w->I,
			out + panels_first(&w->u, panel), w->O);
	}
}

static void strip(const struct wino *w, int64_t first)
{
	int tiles = w->tiles - first < w->strip ? (int)(w->tiles - first) : w->strip;
	float *in = w->work + omp_get_thread_num() * w->per_thread;
	float *out = in + PLANES * w->in_plane, *window = out + PLANES * w->out_plane;

	for (int s = 0; s < tiles; s++)
		wino_load(&w->x, first + s, 0, 0, w->c->t.C, in + (ptrdiff_t)s * w->I,
			w->in_plane, window);
	for (int p = 0; p < PLANES; p++)
		plane_product(w, in + p * w->in_plane, out + p * w->out_plane, p, tiles);
	for (int s = 0; s < tiles; s++)
		wino_store(w->maps, w->c, w->grid, first + s, 0, 0, w->O,
			out + (ptrdiff_t)s * w->O, w->out_plane, window);
}

void wino_run(const struct corr *c, struct room *r)
{
	struct wino w = wino_plan(c, r);

	if (!r->base) return;
	if (c->t.o != 1) panels_pack(&w.w, &c->t, c->threads);
	if (!c->packed) taps_to_planes(&w);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads)
	for (int64_t first = 0; first < w.tiles; first += w.strip) strip(&w, first);
}
