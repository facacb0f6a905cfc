/* harvest: the pairs that a device finds near, into the shortlists of their rows; while threads
 * take in what one run has found, the device is at the next. */
#ifndef IC_HARVEST_H
#define IC_HARVEST_H

#include "lib/stat/rank.h"
#include "lib/stat/shelf.h"

/* A run of the device and what it has found. */
struct batch {
	struct shelf_rows a, b;
	bool both, upper;
	struct sift_part *part;              /* [tiles of a][tiles of b] */
	struct sift_hit *hit;                /* [limit] */
	uint32_t hits;
};

struct harvest {
	const struct knn *job;               /* the fields down to room: the caller's */
	const struct ground *ground;
	struct shelf *base, *query;          /* the same among the rows of one set */
	struct shortlist *list;              /* of queries, inside one set also of base rows, */
	int64_t list_first;                  /* from this one on */
	int room;                            /* candidates of a list */
	uint32_t limit;                      /* hits of one run, at most */
	/* of the device: */
	uint32_t *count;
	struct sift_part *part;
	struct sift_hit *hit;
	float *score, *kth;
	struct batch batch[2];
	struct batch *pending;               /* what is to be taken in, or NULL */
	float *bar;
	struct hand *hand;                   /* [threads] */
	struct fault fault;
};

enum { HARVEST_SAMPLE = 1024 };              /* rows of b for ranks, at most */

int harvest_open(struct harvest *);          /* 0, or -1 after fail() */
void harvest_close(struct harvest *);        /* accepts a zeroed struct */

/* a, queries, against base rows b; both: b's rows, queries too, take those of a; upper: b is a,
 * each pair once.  -1 after fail(). */
int harvest_run(struct harvest *, const struct shelf_rows *a, const struct shelf_rows *b,
	bool both, bool upper);
/* Takes in what is pending: before rows are loaded in place of others, and at the end. */
int harvest_flush(struct harvest *);
/* kth[a->on.n]: of each row of a the rank-th largest score of the rows of b, at most
 * HARVEST_SAMPLE, as the device computes it. */
int harvest_kth(struct harvest *, const struct shelf_rows *a, const struct shelf_rows *b, int rank,
	float *kth);
int64_t harvest_measured(const struct harvest *);   /* pairs, in double */

#endif
