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
	return panel * (p->vecs / p->count) + least(panel, p->vecs % p->count);
}

float *panels_at(const struct panels *p, int panel)
{
	return p->p + (size_t)panels_first(p, panel) * (size_t)p->set->lanes * (size_t)p->depth;
}

static void pack_tap(float *to, const struct taps *t, ptrdiff_t at, int first, int width)
{
	int cols = least(width, t->O - first);

	for (int c = 0; c < t->C; c++, to += width) {
		const float *w = t->w + at + c * t->c + first * t->o;

		if (t->o == 1) memcpy(to, w, sizeof(float) * (size_t)cols);
		else for (int o = 0; o < cols; o++) to[o] = w[o * t->o];
		if (cols < width) memset(to + cols, 0, sizeof(float) * (size_t)(width - cols));
	}
}

void panels_pack(struct panels *p, const struct taps *t, int threads)
{
	int taps = t->K * t->L, lanes = p->set->lanes;

#pragma omp parallel for num_threads(threads) if ((int64_t)p->depth * t->O > 16384)
	for (int i = 0; i < p->count * taps; i++) {
		int panel = i / taps, k = i % taps / t->L, l = i % taps % t->L;
		int first = panels_first(p, panel) * lanes, width = panels_first(p, panel + 1) * lanes - first;

		pack_tap(panels_at(p, panel) + (ptrdiff_t)(i % taps) * t->C * width, t, k * t->k + l * t->l, first, width);
	}
}
