/* wino_dw: the adjoint of wino in the taps: per plane a sum over tiles of input column times output row.  Groups of tiles are
 * summed apart and then in order; groups and strips depend on the shape alone. */
#include "kernels/cpu/conv.h"

#include <omp.h>

enum {
	PLANES = 36,
	STRIP_FLOATS = 256 * 1024,
	GAP = 16,                            /* floats between planes: their starts do not compete for one cache set */
	BLOCK = 128,                         /* channels in, and out, of a block: its 36 planes of sums are 2.25 MiB */
	GROUPS = 16,
	GROUP_TILES = 32,
	PART_BYTES = 32 << 20,
};

struct wino_dw {
	const struct corr_dw *c;
	const struct tile_set *set;
	int down, across;                    /* tiles of an image */
	int64_t tiles;
	int strip, groups;
	int in_blocks, out_blocks;
	ptrdiff_t x_plane, y_plane, part_plane, per_thread;
	float *work, *part;                  /* part[group][plane][I][O] */
};

bool wino_dw_suits(const struct corr_dw *c)
{
	return wino_shape(c->K, c->L, c->stride, c->I, c->O, c->P, c->Q);
}

static struct wino_dw dw_plan(const struct corr_dw *c, struct room *r)
{
	struct wino_dw w = { .c = c, .set = tile_best(), .down = ceil_div(c->P, 4), .across = ceil_div(c->Q, 4) };
	int in = least(c->I, BLOCK), out = least(c->O, BLOCK);

	w.tiles = (int64_t)c->N * w.down * w.across;
	w.strip = most(32, STRIP_FLOATS / (PLANES * (in + out)) / 8 * 8);
	w.in_blocks = ceil_div(c->I, BLOCK);
	w.out_blocks = ceil_div(c->O, BLOCK);
	w.x_plane = (ptrdiff_t)w.strip * in + GAP;
	w.y_plane = (ptrdiff_t)w.strip * out + GAP;
	w.part_plane = (ptrdiff_t)c->I * c->O + GAP;
	int64_t groups = w.tiles / GROUP_TILES, fit = PART_BYTES / (int64_t)(sizeof(float) * PLANES * (size_t)w.part_plane);
	if (groups > fit) groups = fit;
	w.groups = groups < 1 ? 1 : groups > GROUPS ? GROUPS : (int)groups;
	w.per_thread = PLANES * (w.x_plane + w.y_plane + most(in, out));
	w.work = conv_take(r, (size_t)c->threads * (size_t)w.per_thread);
	w.part = conv_take(r, (size_t)w.groups * PLANES * (size_t)w.part_plane);
	return w;
}

static void x_to_planes(const struct wino_dw *w, int64_t tile, int i0, int channels, float *planes, float *window)
{
	const struct corr_dw *c = w->c;
	int at = (int)(tile % (w->down * w->across)), h = at / w->across * 4 - c->top, v = at % w->across * 4 - c->left;
	const float *image = c->x + tile / (w->down * w->across) * c->H * c->W * c->I + i0;

	if (h >= 0 && v >= 0 && h + 6 <= c->H && v + 6 <= c->W) {
		w->set->wino_in(image + ((ptrdiff_t)h * c->W + v) * c->I, c->I, (ptrdiff_t)c->W * c->I, planes, w->x_plane, channels);
		return;
	}
	conv_window(window, image, c->H, c->W, c->I, channels, h, 6, v, 6);
	w->set->wino_in(window, channels, 6 * (ptrdiff_t)channels, planes, w->x_plane, channels);
}

static void dy_to_planes(const struct wino_dw *w, int64_t tile, int o0, int channels, float *planes, float *window)
{
	const struct corr_dw *c = w->c;
	int at = (int)(tile % (w->down * w->across)), p = at / w->across * 4, q = at % w->across * 4;
	const float *image = c->dy + tile / (w->down * w->across) * c->P * c->Q * c->O + o0;

	if (p + 4 <= c->P && q + 4 <= c->Q) {
		w->set->wino_out_t(image + ((ptrdiff_t)p * c->Q + q) * c->O, c->O, (ptrdiff_t)c->Q * c->O, planes, w->y_plane, channels);
		return;
	}
	conv_window(window, image, c->P, c->Q, c->O, channels, p, 4, q, 4);
	w->set->wino_out_t(window, channels, 4 * (ptrdiff_t)channels, planes, w->y_plane, channels);
}

/* part[i][o] += sum over tiles of x[tile][i] dy[tile][o] for one plane and one block of channels. */
static void plane_product(const struct wino_dw *w, const float *x, int in, const float *dy, int out, int tiles,
	float *part, bool add)
{
	int lanes = w->set->lanes, vecs = out / lanes, count = ceil_div(vecs, w->set->wide);
	struct tile t = { .runs = 1, .run = tiles, .la = in, .lb = out, .add = add };

	for (int panel = 0; panel < count; panel++) {
		int first = panel * (vecs / count) + least(panel, vecs % count);
		int wide = vecs / count + (panel < vecs % count), high = w->set->rows[wide];

		t.b = dy + first * lanes;
		t.cols = wide * lanes;
		for (int m0 = 0; m0 < in; m0 += high) {
			t.rows = least(high, in - m0);
			for (int m = 0; m < high; m++) {
				int at = m0 + (m < t.rows ? m : 0);

				t.a[m] = x + at;
				t.c[m] = part + (ptrdiff_t)at * w->c->O + first * lanes;
			}
			w->set->product[wide](&t);
		}
	}
}

static void group_block(const struct wino_dw *w, int group, int i0, int o0)
{
	const struct corr_dw *c = w->c;
	int in = least(BLOCK, c->I - i0), out = least(BLOCK, c->O - o0);
	float *x = w->work + omp_get_thread_num() * w->per_thread, *dy = x + PLANES * w->x_plane;
	float *window = dy + PLANES * w->y_plane;
	float *part = w->part + group * PLANES * w->part_plane + (ptrdiff_t)i0 * c->O + o0;
	int64_t from = w->tiles * group / w->groups, until = w->tiles * (group + 1) / w->groups;

	for (int64_t at = from; at < until; at += w->strip) {
		int tiles = until - at < w->strip ? (int)(until - at) : w->strip;

		for (int s = 0; s < tiles; s++) {
			x_to_planes(w, at + s, i0, in, x + (ptrdiff_t)s * in, window);
			dy_to_planes(w, at + s, o0, out, dy + (ptrdiff_t)s * out, window);
		}
		for (int p = 0; p < PLANES; p++)
			plane_product(w, x + p * w->x_plane, in, dy + p * w->y_plane, out, tiles, part + p * w->part_plane, at > from);
	}
}

void wino_dw_run(const struct corr_dw *c, struct room *r)
{
	struct wino_dw w = dw_plan(c, r);
	int blocks = w.in_blocks * w.out_blocks;

	if (!r->base) return;
#pragma omp parallel num_threads(c->threads)
	{
#pragma omp for schedule(dynamic)
		for (int i = 0; i < w.groups * blocks; i++)
			group_block(&w, i / blocks, i % blocks / w.out_blocks * BLOCK, i % w.out_blocks * BLOCK);
#pragma omp for
		for (int i = 0; i < c->I; i++)
			w.set->wino_taps_t(w.part + (ptrdiff_t)i * c->O, w.part_plane, w.groups, PLANES * w.part_plane,
				c->dw + (ptrdiff_t)i * c->O, (ptrdiff_t)c->I * c->O, c->O);
	}
}
