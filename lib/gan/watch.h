/* watch: what a training run shows of itself: a log, pictures of fixed noise and instances through
 * time, and a score.  All of it is taken up again after an interruption without gaps or repeats. */
#ifndef IC_WATCH_H
#define IC_WATCH_H

#include "formats/features.h"
#include "lib/gan/data.h"
#include "lib/gan/phase.h"
#include "lib/gan/sample.h"
#include "lib/gan/sentinel.h"
#include "lib/gan/trail.h"
#include "lib/nets/nets.h"

enum { WATCH_LOG_STEPS = 10 };               /* steps between log lines */

/* What to show; a NULL path is no such output. */
struct watch_plan {
	struct trail_plan trail;
	const char *instances;               /* features to condition on, when instances do */
	const char *score;                   /* features of real pictures, for the distance */
	int samples;                         /* for the score */
	int patience;                        /* ending looks without a better score; 0: none */
	int64_t every;                       /* images between two looks */
	/* what is trained on: labels and frequencies of classes */
	struct data *data;
	int training_batch;                  /* not 0: score in training mode, so many at a time */
};

struct watch {
	struct watch_plan plan;
	struct gan *s;
	struct trail trail;
	struct sampler sampler;              /* open for pictures or a score */
	struct sampler scorer;               /* open where the score has batches of its own */
	struct features instances;
	uint32_t *labels;                    /* of instances; NULL without classes */
	struct net net;
	double *mean, *cov;                  /* of the real: [w], [w][w]; NULL without a score */
	double last_score;                   /* NaN before the first */
};

/* Takes up the files of the run at the state's step, or empties them when it is fresh.  0, or -1
 * after fail(). */
int watch_open(struct watch *, const struct phases *, const struct watch_plan *);
/* Nothing is done yet that counts: a run that is killed before its first step begins once more. */
bool watch_fresh(const struct watch *);
int watch_rewind(struct watch *);            /* the state is an earlier one: records the return */
bool watch_due(const struct watch *);        /* a look: at step 0, and after each `every` images */
/* After a step: its values, when they are due; a collapse. */
int watch_step(struct watch *, const struct phases *, const struct vitals *);
int watch_collapse(struct watch *, int64_t step, enum collapse);
/* Pictures and score; better: the lowest so far.  Where the scorer is open it moves the state where
 * the ops compute.  0; 1 when the program is to stop and nothing of it was written; or -1. */
int watch_look(struct watch *, bool *better);
bool watch_enough(const struct watch *);     /* patience is at its end */
void watch_close(struct watch *);            /* accepts a zeroed struct */

#endif
