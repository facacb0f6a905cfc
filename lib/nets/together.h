/* together: a whole network as one program for a batch of pictures, for a device. */
#ifndef IC_TOGETHER_H
#define IC_TOGETHER_H

#include "lib/nets/worker.h"

struct together {
	struct tape *t;
	real *x;                             /* [batch][side][side][3] */
	val y;                               /* [batch,1,1,width] */
	size_t input, width;                 /* numbers of one picture and of its row */
	int batch;
};

/* The folded layers must live as long.  0, or -1 after fail(). */
int together_open(struct together *, struct folded *, struct backend *, int batch, int side,
	worker_build *, void *ctx);
/* Rows f[batch][width] of n pictures x[n][side][side][3]; those behind the n-th are any.  -1 after
 * fail(). */
int together_run(struct together *, int n, const real *x, real *f);
void together_close(struct together *);      /* accepts a zeroed struct */

#endif
