/* tile: the inner loops of products and convolutions, once per instruction set; everything that
 * is not here is plain C. */
#ifndef IC_TILE_H
#define IC_TILE_H

#include <stddef.h>
#include <stdint.h>

/* The largest tile, in rows and vectors, and the longest vector. */
enum { TILE_ROWS = 8, TILE_WIDE = 4, TILE_LANES = 16 };

/* c[m][n] = (add ? c[m][n] : 0) + sum over j < runs, t < run of
 * a[m][j as + t la] * b[j bs + t lb + n], in this order: a row depends on nothing but its own
 * numbers.  With bias, instead of add: min(max(sum + bias[n] + more[m][n], lo), hi), where NaN
 * stays; more[0] NULL: none.  All tile_set.rows[vectors] pointers of a must be readable, c and more
 * have `rows` of them; b is readable up to a whole vector, of c, bias and more only n < cols.
 * Unless soon is 0, where la is 1, each step of t fetches into the second cache what lies at the
 * addresses soon and soon + soon2, of any memory or none, and soon moves on by a pace. */
struct tile {
	const float *a[TILE_ROWS];
	float *c[TILE_ROWS];
	const float *b;
	int rows, cols, runs, run, add;
	ptrdiff_t as, la, bs, lb;
	const float *bias, *more[TILE_ROWS];
	float lo, hi;
	uintptr_t soon, soon2, pace;
};

/* The maps of a Winograd form, each over `channels` channels, a multiple of `lanes`: a tile of 4x4
 * outputs becomes one value in each of side^2 planes.
 *
 * full: F(4x4, 3x3), 36 planes.  The points are 0, +-sqrt(1/2), +-sqrt(2), infinity: the largest
 * errors are a third of those of the usual 0, +-1, +-2, about those of a plain sum.
 *
 * half: 3x3 taps w between an image and one of twice its side, which a pixel of the small one sees
 * as four phases of 2x2 taps: in rows (w0, w1 + w2) in phase 0 and (w0 + w1, w2) in phase 1, in
 * columns alike; phase = 2 row + column.  Each is F(4x4, 2x2), 25 planes, of points +-1/2, +-5/4,
 * infinity. */
struct wino_maps {
	int side, phases;
	/* planes = B' d B of the side x side pixels at x */
	void (*in)(const float *x, ptrdiff_t pixel, ptrdiff_t row, float *planes, ptrdiff_t plane,
		int channels);
	/* y[4][4] = A' planes A */
	void (*out)(const float *planes, ptrdiff_t plane, float *y, ptrdiff_t pixel, ptrdiff_t row,
		int channels);
	/* planes = G w G' of the 3x3 taps at w */
	void (*taps)(const float *w, ptrdiff_t tap, float *planes, ptrdiff_t plane, int channels,
		int phase);
	/* planes = A dy A' of the 4x4 pixels at dy: the adjoint of out */
	void (*out_t)(const float *dy, ptrdiff_t pixel, ptrdiff_t row, float *planes,
		ptrdiff_t plane, int channels);
	/* w[3][3] (phase 0) or w[3][3] + (later ones) = G' (sum of `parts` sets of planes) G: the
	 * adjoint of taps */
	void (*taps_t)(const float *planes, ptrdiff_t plane, int parts, ptrdiff_t part, float *w,
		ptrdiff_t tap, int channels, int phase);
};

struct tile_set {
	int lanes;                           /* floats in a vector */
	int wide;                            /* vectors in the widest tile */
	int rows[TILE_WIDE + 1];             /* rows of a tile of that many vectors */
	void (*product[TILE_WIDE + 1])(const struct tile *);
	struct wino_maps full, half;
	/* y[q][c] = sum over k < taps_k, l < taps_l of
	 * x[k row + (q stride + l) channels + c] * w[k w_row + l channels + c] */
	void (*depthwise)(float *y, int pixels, int channels, const float *x, ptrdiff_t row,
		int stride, const float *w, int taps_k, int taps_l, ptrdiff_t w_row);
	/* y[c] = the largest of x[k row + l channels + c], k < rows, l < cols; NaN stays */
	void (*largest)(float *y, const float *x, ptrdiff_t row, int rows, int cols, int channels);
	/* y[q][c] = min(max(y[q][c] + bias[c] + more[q][c], lo), hi), NaN stays; more NULL: none */
	void (*finish)(float *y, int pixels, int channels, const float *bias, const float *more,
		float lo, float hi);
};

extern const struct tile_set tile_base, tile_avx2, tile_avx512;
const struct tile_set *tile_best(void);      /* what this CPU has */

/* So many floats from here and from there on are fetched in so many steps. */
static inline void tile_fetch(struct tile *t, const float *here, const float *there, int64_t floats,
	int64_t steps)
{
	if (!steps) return;
	t->soon = (uintptr_t)here;
	t->soon2 = (uintptr_t)there - t->soon;
	t->pace = (uintptr_t)((4 * floats + steps - 1) / steps);
}

static inline void tile_run(const struct tile_set *set, struct tile *t, int vecs)
{
	set->product[vecs](t);
	if (t->soon) t->soon += (uintptr_t)t->runs * (uintptr_t)t->run * t->pace;
}

/* t tile by tile over `rows` rows of a and c, a_row and c_row apart; width is cols in whole
 * vectors. */
static inline void tile_rows(const struct tile_set *set, struct tile *t, int width, int rows,
	const float *a, ptrdiff_t a_row, float *c, ptrdiff_t c_row)
{
	int vecs = width / set->lanes, high = set->rows[vecs];

	for (int at = 0; at < rows; at += high, a += high * a_row, c += high * c_row) {
		t->rows = high < rows - at ? high : rows - at;
		for (int m = 0; m < high; m++) {
			t->a[m] = a + (m < t->rows ? m : 0) * a_row;
			t->c[m] = c + (m < t->rows ? m : 0) * c_row;
		}
		tile_run(set, t, vecs);
	}
}

#endif
