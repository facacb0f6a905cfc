/* budget: what a training run takes, before it begins: memory from the plans of its programs, the
 * largest batch for a given memory by the same plans, time from a short probe. */
#ifndef IC_BUDGET_H
#define IC_BUDGET_H

#include "lib/gan/data.h"

/* Bytes; the program itself and its libraries take some 15 MiB more.  Pages of stores, which the
 * system takes back when it needs them, and the network of a score are not counted. */
struct budget {
	int64_t generator, discriminator;    /* trained values */
	size_t weights;                      /* of G, its average and D */
	size_t optimiser;                    /* moments; sums of gradients of several batches */
	size_t activations, workspace;
	size_t other;                        /* batches, pictures to show, a tensor to save */
	int64_t work;                        /* multiply-adds of one batch of each move of a step */
};

/* pictures: how many a look shows, 0 for none.  Nothing of these sizes is allocated.  0, or -1
 * after fail(). */
int budget_make(struct budget *, const struct model *, const struct recipe *, int pictures,
		struct backend *);
size_t budget_total(const struct budget *);

/* The largest batch whose total is within `memory`; 0: none. */
int budget_batch(const struct model *, const struct recipe *, int pictures, size_t memory,
		 struct backend *);

/* Seconds that an image of a step takes: times batches, of narrower networks and fewer images where
 * the whole would take long, and goes by multiply-adds from these to the whole. */
int budget_probe(double *seconds, const struct model *, const struct recipe *, struct data *,
		 struct backend *);

#endif
