/* wino_part: tiles of images to and from the planes of Winograd's F(4x4, 3x3) and F(4x4, 2x2). */
#include "kernels/cpu/conv.h"

#include <string.h>

const struct wino_maps *wino_maps(const struct tile_set *set, enum conv_scale scale)
{
	return scale ? &set->half : &set->full;
}

/* Of the two images, the one that is cut into tiles of 4x4. */
static struct shape tiled(enum conv_scale scale, struct shape x, struct shape y)
{
	return scale == CONV_UP ? x : y;
}

struct wino_grid wino_grid(enum conv_scale scale, struct shape x, struct shape y)
{
	struct shape s = tiled(scale, x, y);

	return (struct wino_grid){ ceil_div(s.d[1], 4), ceil_div(s.d[2], 4) };
}

static bool is_twice(struct shape large, struct shape small)
{
	return large.d[1] == 2 * small.d[1] && large.d[2] == 2 * small.d[2];
}

/* The products of planes are to be well below those of nine taps a pixel, 36 with scale. */
bool wino_shape(enum conv_scale scale, int K, int L, int stride, int top, int left, struct shape x,
	struct shape y)
{
	struct shape s = tiled(scale, x, y);
	struct wino_grid g = wino_grid(scale, x, y);
	int few = least(x.d[3], y.d[3]);
	int64_t made = (int64_t)g.down * g.across * (scale ? 100 : 36);
	int64_t plain = (int64_t)s.d[1] * s.d[2] * (scale ? 36 : 9);

	if (K != 3 || L != 3 || stride != 1 || few < 16) return false;
	if (scale && (top != 1 || left != 1)) return false;
	if (scale && !(scale == CONV_UP ? is_twice(y, x) : is_twice(x, y))) return false;
	return 5 * made <= 4 * plain;
}

struct wino_source wino_input(const struct wino_maps *maps, enum conv_scale scale, struct view x,
	int top, int left, struct wino_grid grid)
{
	const int *d = x.s.d;

	return (struct wino_source){ x.p, d[1], d[2], d[3], top, left, maps->side,
		scale == CONV_DOWN ? 2 : 1, scale != CONV_SAME, grid, maps->in };
}

struct wino_source wino_gradient(const struct wino_maps *maps, enum conv_scale scale,
	struct view dy, struct wino_grid grid)
{
	const int *d = dy.s.d;

	return (struct wino_source){ dy.p, d[1], d[2], d[3], 0, 0, 4,
		scale == CONV_UP ? 2 : 1, scale == CONV_UP, grid, maps->out_t };
}

void wino_load(const struct wino_source *s, int64_t tile, int phase, int first, int channels,
	float *planes, ptrdiff_t plane, float *window)
{
	int across = s->grid.across, per = s->grid.down * across, at = (int)(tile % per);
	int h = at / across * 4 * s->step - s->top + (s->moves ? phase / 2 : 0);
	int v = at % across * 4 * s->step - s->left + (s->moves ? phase % 2 : 0);
	int span = (s->side - 1) * s->step, wide = whole(tile_best(), channels);
	const float *image = s->p + tile / per * s->H * s->W * s->C + first;
	ptrdiff_t pixel = (ptrdiff_t)s->step * s->C, row = pixel * s->W;
	ptrdiff_t corner = ((ptrdiff_t)h * s->W + v) * s->C;

	if (at % across < across - 1)        /* what the next tile does not share */
		conv_fetch(image, corner + s->side * pixel, s->side, row, 4, pixel, channels);
	else conv_fetch(image, corner - v * s->C + 4 * row, s->side, row, s->side, pixel, channels);
	if (wide == channels && h >= 0 && v >= 0 && h + span < s->H && v + span < s->W) {
		s->map(image + corner, pixel, row, planes, plane, channels);
		return;
	}
	conv_window(window, wide, image, s->H, s->W, s->C, channels, s->step, h, s->side, v,
		s->side);
	s->map(window, wide, s->side * (ptrdiff_t)wide, planes, plane, wide);
}

static void end_pixels(const struct corr *c, float *y, int pixels, int first, int channels)
{
	const struct ends *e = &c->ends;

	tile_best()->finish(y, pixels, channels, e->bias + first,
		e->more ? e->more + (y - c->y) : NULL, e->lo, e->hi);
}

void wino_store(const struct wino_maps *maps, const struct corr *c, struct wino_grid grid,
	int64_t tile, int phase, int first, int channels, const float *planes, ptrdiff_t plane,
	float *window)
{
	int step = c->scale == CONV_UP ? 2 : 1, per = grid.down * grid.across, O = c->t.O;
	int p = (int)(tile % per) / grid.across * 4, q = (int)(tile % per) % grid.across * 4;
	int rows = least(4, c->P / step - p), cols = least(4, c->Q / step - q);
	int here = least(channels, O - first);
	ptrdiff_t pixel = (ptrdiff_t)step * O, row = pixel * c->Q;
	ptrdiff_t at = (tile / per * c->P + p * step + phase / 2 * (step - 1)) * c->Q
		+ q * step + phase % 2 * (step - 1);
	float *y = c->y + at * O + first;
	bool all = rows == 4 && cols == 4 && here == channels, last = q / 4 == grid.across - 1;

	conv_fetch(y, last ? 4 * row - q * pixel : 4 * pixel, 4, row, 4, pixel, channels);
	if (all) maps->out(planes, plane, y, pixel, row, channels);
	else maps->out(planes, plane, window, channels, 4 * (ptrdiff_t)channels, channels);
	for (int i = 0; i < rows && !all; i++)
		for (int j = 0; j < cols; j++)
			memcpy(y + i * row + j * pixel, window + (4 * i + j) * channels,
				sizeof(float) * (size_t)here);
	int together = pixel == here ? cols : 1;

	for (int i = 0; i < rows && c->ends.on; i++)
		for (int j = 0; j < cols; j += together)
			end_pixels(c, y + i * row + j * pixel, together, first, here);
}
