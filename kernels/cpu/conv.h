/* conv: what the ways to convolve share: the problem, its weights in panels, scratch in pieces. */
#ifndef IC_CONV_H
#define IC_CONV_H

#include "kernels/cpu/tile.h"
#include "kernels/kernels.h"

#include <stdbool.h>
#include <stdint.h>

/* Scratch handed out in pieces on 64 bytes; with base NULL it only counts. */
struct room { char *base; size_t used; };
float *conv_take(struct room *, size_t floats);

/* w[k][l][c][o] by strides in floats, which may be negative (flipped taps) or swapped (adjoints);
 * c or o is 1. */
struct taps { const float *w; int K, L, C, O; ptrdiff_t k, l, c, o; };

/* The taps as a matrix [depth = (k, l, c)][o], columns cut into panels of at most set->wide
 * vectors, each panel dense, its last vector filled with zeros. */
struct panels { const struct tile_set *set; int depth, vecs, count; float *p; };
void panels_plan(struct panels *, struct room *, int depth, int columns);
void panels_pack(struct panels *, const struct taps *, int threads);
void panels_one(const struct panels *, const struct taps *, int panel, float *to);
/* to[c][width] = the tap's columns [first, first + width), zeros after the last. */
void panels_tap(float *to, const struct taps *, int tap, int first, int width);
int panels_first(const struct panels *, int panel);     /* its first column */
int panels_width(const struct panels *, int panel);     /* its columns in whole vectors */
float *panels_at(const struct panels *, int panel);

/* What becomes of a sum: min(max(sum + bias[o] + more, lo), hi), NaN stays; more: like y, or NULL.
 */
struct ends { bool on; const float *bias, *more; float lo, hi; };

/* y[n][p step + y0][q step + x0][o] = sum over k, l, c of
 * x[n][p stride + k - top][q stride + l - left][c] * w[k][l][c][o], x being zero outside.
 * P and Q are the rows and columns computed, YH and YW those of y. */
struct corr {
	const float *x;
	int N, H, W;
	struct taps t;
	int stride, top, left;
	float *y;
	int P, Q, YH, YW, step, y0, x0;
	int threads;
	enum conv_scale scale;               /* UP: x stands for up2(x); DOWN: y for its sum2 */
	struct ends ends;
	bool packed;                         /* t.w is what conv_pack made of the taps */
};

static inline struct view corr_x(const struct corr *c)
{
	return (struct view){ .p = (float *)c->x, .s = { { c->N, c->H, c->W, c->t.C } } };
}

static inline struct view corr_y(const struct corr *c)
{
	return (struct view){ .p = c->y, .s = { { c->N, c->P, c->Q, c->t.O } } };
}

/* The ways: each plans and, when room has a base, runs.
 * direct: any shape, by products over rows of taps.
 * few: few outputs, by one product for all taps and then their sum.
 * wino: 3x3 of stride 1; the planes of the taps stay in the cache.
 * wino_wide: the same for many channels; the planes of the taps are made where they are used.
 * Only wino_wide takes what is scaled, and wino_dw_run of the adjoints in w: such a problem that
 * does not suit them is for the caller to take apart. */
void direct_run(const struct corr *, struct room *);
int direct_strip(const struct corr *, size_t row_bytes);   /* output rows worth doing at a time */
void few_run(const struct corr *, struct room *);
void wino_run(const struct corr *, struct room *);
void wino_wide_run(const struct corr *, struct room *);
bool few_suits(const struct corr *);
bool wino_suits(const struct corr *);
bool wino_wide_suits(const struct corr *);
/* The taps in the order in which a way reads them, which for a problem with `packed` is direct or
 * wino whatever the number of images: floats of it; to: where it goes. */
size_t direct_packed(const struct corr *);
void direct_pack(const struct corr *, float *to);
size_t wino_packed(const struct corr *);
void wino_pack(const struct corr *, float *to);

/* dw[k][l][i][o] = sum over n, p, q of
 * x[n][p stride + k - top][q stride + l - left][i] * dy[n][p][q][o]. */
struct corr_dw {
	const float *x, *dy;
	float *dw;
	int N, H, W, I, P, Q, O, K, L, stride, top, left;
	int threads;
	enum conv_scale scale;
};
void direct_dw_run(const struct corr_dw *, struct room *);
void wino_dw_run(const struct corr_dw *, struct room *);
bool wino_dw_suits(const struct corr_dw *);

/* The parts of wino: images cut into tiles, 4x4 outputs apart; with scale, 4x4 pixels of the
 * smaller image.  The gap of floats keeps the planes' starts from competing for one cache set. */
enum { WINO_GAP = 16 };
struct wino_grid { int down, across; };      /* tiles of an image */
struct wino_source {
	const float *p;
	int H, W, C, top, left;
	int side, step;                      /* of a tile's window, and between its pixels */
	bool moves;                          /* a phase's window begins one pixel on */
	struct wino_grid grid;
	void (*map)(const float *, ptrdiff_t pixel, ptrdiff_t row, float *planes, ptrdiff_t plane,
		int channels);
};
const struct wino_maps *wino_maps(const struct tile_set *, enum conv_scale);
/* Whether it is worth while, of the problem's K, L, stride, top, left, sizes of x and y. */
bool wino_shape(enum conv_scale, int K, int L, int stride, int top, int left, struct shape x,
	struct shape y);
struct wino_source wino_input(const struct wino_maps *, enum conv_scale, struct view x, int top,
	int left, struct wino_grid);
struct wino_source wino_gradient(const struct wino_maps *, enum conv_scale, struct view dy,
	struct wino_grid);
struct wino_grid wino_grid(enum conv_scale, struct shape x, struct shape y);
/* Planes of `channels` channels from `first` of one tile, counted over all images, in a phase: of
 * so many in whole vectors, the rest from zeros; window[side][side] of those is scratch. */
void wino_load(const struct wino_source *, int64_t tile, int phase, int first, int channels,
	float *planes, ptrdiff_t plane, float *window);
/* The tile's 4x4 outputs of a phase, as far as they lie inside y, from planes of `channels`, in
 * whole vectors, of which y may have fewer; window[4][4][channels] is scratch. */
void wino_store(const struct wino_maps *, const struct corr *, struct wino_grid, int64_t tile,
	int phase, int first, int channels, const float *planes, ptrdiff_t plane, float *window);

/* Copies rows h0, h0 + step, ... and columns w0, w0 + step, ... of the first `channels` of the
 * image x[H][W][C], zero outside it, to `to`, whose pixels are `pitch` channels, zeros behind. */
void conv_window(float *to, int pitch, const float *x, int H, int W, int C, int channels, int step,
	int h0, int rows, int w0, int cols);

/* Fetches so many rows of so many pixels, of any memory or none: for what is read or written in
 * pieces so short that the processor does not see what comes next.  Inline by force: gcc takes a
 * function that only fetches for one that does nothing, and drops its calls. */
static inline __attribute__((always_inline)) void conv_fetch(const float *from, ptrdiff_t ahead,
	int rows, ptrdiff_t row, int pixels, ptrdiff_t pixel, int channels)
{
	uintptr_t first = (uintptr_t)from + sizeof(float) * (uintptr_t)ahead;

	for (int i = 0; i < rows; i++)
		for (int j = 0; j < pixels; j++)
			for (int c = 0; c < channels; c += 16) {
				ptrdiff_t at = i * row + j * pixel + c;

				__builtin_prefetch((void *)(first + sizeof(float) * (uintptr_t)at));
			}
}

static inline int ceil_div(int a, int b) { return (a + b - 1) / b; }
/* Channels in whole vectors. */
static inline int whole(const struct tile_set *set, int channels)
{
	return ceil_div(channels, set->lanes) * set->lanes;
}
static inline int least(int a, int b) { return a < b ? a : b; }
static inline int most(int a, int b) { return a > b ? a : b; }

#endif
