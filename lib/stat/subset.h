/* subset: chosen rows of a set, as a set of their own. */
#ifndef IC_SUBSET_H
#define IC_SUBSET_H

#include "lib/stat/knn.h"

/* Not to be moved while its set is in use. */
struct subset {
	struct knn_set set;
	const struct knn_set *of;            /* borrowed */
	const uint32_t *at;                  /* [set.count] positions in it; borrowed */
	uint64_t *keys;                      /* [set.count]; owned */
};

/* Rows at[n], in that order; measured where the whole is.  0, or -1 after fail(). */
int subset_open(struct subset *, const struct knn_set *of, const uint32_t *at, int64_t n);
void subset_close(struct subset *);          /* accepts a zeroed struct */

#endif
