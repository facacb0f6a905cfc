/* train: a run: steps until its end, with looks, states and a watch over its health on the way. */
#ifndef IC_TRAIN_H
#define IC_TRAIN_H

#include "lib/gan/data.h"
#include "lib/gan/ring.h"
#include "lib/gan/watch.h"

enum on_collapse { TRAIN_WARN, TRAIN_ROLLBACK, TRAIN_STOP };
enum { TRAIN_RETURNS = 8 };                  /* of a run to earlier states; then it fails */

struct train {
	struct phases *p;
	struct data *d;
	struct watch *w;
	struct ring ring;
	int64_t steps;                       /* the end; negative: another */
	double minutes;
	enum on_collapse on_collapse;
	void (*tell)(const char *line);      /* what people should know while it goes on */
	enum collapse ill;                   /* what the last look at its health said */
	struct sentinel sentinel;            /* open while it runs */
};

/* Steps until --steps, --minutes or patience ends: a look and a state under NAME.part at the start
 * and each time another `every` images have been seen, under NAME at the end.  On stop_asked() the
 * state goes to NAME.part.  0 when NAME is there, or -1 after fail(). */
int train_run(struct train *);

/* One step from the present state: every batch drawn, every move made.  0, or -1 after fail(). */
int train_step(struct phases *, struct data *);

#endif
