/* kid: the kernel distance, the unbiased squared maximum mean discrepancy of k(x, y) = (x.y /
 * width + 1)^3. */
#ifndef IC_KID_H
#define IC_KID_H

#include "lib/stat/knn.h"

struct kid { double value, error; };         /* error: the standard error */

/* Over all pairs of rows: no subsets are drawn. Both sets have two rows or more. 0, or -1
 * after fail(). */
int kid_distance(struct kid *, const struct knn_set *x, const struct knn_set *y);

#endif
