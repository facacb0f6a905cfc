/* pass: a block of queries against a tile of base rows: products of bytes for all pairs, of more
 * (lib/stat/refine.h) for those that the bounds leave, into the shortlists of the queries and,
 * among the rows of one set, into those of the base rows too. */
#ifndef IC_PASS_H
#define IC_PASS_H

#include "lib/stat/fault.h"
#include "lib/stat/quant.h"
#include "lib/stat/rank.h"
#include "lib/stat/refine.h"

/* Strips of queries and groups of base rows are what one thread works on. */
enum { PASS_STRIP = 8 * NEAR_LEFT, PASS_TILE = 8 * PASS_STRIP, PASS_GROUP = PASS_TILE / 8 };
/* Queries that are run at once at most when base rows take them too. */
enum { PASS_BOTH = 8 * PASS_TILE };

struct pass {
	const struct knn *job;               /* first five fields: the caller's */
	int block;                           /* queries at most, a multiple of PASS_TILE */
	int room;                            /* candidates that a shortlist holds */
	struct shortlist *list;              /* of queries, inside one set also of base rows, */
	int64_t list_first;                  /* from this one on */
	struct ground ground;
	struct quant rows;
	struct quant other, tile;            /* base rows that are not queries too; those at work */
	int64_t row_first, tile_first;
	int row_n, tile_n;
	int run_first, run_n;                /* the queries of the block at work; or of these */
	const int *which;                    /* [n], borrowed, or NULL; see pass_some */
	const struct near_set *near;
	float *bar;                          /* [PASS_TILE]: of its lists, infinite unless both */
	float *row_bar;                      /* [block]: of theirs, or a little less */
	int rank;                            /* for guesses, of a sample: */
	const uint32_t *sample;              /* places of the tile's rows; NULL: from tile_first */
	struct offer *offers;                /* for them: [strips of PASS_BOTH][groups][OFFERS] */
	int *offered;                        /* [strips of PASS_BOTH][groups] */
	struct bench *bench;                 /* [threads] */
	struct fault fault;
};

enum quant_sides pass_sides(const struct knn *);   /* how the rows of a block are held */
int pass_open(struct pass *);                /* 0, or -1 after fail() with the struct closed */
void pass_close(struct pass *);              /* accepts a zeroed struct */

/* Takes up queries, if they are others; 0, or -1 after fail(). */
int pass_rows(struct pass *, int64_t first, int n);
/* Takes up base rows; inside one set those of the block as they are there. */
int pass_tile(struct pass *, int64_t first, int n);
/* Guesses of all queries of the block: the score of the rank-th of n base rows, at most PASS_TILE,
 * at these positions, inside one set not counting the query if only others are wanted. */
int pass_guess(struct pass *, const uint32_t *at, int n, int rank);
/* The n queries of the block from `from` on, whole strips, against the tile; both: the tile's rows
 * take these, too, at most PASS_BOTH. */
int pass_run(struct pass *, int from, int n, bool both);
/* From now on pass_run takes the n queries which[n] of the block, borrowed, as if they were all;
 * pass_rows takes up rows again. */
void pass_some(struct pass *, const int *which, int n);
/* The one nearest base row, k being 1, to the query i rows on; measured only where the bounds leave
 * several.  -1 after fail(). */
int64_t pass_nearest(struct pass *, int i, int worker);
void pass_effort(const struct pass *, struct knn_effort *);   /* adds refined and measured */

#endif
