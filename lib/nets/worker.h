/* worker: one thread's own programs of a network: the first part, whose values are many, picture by
 * picture, which keeps them in the cache; the second part, whose weights are many (see
 * folded_later), on several pictures at once. */
#ifndef IC_WORKER_H
#define IC_WORKER_H

#include "lib/nets/folded.h"

enum { WORKER_BATCH = 8 };                   /* pictures of the second part */

struct worker {
	struct backend *b;
	struct tape *first, *second;         /* second NULL: a network of one part */
	real *x;                             /* [side][side][3], which the first part reads */
	val y, last;                         /* what the parts give */
	size_t row;                          /* numbers of y */
	real *between;                       /* [WORKER_BATCH][row], which the second part reads */
};

/* From x[1][side][side][3] to [n,1,1,width]. */
typedef val worker_build(void *ctx, struct folded *, val x);

/* Workers share the folded layers, and live no longer.  0, or -1 after fail(). */
int worker_open(struct worker *, struct folded *, int side, worker_build *, void *ctx);
/* The picture in x, as the one in this place of the batch. */
void worker_put(struct worker *, int place);
/* [WORKER_BATCH][width], of the pictures put since; borrowed until the next put. */
const real *worker_get(struct worker *);
void worker_close(struct worker *);          /* accepts a zeroed struct */

#endif
