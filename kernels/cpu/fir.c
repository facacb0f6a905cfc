/* fir: resampling with a small filter: each output pixel is a blend of the input pixels under the
 * filter's taps that do not meet a zero: a vector of channels, or those of many pixels in a row. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

#include <omp.h>
#include <string.h>

/* A thread's list of the pixels to blend. */
struct taps { const float **x; float *f; };

size_t cpu_fir_scratch(struct backend *b, struct view y, const struct view *x,
		       const struct attr *a)
{
	(void)y, (void)a;
	return shape_count(x[1].s) * (size_t)b->threads * (sizeof(float *) + sizeof(float));
}

static struct taps taps_of(struct backend *b, struct shape filter)
{
	size_t count = shape_count(filter), thread = (size_t)omp_get_thread_num();
	const float **first = b->work;

	return (struct taps){ first + thread * count,
			      (float *)(first + (size_t)b->threads * count) + thread * count };
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

/* How many pixels of a row from q on are blends of neighbours in turn under the same taps, so that
 * one blend makes them all: those whose taps meet no zero, when nothing is inserted or left out. */
static int alike(const struct view *x, const struct attr *a, int q)
{
	int first = a->i[4], end = first + x[0].s.d[2] - x[1].s.d[2] + 1;

	return a->i[0] == 1 && a->i[1] == 1 && q >= first && q < end ? end - q : 1;
}

void cpu_fir(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	const struct rows *r = cpu_rows();
	size_t channels = (size_t)y.s.d[3], row = (size_t)y.s.d[2] * channels;

#pragma omp parallel for collapse(2) if (shape_count(y.s) >= CPU_ALONE) num_threads(b->threads)
	for (int n = 0; n < y.s.d[0]; n++)
		for (int p = 0; p < y.s.d[1]; p++) {
			struct taps t = taps_of(b, x[1].s);
			float *to = y.p + ((size_t)n * (size_t)y.s.d[1] + (size_t)p) * row;
			for (int q = 0, k; q < y.s.d[2]; q += k, to += (size_t)k * channels) {
				k = alike(x, a, q);
				if (k > y.s.d[2] - q) k = y.s.d[2] - q;
				r->blend(to, t.x, t.f, gather(t, x, a, n, p, q),
					 (size_t)k * channels);
			}
		}
}
