/* compare: the scores of one set of feature rows beside another, by whatever is asked for. */
#ifndef IC_COMPARE_H
#define IC_COMPARE_H

#include "lib/stat/iscore.h"
#include "lib/stat/kid.h"
#include "lib/stat/prdc.h"
#include "lib/stat/stats.h"

enum {
	COMPARE_FD = 1, COMPARE_SE = 2, COMPARE_HALF = 4, COMPARE_INF = 8, COMPARE_KID = 16,
	COMPARE_PRDC = 32, COMPARE_IS = 64, COMPARE_MIND = 128,
	/* The distance by itself, or what is said of it. */
	COMPARE_MOMENTS = COMPARE_FD | COMPARE_SE | COMPARE_HALF | COMPARE_INF,
	COMPARE_REAL_ROWS = COMPARE_KID | COMPARE_PRDC | COMPARE_MIND,
	COMPARE_FAKE_ROWS = COMPARE_REAL_ROWS | COMPARE_HALF | COMPARE_INF | COMPARE_IS,
	COMPARE_DIRECTIONS = 1000,           /* of the sliced distance */
	COMPARE_PARTS = 10,                  /* of the Inception Score */
};

struct compare {
	int wanted;                          /* of the above */
	int k;                               /* COMPARE_PRDC: see prdc.h */
	bool closed;
	uint64_t seed;                       /* COMPARE_HALF, COMPARE_INF, COMPARE_MIND */
};

/* rows NULL: only statistics are known.  With rows, stats are computed where they are needed; the
 * rows of COMPARE_PRDC are measured for KNN_L2. */
struct compare_side { const struct knn_set *rows; struct stats stats; };

struct scores {
	struct frechet fd;
	double error;                        /* the standard error of the distance */
	double half, endless;                /* without the bias of few generated rows: two ways */
	struct kid kid;
	struct prdc prdc;
	double mind;
	struct iscore is;
};

/* 0, or -1 after fail(). */
int compare_sides(struct scores *, const struct compare *, struct compare_side *real,
	struct compare_side *fake);

#endif
