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
	double *x, *distance;                /* [width]; [room] for the caller's */
	struct ranked *list;                 /* [room]: the result */
};

int rank_open(struct rank *, const struct knn_set *base, const struct knn_set *query,
	const struct ground *, int room);
void rank_close(struct rank *);              /* accepts a zeroed struct */

/* The distances of a query's candidates, or only of those with own[i]; 0, or -1 after fail(). */
int rank_measure(struct rank *, int64_t query, const struct shortlist *, const bool *own,
	double *distance);
/* The list of a query with that addend: its candidates, nearest first, equals by key. */
void rank_sort(struct rank *, double addend, const struct shortlist *, const double *distance);
/* The score that a query's base row can be given for sure, and its slack, both as a candidate. */
struct candidate rank_candidate(const struct ranked *);

#endif
