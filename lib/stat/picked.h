/* picked: some rows of a set as a set. */
#ifndef IC_PICKED_H
#define IC_PICKED_H

#include "lib/stat/knn.h"

/* Borrows the rows of a measured set at at[n]; ctx of `set` points here, so it must stay where it
 * is. */
struct picked {
	struct knn_set set;
	const struct knn_set *of;
	const uint32_t *at;
	uint64_t *keys;                      /* [n], owned */
};

void picked_open(struct picked *, const struct knn_set *, const uint32_t *at, int64_t n);
void picked_close(struct picked *);

#endif
