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
	int64_t measured;                    /* by rank_take, added up */
};

int rank_open(struct rank *, const struct knn_set *base, const struct knn_set *query,
	const struct ground *, int room);
void rank_close(struct rank *);              /* accepts a zeroed struct */

/* The distances of a query's candidates, or only of those with own[i]; 0, or -1 after fail(). */
int rank_measure(struct rank *, int64_t query, const struct shortlist *, const bool *own,
	double *distance);
/* The list of a query with that addend: its candidates, nearest first, equals by key. */
void rank_sort(struct rank *, double addend, const struct shortlist *, const double *distance);
/* Takes c, a candidate of a query with that addend, into its list if its score can reach the bar.
 * A full list is pruned; only rows that tie to within their slack still fill it: these are
 * measured, and k remain.  scratch[room of the list].  -1 after fail(). */
int rank_take(struct rank *, int64_t query, double addend, struct shortlist *, struct candidate c,
	double *scratch);

#endif
