/* prdc: precision and recall (Kynkaanniemi et al., NeurIPS 2019), density and coverage (Naeem
 * et al., ICML 2020), as counts. */
#ifndef IC_PRDC_H
#define IC_PRDC_H

#include "lib/stat/knn.h"

/* A ball around a row reaches to the k-th nearest other row of its own set. */
struct prdc {
	int k;
	bool closed;                         /* <= is inside (Kynkaanniemi), else < (Naeem) */
	int64_t precise;                     /* of y: in the ball of some x */
	int64_t recalled;                    /* of x: in the ball of some y */
	int64_t inside;                      /* pairs: y in the ball of x */
	int64_t covered;                     /* of x: some y in its ball */
};

/* x: the real rows; both measured for KNN_L2, of one width. Ties are decided exactly. After
 * filling k and closed: 0, or -1 after fail(). */
int prdc_count(struct prdc *, const struct knn_set *x, const struct knn_set *y);

#endif
