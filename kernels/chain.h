/* chain: the dimensions of a chain's space, as few as its views allow: neighbours that every view
 * either has or broadcasts become one.  For the files of backends that run chains. */
#ifndef IC_CHAIN_H
#define IC_CHAIN_H

#include "kernels/kernels.h"

/* Every view has both dimensions, or broadcasts both. */
static inline int chain_alike(const struct chain *c, int j, int k)
{
	for (int i = 0; i < c->n; i++) {
		const struct chain_step *s = &c->step[i];
		if ((s->out.s.d[j] == 1) != (s->out.s.d[k] == 1)) return 0;
		for (int x = 0; x < s->inputs; x++)
			if (s->from[x] < 0 && (s->in[x].s.d[j] == 1) != (s->in[x].s.d[k] == 1))
				return 0;
	}
	return 1;
}

/* The sizes d[] and how many there are, at least one; origin: a dimension of the space that each
 * comes from. */
static inline int chain_dims(const struct chain *c, size_t d[4], int origin[4])
{
	int rank = 0;

	for (int k = 0; k < 4; k++) {
		if (c->space.d[k] == 1) continue;
		if (rank && chain_alike(c, origin[rank - 1], k)) {
			d[rank - 1] *= (size_t)c->space.d[k];
		} else {
			d[rank] = (size_t)c->space.d[k];
			origin[rank++] = k;
		}
	}
	if (rank) return rank;
	d[0] = 1;
	origin[0] = 3;
	return 1;
}

#endif
