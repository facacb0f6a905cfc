/* pool: the largest and the mean of the pixels under a window, channels innermost. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/tile.h"

#include <stdbool.h>

/* The part of a window that lies in the picture: x[h..h+rows)[w..w+cols). */
struct window { const float *x; ptrdiff_t row; int rows, cols, channels; };

static void mean(const struct window *p, float *restrict y, int divisor)
{
	for (int c = 0; c < p->channels; c++) y[c] = 0;
	for (int k = 0; k < p->rows; k++)
		for (int l = 0; l < p->cols; l++) {
			const float *x = p->x + k * p->row + (ptrdiff_t)l * p->channels;
			for (int c = 0; c < p->channels; c++) y[c] += x[c];
		}
	for (int c = 0; c < p->channels; c++) y[c] *= 1 / (float)divisor;
}

/* A window's first and last positions along one dimension, inside 0..n. */
static void cut(int at, int reach, int n, int *first, int *count)
{
	int end = at + reach < n ? at + reach : n;

	*first = at > 0 ? at : 0;
	*count = end - *first;
}

static void pool(struct backend *b, struct view y, struct view x, const struct attr *a, bool max)
{
	int rows = y.s.d[0] * y.s.d[1], H = x.s.d[1], W = x.s.d[2], C = x.s.d[3];
	double work = (double)shape_count(y.s) * a->i[5] * a->i[6];
	const struct tile_set *set = tile_best();

#pragma omp parallel for if (work >= CPU_ALONE) num_threads(b->threads)
	for (int i = 0; i < rows; i++) {
		const float *image = x.p + (ptrdiff_t)(i / y.s.d[1]) * H * W * C;
		float *to = y.p + (ptrdiff_t)i * y.s.d[2] * C;
		struct window p = { .row = (ptrdiff_t)W * C, .channels = C };
		int h, w;

		cut(i % y.s.d[1] * a->i[0] - a->i[1], a->i[5], H, &h, &p.rows);
		for (int q = 0; q < y.s.d[2]; q++, to += C) {
			cut(q * a->i[0] - a->i[3], a->i[6], W, &w, &p.cols);
			p.x = image + h * p.row + (ptrdiff_t)w * C;
			if (max) set->largest(to, p.x, p.row, p.rows, p.cols, C);
			else mean(&p, to, a->i[7] ? a->i[5] * a->i[6] : p.rows * p.cols);
		}
	}
}

void cpu_maxpool(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	pool(b, y, x[0], a, true);
}

void cpu_avgpool(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	pool(b, y, x[0], a, false);
}
