/* guess: of a random sample of base rows, one from each equal part, the rank whose score is most
 * likely below that of a query's k-th nearest. */
#ifndef IC_GUESS_H
#define IC_GUESS_H

#include "lib/stat/knn.h"

/* Of n rows about `mean' are among the k nearest, hardly ever more than three deviations above
 * that, and maybe the query itself: the rank of the next; of all base rows, that of the k-th. */
int guess_rank(const struct knn *, int n);
/* Positions of n base rows, at most all. */
void guess_sample(const struct knn *, int n, uint32_t *at);

#endif
