/* wino_part: tiles of images to and from the planes of Winograd's F(4x4, 3x3). */
#include "kernels/cpu/conv.h"

#include <string.h>

bool wino_shape(int K, int L, int stride, int I, int O, int P, int Q)
{
	if (K != 3 || L != 3 || stride != 1 || I % 16 || O % 16) return false;
	int64_t made = (int64_t)ceil_div(P, 4) * ceil_div(Q, 4) * WINO_PLANES;
	int64_t plain = (int64_t)P * Q * 9;

	return 5 * made <= 4 * plain;
}

struct wino_source wino_input(const struct tile_set *set, const float *x, int H, int W, int C,
	int top, int left, int P, int Q)
{
	return (struct wino_source){ x, H, W, C, top, left, 6, ceil_div(P, 4), ceil_div(Q, 4),
		set->wino_in };
}

struct wino_source wino_gradient(const struct tile_set *set, const float *dy, int P, int Q, int O)
{
	return (struct wino_source){ dy, P, Q, O, 0, 0, 4, ceil_div(P, 4), ceil_div(Q, 4),
		set->wino_out_t };
}

void wino_load(const struct wino_source *s, int64_t tile, int first, int channels, float *planes,
	ptrdiff_t plane, float *window)
{
	int per = s->down * s->across, at = (int)(tile % per);
	int h = at / s->across * 4 - s->top, v = at % s->across * 4 - s->left;
	const float *image = s->p + tile / per * s->H * s->W * s->C + first;

	if (h >= 0 && v >= 0 && h + s->side <= s->H && v + s->side <= s->W) {
		s->map(image + ((ptrdiff_t)h * s->W + v) * s->C, s->C, (ptrdiff_t)s->W * s->C,
			planes, plane, channels);
		return;
	}
	conv_window(window, image, s->H, s->W, s->C, channels, h, s->side, v, s->side);
	s->map(window, channels, s->side * (ptrdiff_t)channels, planes, plane, channels);
}

void wino_store(const struct tile_set *set, const struct corr *c, int64_t tile, int first,
	int channels, const float *planes, ptrdiff_t plane, float *window)
{
	int across = ceil_div(c->Q, 4), per = ceil_div(c->P, 4) * across, O = c->t.O;
	int p = (int)(tile % per) / across * 4, q = (int)(tile % per) % across * 4;
	float *y = c->y + ((tile / per * c->P + p) * c->Q + q) * O + first;

	if (p + 4 <= c->P && q + 4 <= c->Q) {
		set->wino_out(planes, plane, y, O, (ptrdiff_t)c->Q * O, channels);
		return;
	}
	set->wino_out(planes, plane, window, channels, 4 * (ptrdiff_t)channels, channels);
	for (int i = 0; i < least(4, c->P - p); i++)
		for (int j = 0; j < least(4, c->Q - q); j++)
			memcpy(y + ((ptrdiff_t)i * c->Q + j) * O, window + (4 * i + j) * channels,
				sizeof(float) * (size_t)channels);
}
