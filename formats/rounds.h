/* rounds: where a k-means run is between two rounds, in a file from which the same command goes
 * on: a safetensors file with the tensors steps, best, centres, best_centres and assign, the
 * command that it belongs to, and the hash of all five. */
#ifndef IC_ROUNDS_H
#define IC_ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

/* Numbers that tell of a round, and those of them that are not whole. */
enum { ROUNDS_STEP = 7 };
enum { ROUNDS_OBJECTIVE = 2, ROUNDS_IMBALANCE = 3, ROUNDS_SHIFT = 6 };

struct rounds {
	int k, width;
	int64_t n;                           /* rows to train on */
	int count;                           /* rounds so far */
	double (*step)[ROUNDS_STEP];         /* [count], owned */
	double best[ROUNDS_STEP];            /* the last round of the best run */
	const float *centres, *best_centres; /* [k][width], borrowed, */
	const uint32_t *assign;              /* [n]: each row's centre, */
	void *owned;                         /* or from here */
};

/* k, width and n given, the rest from the file at path.  1; 0 where there is none, or with force
 * another command's; -1 after fail(), also when it is damaged, which says to remove it. */
int rounds_load(struct rounds *, const char *path, const char *command, bool force);
int rounds_save(const struct rounds *, const char *path, const char *command);
void rounds_add(struct rounds *, const double step[ROUNDS_STEP]);
void rounds_close(struct rounds *);          /* accepts a zeroed struct */

#endif
