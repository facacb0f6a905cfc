/* knn: exact nearest neighbours by blocked products of small integers.
 *
 * Rows rounded to 8 bits propose, 16 bits of one and then of both choose, doubles decide: the
 * rounding of every row is measured and bounds the error of its products, whatever these bounds
 * cannot rule out is measured again, in the end in double from the rows themselves, and ties go to
 * the lower key.  The answer depends neither on blocks nor on threads nor on the processor. Among
 * the rows of one set each pair is multiplied once, for both. */
#ifndef IC_KNN_H
#define IC_KNN_H

#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum knn_metric {
	KNN_COSINE,                          /* Euclidean, of the rows divided by their norms */
	KNN_L2,                              /* Euclidean distance of the rows */
	KNN_IP,                              /* minus the inner product */
};

struct knn_set {
	const char *name;                    /* for messages */
	int64_t count;
	int width;
	const uint64_t *keys;                /* [count], borrowed; NULL: row i has key i */
	/* Copies rows first .. first+n-1 into to[n][width]; 0, or -1 after fail(); called in
	 * several threads at once. */
	int (*fetch)(const struct knn_set *, int64_t first, int n, float *to);
	/* Row i where it lies, borrowed; NULL: rows are in memory nowhere. */
	const float *(*row)(const struct knn_set *, int64_t i);
	const void *ctx;                     /* of these two */
	double *norm;                        /* [count], by knn_measure; owned: free it */
	double longest;                      /* the largest norm */
};

/* Rows in memory, x[count][width], borrowed. */
struct knn_set knn_rows(const char *name, const float *x, int64_t count, int width);
uint64_t knn_key(const struct knn_set *, int64_t i);
/* Row i where it lies, or fetched into room[width]; NULL after fail(). */
const float *knn_row(const struct knn_set *, int64_t i, float *room);

/* One pass over the rows for their norms.  Refuses, naming the key, rows that are not finite, for
 * KNN_COSINE rows that are zero, and otherwise rows too long for distances in float. */
int knn_measure(struct knn_set *, enum knn_metric);

/* What a search did, beside multiplying every pair in 8 bits, or on a device in bf16. */
struct knn_effort {
	int64_t halved;                      /* pairs multiplied in 16 bits by 8, by a device 0 */
	int64_t refined;                     /* of these, in 16 by 16 */
	int64_t measured;                    /* pairs measured in double */
	int64_t undecided;                   /* queries for which these were more than k */
	int64_t again;                       /* queries searched again: a guess was wrong */
};

void knn_effort_add(struct knn_effort *, const struct knn_effort *);

struct knn {
	const struct knn_set *base, *query;  /* measured; may be the same */
	enum knn_metric metric;
	int k;
	bool others;                         /* never a base row with the query's own key */
	/* [query count] or NULL: base rows farther than this are not wanted.  Where fewer than k
	 * are left, position UINT32_MAX at an infinite distance stands for the others. */
	const double *reach;
	/* Borrowed, for searches without reach: see sweep.h; NULL: the processor. */
	struct backend *device;
	size_t memory_bytes;                 /* for candidates at most, though for some; 0: 4 GiB */
	/* Takes the k nearest base rows of the queries first .. first+n-1, nearest first: positions
	 * at[n][k], distance[n][k], borrowed; called in order; 0, or -1 after fail() to stop. */
	int (*take)(void *ctx, int64_t first, int n, const uint32_t *at, const double *distance);
	void (*tick)(void *ctx, double share);   /* called as the search goes on; NULL: not */
	void *ctx;
	struct knn_effort effort;            /* by knn_search */
};

size_t knn_memory(const struct knn *);       /* memory_bytes, or what 0 stands for */
int knn_room(const struct knn *);            /* candidates that the list of a query holds */

/* The neighbours of the queries first .. last-1; 0, or -1 after fail(). */
int knn_search(struct knn *, int64_t first, int64_t last);

#endif
