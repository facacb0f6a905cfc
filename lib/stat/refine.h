/* refine: pairs of rows that the products of their high bytes leave, by their low bytes: first
 * those of the one row, which halves what is unknown, and where that does not decide, of the
 * other. */
#ifndef IC_REFINE_H
#define IC_REFINE_H

#include "lib/stat/quant.h"

#include <stdbool.h>

enum { REFINE_MOST = 256 };                  /* pairs at once */

/* Row i of x and row j of y.  left: y may be near x; right: the other way round.  dot: at first the
 * product of their high bytes; refined, x'.y' lies within dot - slack .. dot + slack. */
struct hit { int i, j; bool left, right; double dot, slack; };

/* Of n hits those that may still reach x_bar[i] (left) or y_bar[j] (right), first in hit[] from
 * then on; returns how many.  Adds to halved and refined. */
int refine(const struct near_set *, const struct quant *x, const float *x_bar,
	const struct quant *y, const float *y_bar, struct hit *hit, int n, struct knn_effort *);

#endif
