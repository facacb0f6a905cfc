/* rank: candidates measured from the rows themselves, in double: what decides between
 * neighbours. */
#ifndef IC_RANK_H
#define IC_RANK_H

#include "lib/stat/ground.h"
#include "lib/stat/shortlist.h"

/* distance: squared but for KNN_IP. */
struct ranked { double distance, score; uint64_t key; uint32_t at; };

struct rank {                                /* one thread's */
	const struct knn_set *base, *query;
	const struct ground *ground;
	float *row[2];                       /* room for a row and the next */
	double *x;
	struct ranked *list;                 /* [room]: the result */
};

int rank_open(struct rank *, const struct knn_set *base, const struct knn_set *query,
	const struct ground *, int room);
void rank_close(struct rank *);              /* accepts a zeroed struct */

/* The candidates of a query with that addend, nearest first, equals by key; 0, or -1 after
 * fail(). */
int rank_measure(struct rank *, int64_t query, double addend, const struct shortlist *);
/* The score that a query's base row can be given for sure, and its slack, both as a candidate. */
struct candidate rank_candidate(const struct ranked *);

#endif
