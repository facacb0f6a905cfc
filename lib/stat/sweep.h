/* sweep: a search of nearest neighbours on a device: products of all pairs of rows in bf16 leave
 * the pairs that their bounds cannot rule out, and these are measured in double: the results are
 * those of knn_search without a device, to the last bit. */
#ifndef IC_SWEEP_H
#define IC_SWEEP_H

#include "lib/stat/finish.h"
#include "lib/stat/harvest.h"

struct sweep {
	struct knn *job;
	struct ground ground;
	struct shelf base, other;            /* other: queries that are not the base rows */
	struct shelf *query;
	struct harvest harvest;
	struct finish finish;
	struct shelf_rows sample;            /* of base rows, for guesses; n 0: none */
	uint32_t sample_at[HARVEST_SAMPLE];
	double longest, loosest;             /* norm and loss of the base rows of the sample */
	struct shortlist *list;              /* [stretch] */
	struct candidate *candidates;        /* [stretch][room] */
	int64_t stretch, from, to;           /* queries whose lists are held at once */
	double done, all;                    /* pairs */
	float *kth;                          /* [side] */
	uint32_t *wrong;                     /* [stretch]: queries whose guess was wrong */
};

/* For searches of `rows' queries at most.  0, or -1 after fail(), with the struct closed. */
int sweep_open(struct sweep *, struct knn *job, int64_t rows);
void sweep_close(struct sweep *);            /* accepts a zeroed struct */
/* The base rows are others now; they are not the queries. */
void sweep_renew(struct sweep *);
/* The neighbours of the queries first .. last-1, into job->take; 0, or -1 after fail(). */
int sweep_run(struct sweep *, int64_t first, int64_t last);

#endif
