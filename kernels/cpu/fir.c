/* fir: resampling with a small filter: each output pixel is a blend of the input pixels under the
 * filter's taps that do not meet a zero: a vector of channels, or those of many pixels in a row. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

#include <omp.h>
#include <string.h>

enum { MANY = 64 };                          /* channels that are a blend of their own */

/* A thread's list of the pixels to blend, and room for a row of pixels. */
struct taps { const float **x; float *f, *row; };

static size_t row_size(const struct view *x)
{
	return (size_t)x[0].s.d[2] * (size_t)x[0].s.d[3];
}

size_t cpu_fir_scratch(struct backend *b, struct view y, const struct view *x,
		       const struct attr *a)
{
	(void)y, (void)a;
	size_t taps = shape_count(x[1].s) * (sizeof(float *) + sizeof(float));
	return (size_t)b->threads * (taps + row_size(x) * sizeof(float));
}

static struct taps taps_of(struct backend *b, const struct view *x)
{
	size_t count = shape_count(x[1].s), thread = (size_t)omp_get_thread_num();
	size_t threads = (size_t)b->threads;
	const float **first = b->work;
	float *f = (float *)(first + threads * count), *row = f + threads * count;

	return (struct taps){ first + thread * count, f + thread * count,
			      row + thread * row_size(x) };
}

/* Where the pixel at `at` of the zero-filled image comes from along one axis, or -1: a zero. */
static int source(int at, int up, int size)
{
	return at < 0 || at % up || at / up >= size ? -1 : at / up;
}

static int gather(struct taps t, const struct view *x, const struct attr *a, int n, int p, int q)
{
	int up = a->i[0], down = a->i[1], rows = x[1].s.d[1], cols = x[1].s.d[2], count = 0;
	int high = x[0].s.d[1], wide = x[0].s.d[2];
	size_t channels = (size_t)x[0].s.d[3];
	const float *image = x[0].p + (size_t)n * (size_t)high * (size_t)wide * channels;

	for (int k = 0; k < rows; k++) {
		int h = source(p * down + k - a->i[2], up, high);
		if (h < 0) continue;
		for (int l = 0; l < cols; l++) {
			int w = source(q * down + l - a->i[4], up, wide), tap = k * cols + l;
			if (w < 0) continue;
			t.x[count] = image + ((size_t)h * (size_t)wide + (size_t)w) * channels;
			t.f[count++] = x[1].p[a->i[6] ? rows * cols - 1 - tap : tap];
		}
	}
	return count;
}

/* Pixels that are blends under the same taps lie `period` apart, and what they blend `shift`. */
struct pace { int period, shift; };

static struct pace pace_of(const struct attr *a)
{
	int x = a->i[0], y = a->i[1];

	while (y) {
		int rest = x % y;
		x = y, y = rest;
	}
	return (struct pace){ a->i[0] / x, a->i[1] / x };
}

/* How many pixels of a row from q on, a period apart, have no tap beyond the image. */
static int alike(const struct view *x, const struct attr *a, int q, int end, int period)
{
	int first = q * a->i[1] - a->i[4], cols = x[1].s.d[2];
	int last = (x[0].s.d[2] * a->i[0] - cols + a->i[4]) / a->i[1];

	if (last >= end) last = end - 1;
	return first >= 0 && q <= last ? (last - q) / period + 1 : 1;
}

/* Neighbours in turn are one blend; those of a shift are made with what lies between them, where
 * that costs less than a blend each. */
static void blend_row(float *to, struct taps t, const struct view *x, const struct attr *a, int n,
		      int p, int end)
{
	const struct rows *r = cpu_rows();
	struct pace pace = pace_of(a);
	size_t channels = (size_t)x[0].s.d[3], step = (size_t)pace.shift * channels;
	bool alone = pace.shift > 1 && channels >= MANY;

	for (int first = 0; first < pace.period; first++)
		for (int q = first, k; q < end; q += k * pace.period) {
			int count = gather(t, x, a, n, p, q);
			float *y = to + (size_t)q * channels;
			k = alone ? 1 : alike(x, a, q, end, pace.period);
			bool whole = k == 1 || (pace.period == 1 && pace.shift == 1);
			r->blend(whole ? y : t.row, t.x, t.f, count,
				 (size_t)(k - 1) * step + channels);
			for (int i = 0; i < k && !whole; i++, y += (size_t)pace.period * channels)
				memcpy(y, t.row + (size_t)i * step, channels * sizeof *y);
		}
}

void cpu_fir(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t row = (size_t)y.s.d[2] * (size_t)y.s.d[3];

#pragma omp parallel for collapse(2) if (shape_count(y.s) >= CPU_ALONE) num_threads(b->threads)
	for (int n = 0; n < y.s.d[0]; n++)
		for (int p = 0; p < y.s.d[1]; p++)
			blend_row(y.p + ((size_t)n * (size_t)y.s.d[1] + (size_t)p) * row,
				  taps_of(b, x), x, a, n, p, y.s.d[2]);
}
