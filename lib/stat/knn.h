/* knn: exact nearest neighbours by blocked products.
 *
 * Float products propose, doubles decide: every float score comes with a bound on its rounding error, whatever these
 * bounds cannot rule out is measured again in double from the rows themselves, and ties go to the lower key.
 * The answer therefore depends neither on blocks nor on threads nor on the BLAS. */
#ifndef IC_KNN_H
#define IC_KNN_H

#include <stdbool.h>
#include <stdint.h>

enum knn_metric {
	KNN_COSINE,                          /* Euclidean distance of the rows divided by their norms: (2 - 2 cos)^(1/2) */
	KNN_L2,                              /* Euclidean distance of the rows */
	KNN_IP,                              /* minus the inner product */
};

struct knn_set {
	const char *name;                    /* for messages */
	int64_t count;
	int width;
	const uint64_t *keys;                /* [count], borrowed; NULL: row i has key i */
	/* Copies rows first .. first+n-1 into to[n][width]; 0, or -1 after fail(); called in several threads at once. */
	int (*fetch)(const struct knn_set *, int64_t first, int n, float *to);
	const void *ctx;                     /* fetch's own */
	double *norm;                        /* [count], by knn_measure; owned: free it */
	double longest;                      /* the largest norm */
};

/* Rows in memory, x[count][width], borrowed. */
struct knn_set knn_rows(const char *name, const float *x, int64_t count, int width);
uint64_t knn_key(const struct knn_set *, int64_t i);

/* One pass over the rows for their norms.  Refuses, naming the key, rows that are not finite, for KNN_COSINE rows that are
 * zero, and otherwise rows too long for distances in float. */
int knn_measure(struct knn_set *, enum knn_metric);

struct knn {
	const struct knn_set *base, *query;  /* measured; may be the same */
	enum knn_metric metric;
	int k;
	bool others;                         /* never a base row with the query's own key */
	int block;                           /* queries that one knn_search takes at most; set by knn_open */
	void (*tick)(void *ctx, double share);   /* called as the search goes on; NULL: not */
	void *tick_ctx;
	struct knn_work *work;
};

int knn_open(struct knn *);              /* after filling the fields above; 0 or -1 after fail() */
/* The k nearest base rows of the queries first .. first+n-1, nearest first: positions at[n][k], distance[n][k]. */
int knn_search(struct knn *, int64_t first, int n, uint32_t *at, double *distance);
void knn_close(struct knn *);            /* accepts a zeroed struct */

#endif
