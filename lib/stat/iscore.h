/* iscore: the Inception Score, exp(mean_x KL(p(class|x) | p(class))), from rows of logits. */
#ifndef IC_ISCORE_H
#define IC_ISCORE_H

#include "lib/stat/knn.h"

struct iscore { double mean, deviation; };   /* over the parts, the deviation with divisor parts */

/* Part i is rows i*count/parts .. (i+1)*count/parts - 1, in their order. 0, or -1 after
 * fail(). */
int iscore_parts(struct iscore *, const struct knn_set *logits, int parts);
int iscore_range(double *score, const struct knn_set *logits, int64_t first, int64_t n);

#endif
