/* recall: which share of the true neighbours an approximate search finds, from a sample of queries
 * that are also searched exactly. */
#ifndef IC_RECALL_H
#define IC_RECALL_H

#include "lib/stat/knn.h"

enum { RECALL_ROWS = 500 };

struct recall {
	int k;
	int64_t n, next;                     /* queries of the sample; the first not yet counted */
	uint32_t *query;                     /* [n], ascending */
	uint32_t *at;                        /* [n][k]: their neighbours, by position */
	int64_t found;                       /* how many of these were */
};

/* Searches exactly, as the job says, one query at random from each of RECALL_ROWS equal parts of
 * first .. last-1, or all if they are fewer.  0, or -1 after fail(). */
int recall_open(struct recall *, const struct knn *job, int64_t first, int64_t last);
void recall_close(struct recall *);          /* accepts a zeroed struct */
/* Counts what was found for the queries first .. first+n-1; in order, as struct knn's take. */
void recall_count(struct recall *, int64_t first, int n, const uint32_t *at);
/* The share found, and its 95 % interval by Wilson (1927). */
double recall_share(const struct recall *, double *low, double *high);

#endif
