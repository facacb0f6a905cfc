/* watch: what a training run shows of itself: a log, pictures of fixed noise and instances through time, and a score.  All of it
 * is taken up again after an interruption without gaps or repeats. */
#ifndef IC_WATCH_H
#define IC_WATCH_H

#include "formats/features.h"
#include "lib/gan/phase.h"
#include "lib/gan/sample.h"
#include "lib/nets/nets.h"

#include <stdio.h>

enum { WATCH_COLUMNS = 16, WATCH_LOG_STEPS = 10 };   /* pictures a look; steps between log lines */

/* What to show; a NULL path is no such output. */
struct watch_plan {
	const char *log, *pictures;          /* JSON lines; PAM stream, WATCH_COLUMNS pictures a look */
	const char *instances;               /* features to condition on; needed when instances condition */
	const char *score;                   /* features of real pictures to measure the Frechet distance to */
	int samples;                         /* for the score */
};

struct watch {
	struct watch_plan plan;
	struct gan *s;
	struct sampler sampler;              /* open for pictures or a score */
	struct features instances;
	FILE *log, *pictures;
	struct net net;
	double *mean, *cov;                  /* of the real features: [width], [width][width]; NULL without a score */
	double last_score;                   /* NaN before the first */
};

/* looks: how many the run has had up to its present step; what files hold beyond that and beyond the step is cut off, so a fresh run
 * (looks 0) empties them.  0, or -1 after fail(). */
int watch_open(struct watch *, struct gan *, struct backend *, const struct watch_plan *, int64_t looks);
int watch_step(struct watch *, const struct phases *);   /* after a step: its log line, when one is due */
/* A row of pictures, the score, and its log line; images a step, to count them. */
int watch_look(struct watch *, int64_t a_step);
void watch_close(struct watch *);            /* accepts a zeroed struct */

#endif
