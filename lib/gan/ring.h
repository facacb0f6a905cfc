/* ring: where a run keeps its states (ic-ckpt(5)): the one to go on from as NAME.part, the last few
 * as NAME.STEP, the best by score as NAME.best.  A state is written once; its other names are
 * links.  Each name appears whole, NAME.part last, so that whatever is there when the run is killed
 * is of the state in NAME.part, older, or beyond it and made again. */
#ifndef IC_RING_H
#define IC_RING_H

#include "lib/gan/state.h"

struct ring {
	const char *name, *part;             /* borrowed */
	int keep;                            /* 0: no NAME.STEP */
	bool scored;                         /* there is a best */
};

/* The largest STEP below a bound, -1 when there is none, -2 after fail(). */
int64_t ring_newest(const struct ring *, int64_t below);

/* Writes a state under NAME.STEP when some are kept, as the best too when it is, and at last under
 * NAME.part; removes all but the last few.  0, or -1 after fail(). */
int ring_save(const struct ring *, const struct gan *, bool best);

/* Before the first step from a state: removes what is beyond it.  Before the first of all, refuses
 * states of another run, whether this one keeps any or not, or removes them when force.  0, or -1
 * after fail(). */
int ring_resume(const struct ring *, int64_t step);
int ring_begin(const struct ring *, bool force);

/* After a collapse at `from`: puts the weights and moments of the newest NAME.STEP into the state,
 * of the one before it when the run has come from there and made no other since, as far as there
 * is one; counts the setback, saves NAME.part, removes what is beyond it.  0, or -1 after
 * fail(). */
int ring_return(const struct ring *, struct gan *, int64_t from, int how);

#endif
