/* flow: items through three stages at once: read in order by a thread of its own, worked on by
 * several, written in order by the caller. */
#ifndef IC_FLOW_H
#define IC_FLOW_H

struct flow {
	void *ctx;
	int items;                           /* places for them: so many are under way at most */
	int workers;
	/* Into a place in [0, items): 1, 0 at the end, -1 after fail().  It runs alone; what it
	 * waits for is interrupted (EINTR) once the program has been asked to stop. */
	int (*read)(void *ctx, int place);
	/* both: 0, or -1 after fail() */
	int (*work)(void *ctx, int place, int worker);
	int (*write)(void *ctx, int place);
};

/* Until the end, or the first failure in the order of the items: those before it are written.  0,
 * or -1 after fail() with its words.  waiting, before each write: of the time of the workers so
 * far, the share that they had nothing to work on. */
int flow_run(const struct flow *, double *waiting);

#endif
