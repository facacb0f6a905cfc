/* kmeans: Lloyd's algorithm with the random choices of faiss 1.7, so that prototypes compare with
 * published ones. */
#ifndef IC_KMEANS_H
#define IC_KMEANS_H

#include "lib/stat/knn.h"

struct kmeans_step {
	int run, iteration;
	double objective;                    /* before the centres moved */
	double imbalance;                    /* k times the sum of squared shares: 1 when equal */
	int64_t changed;                     /* rows with another centre than the round before */
	int splits;                          /* empty clusters given half of another */
	double shift;                        /* of the centres: the root of the mean square */
};

/* All that training is between two rounds. */
struct kmeans_state {
	struct kmeans_step last, best;       /* the last round; that of the best run, or run -1 */
	const float *centres;                /* [k][width], after the last round */
	const uint32_t *assign;              /* [n] */
};

struct kmeans {
	int k, iterations, restarts;
	uint32_t seed;
	bool spherical;                      /* unit centres, rows assigned by inner product, */
	                                     /* which the objective then sums */
	struct backend *device;              /* for assignments, borrowed; NULL: the processor */
	void (*step)(void *ctx, const struct kmeans_step *);   /* after each; NULL: none */
	/* After each step, and once more where a signal stops the next in its midst; centres are
	 * then the best run's.  0, or -1 after fail() to end it.  NULL: none. */
	int (*keep)(void *ctx, const struct kmeans_state *);
	void *ctx;                           /* of these two */
	const struct kmeans_state *from;     /* goes on from there; NULL: from the beginning */
	struct kmeans_step best;             /* the last step of the best run, by kmeans_train */
};

/* Positions of the rows to train on: all in order, or the first k * per_centre of a permutation
 * where there are more (per_centre 0: always all).  Owned by the caller; NULL after fail(). */
uint32_t *kmeans_sample(const struct kmeans *, int64_t rows, int per_centre, int64_t *count);

/* Centres[k][width] of x[n][width]: iterations rounds, or fewer when no row changes its centre any
 * more.  With `from` the centres are its best run's to begin with, and the result is that of a run
 * without a stop. */
int kmeans_train(struct kmeans *, const float *x, int64_t n, int width, float *centres);

/* Rows by cluster: those of c < k are order[start[c]] .. order[start[c + 1] - 1], ascending;
 * assign[n], start[k + 1], order[n]. */
void kmeans_group(
	const uint32_t *assign, int64_t n, int64_t k, int64_t *start, uint32_t *order);

/* The row nearest to each centre, at[k]: Euclidean, ties to the lower key.  distinct: centres in
 * order, each the nearest row that is not taken yet.  rows measured for KNN_L2; device as above. */
int kmeans_nearest(const struct knn_set *rows, const float *centres, int k, bool distinct,
	struct backend *device, uint32_t *at);

#endif
