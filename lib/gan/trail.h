/* trail: the files that a run writes as it goes: log, pictures, TensorBoard's events.  Each is cut
 * off at the step of a state, so that the run goes on from it without gaps or repeats. */
#ifndef IC_TRAIL_H
#define IC_TRAIL_H

#include "formats/tfevents.h"

enum { TRAIL_PICTURES = 16 };                /* of a row */

/* Paths, "-" is standard output; NULL is no such output. */
struct trail_plan {
	const char *log;                     /* JSON lines that begin with the step */
	const char *pictures;                /* a PAM stream, TRAIL_PICTURES a row */
	const char *board;                   /* a folder for events */
	int64_t a_step;                      /* images of a step */
	uint64_t run;                        /* whose files these are: gan_run() */
};

struct trail {
	struct trail_plan plan;
	FILE *log, *pictures;
	struct tfevents board;
};

/* Refuses what writing them would lose: files that are there and not empty, of a run that is
 * resumed those that are not its own.  0, or -1 after fail(). */
int trail_check(const struct trail_plan *, bool resumed);
int trail_open(struct trail *, const struct trail_plan *, bool fresh);   /* fresh: empties them */
/* Cuts off what is beyond a step, and beyond so many rows of pictures; the log begins with a line
 * that names the run, and ends in a given one, which is not there twice.  Devices, pipes and
 * standard output are only written to.  0, or -1 after fail(). */
int trail_rewind(struct trail *, int64_t step, int64_t rows, const char *line);
/* To the log, a line {"step":S,"images":I, and this; nothing without a log. */
int trail_log(struct trail *, int64_t step, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* TRAIL_PICTURES pictures [side][side][3], a row of the stream, a square of the events. */
int trail_show(struct trail *, int64_t step, const uint8_t *rgb, int side);
/* The event of the values put with tfevents_scalar(). */
int trail_event(struct trail *, int64_t step);
int trail_sync(struct trail *);              /* on disk; 0, or -1 after fail() */
void trail_close(struct trail *);            /* accepts a zeroed struct */

#endif
