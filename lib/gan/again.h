/* again: a command that is given again goes on from what an earlier run of it has left, its state
 * or its end (ic-train(1), "Interruption"). */
#ifndef IC_AGAIN_H
#define IC_AGAIN_H

#include "lib/gan/ring.h"
#include "lib/gan/watch.h"

struct again {
	const struct ring *ring;
	const struct watch_plan *plan;
	int64_t steps;                       /* the end; negative: another */
	bool trains;                         /* it ends later than it begins */
	bool force;                          /* what cannot be gone on from is of no use */
};

/* g: the first state, with seed, lineage and options of this run.  Puts the state to go on from in
 * its place, removes what is beyond that, and refuses what is of another run.  0, or -1 after
 * fail(). */
int again_start(const struct again *, struct gan *g);

#endif
