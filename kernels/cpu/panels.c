/* panels: weights in the order in which the tiles read them. */
#include "kernels/cpu/conv.h"

#include <string.h>

void panels_plan(struct panels *p, struct room *r, int depth, int columns)
{
	const struct tile_set *set = tile_best();

	*p = (struct panels){ set, depth, ceil_div(columns, set->lanes), 0, NULL };
	p->count = ceil_div(p->vecs, set->wide);
	p->p = conv_take(r, (size_t)depth * (size_t)p->vecs * (size_t)set->lanes);
}

/* As even as they can be: nine vectors are 3 + 3 + 3, not 4 + 4 + 1. */
int panels_first(const struct panels *p, int panel)
{
	int vecs = panel * (p->vecs / p->count) + least(panel, p->vecs % p->count);

	return vecs * p->set->lanes;
}

int panels_width(const struct panels *p, int panel)
{
	return panels_first(p, panel + 1) - panels_first(p, panel);
}

float *panels_at(const struct panels *p, int panel)
{
	return p->p + (ptrdiff_t)panels_first(p, panel) * p->depth;
}

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));

/* to[c][o] = w[o][c] for four of each, rows of `to` `width` apart, of w `pitch`. */
static inline void transpose4(float *to, ptrdiff_t width, const float *w, ptrdiff_t pitch)
{
	four a = *(const four *)w, b = *(const four *)(w + pitch);
	four c = *(const four *)(w + 2 * pitch), d = *(const four *)(w + 3 * pitch);
	four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
	four cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
	four ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
	four cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);

	*(four *)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
	*(four *)(to + width) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
	*(four *)(to + 2 * width) = __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5);
	*(four *)(to + 3 * width) = __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7);
}

/* to[c][width] = w[o][c] transposed, inputs in blocks whose rows stay in the first cache. */
static void transpose(float *to, const float *w, ptrdiff_t pitch, int C, int cols, int width)
{
	enum { BLOCK = 32 };

	for (int c0 = 0; c0 < C; c0 += BLOCK) {
		int c1 = least(C, c0 + BLOCK), o = 0;

		for (; o + 4 <= cols; o += 4) {
			int c = c0;

			for (; c + 4 <= c1; c += 4)
				transpose4(to + (ptrdiff_t)c * width + o, width, w + o * pitch + c,
					pitch);
			for (; c < c1; c++)
				for (int i = o; i < o + 4; i++)
					to[(ptrdiff_t)c * width + i] = w[i * pitch + c];
		}
		for (; o < cols; o++)
			for (int c = c0; c < c1; c++)
				to[(ptrdiff_t)c * width + o] = w[o * pitch + c];
	}
}

void panels_tap(float *to, const struct taps *t, int tap, int first, int width)
{
	int cols = least(width, t->O - first);
	const float *w = t->w + tap / t->L * t->k + tap % t->L * t->l + first * t->o;

	if (t->o != 1) transpose(to, w, t->o, t->C, cols, width);
	for (int c = 0; c < t->C; c++, to += width) {
		if (t->o == 1) memcpy(to, w + c * t->c, sizeof(float) * (size_t)cols);
		if (cols < width) memset(to + cols, 0, sizeof(float) * (size_t)(width - cols));
	}
}

void panels_one(const struct panels *p, const struct taps *t, int panel, float *to)
{
	int first = panels_first(p, panel), width = panels_width(p, panel);

	for (int tap = 0; tap < t->K * t->L; tap++, to += (ptrdiff_t)t->C * width)
		panels_tap(to, t, tap, first, width);
}

void panels_pack(struct panels *p, const struct taps *t, int threads)
{
	int taps = t->K * t->L;

#pragma omp parallel for num_threads(threads) if ((int64_t)p->depth * t->O > 16384)
	for (int i = 0; i < p->count * taps; i++) {
		int panel = i / taps, tap = i % taps, width = panels_width(p, panel);
		float *to = panels_at(p, panel) + (ptrdiff_t)tap * t->C * width;

		panels_tap(to, t, tap, panels_first(p, panel), width);
	}
}
