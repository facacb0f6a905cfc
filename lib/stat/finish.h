/* finish: queries whose shortlists are complete: their candidates are measured and put in order.
 * A pair of which each is the other's candidate is measured once. */
#ifndef IC_FINISH_H
#define IC_FINISH_H

#include "lib/stat/fault.h"
#include "lib/stat/rank.h"

struct finish {
	const struct knn *job;               /* first four fields: the caller's */
	const struct ground *ground;
	int room, most;                      /* candidates of a list; queries at once */
	struct knn_effort effort;            /* adds up measured and undecided */
	uint32_t *at;                        /* [most][k]: the result, positions of base rows, */
	double *distance;                    /* [most][k]: nearest first */
	const struct shortlist *list;        /* [n]: of the queries at work, from `first` on */
	int64_t first;
	int n;
	uint32_t *base;                      /* [most][room]: the candidates' positions */
	double *measured;                    /* [most][room]: of the candidates as they lie, or */
	bool *own;                           /* [most][room]: if not own the other's place */
	struct turn *turn;                   /* [most]: the order in which queries are measured */
	struct rank *rank;                   /* [threads] */
	struct fault fault;
};

int finish_open(struct finish *);            /* 0, or -1 after fail() */
void finish_close(struct finish *);          /* accepts a zeroed struct */
/* The n queries from `first` on, with their pruned lists[n]; 0, or -1 after fail(). */
int finish_run(struct finish *, int64_t first, int n, const struct shortlist *);

#endif
