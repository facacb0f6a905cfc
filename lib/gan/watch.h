/* watch: what a training run shows of itself: a log, pictures of fixed noise and instances through time, and a score.  All of it
 * is taken up again after an interruption without gaps or repeats. */
#ifndef IC_WATCH_H
#define IC_WATCH_H

#include "formats/features.h"
#include "lib/gan/phase.h"
#include "lib/gan/sample.h"
#include "lib/gan/sentinel.h"
#include "lib/nets/nets.h"

#include <stdio.h>

enum { WATCH_COLUMNS = 16, WATCH_LOG_STEPS = 10 };   /* pictures a look; steps between log lines */

/* What to show; a NULL path is no such output. */
struct watch_plan {
	const char *log, *pictures;          /* JSON lines; PAM stream, WATCH_COLUMNS pictures a look */
	const char *instances;               /* features to condition on; needed when instances condition */
	const char *score;                   /* features of real pictures to measure the Frechet distance to */
	int samples;                         /* for the score */
	int patience;                        /* looks without a better score that end the run; 0: never */
	int64_t a_step, every;               /* images: of one step; between two looks */
};

struct watch {
	struct watch_plan plan;
	struct gan *s;
	struct sampler sampler;              /* open for pictures or a score */
	struct features instances;
	FILE *log, *pictures;
	struct net net;
	bool fresh;
	double *mean, *cov;                  /* of the real features: [width], [width][width]; NULL without a score */
	double last_score;                   /* NaN before the first */
};

/* fresh: the run begins, and empties what it writes; else what is beyond the state's step is cut off.
 * 0, or -1 after fail(). */
int watch_open(struct watch *, struct gan *, struct backend *, const struct watch_plan *, bool fresh);
/* The state is an earlier one: cuts off what is beyond it, and records that. */
int watch_rewind(struct watch *);
bool watch_due(const struct watch *);        /* at step 0, and each time another `every` images are seen */
int watch_step(struct watch *, const struct phases *, const struct vitals *);   /* a log line */
int watch_collapse(struct watch *, int64_t step, enum collapse);                /* a log line */
/* A row of pictures, the score, and its log line; *better: it is the lowest so far. */
int watch_look(struct watch *, bool *better);
bool watch_enough(const struct watch *);     /* patience is at its end */
int watch_sync(struct watch *);              /* all of it on disk, as a checkpoint of this step will be */
void watch_close(struct watch *);            /* accepts a zeroed struct */

#endif
