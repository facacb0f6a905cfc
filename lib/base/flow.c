/* flow: three stages over a ring of places. */
#include "lib/base/flow.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

enum state { FREE, READ, DONE };

struct item { enum state state; char *failed; };

/* Items are counted from 0; number i is at place i % items. */
struct ring {
	const struct flow *flow;
	struct item *item;
	int64_t read, taken;                 /* so many are, or the first is next */
	bool ended, stopped;                 /* nothing more to read; nothing more to do */
	double start, waited;                /* seconds; those of all workers without an item */
	int worker;                          /* number of the next worker to start */
	pthread_t reader;
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

static struct item *item_at(struct ring *r, int64_t number)
{
	return &r->item[number % r->flow->items];
}

static int place_of(const struct ring *r, int64_t number)
{
	return (int)(number % r->flow->items);
}

/* Under the lock. */
static void change(struct ring *r, struct item *i, enum state state, bool failed)
{
	if (failed) i->failed = mem_text("%s", why());
	i->state = state;
	pthread_cond_broadcast(&r->changed);
}

static void *reader(void *ring)
{
	struct ring *r = ring;
	int got = 1;

	pthread_mutex_lock(&r->lock);
	while (got > 0) {
		struct item *i = item_at(r, r->read);
		while (i->state != FREE && !r->stopped) pthread_cond_wait(&r->changed, &r->lock);
		if (r->stopped) break;
		pthread_mutex_unlock(&r->lock);
		got = r->flow->read(r->flow->ctx, place_of(r, r->read));
		pthread_mutex_lock(&r->lock);
		if (got) change(r, i, got < 0 ? DONE : READ, got < 0);
		if (got) r->read++;
	}
	r->ended = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* The number of an item that was read, or -1: there are no more. */
static int64_t take(struct ring *r)
{
	double start = say_seconds();

	while (r->taken == r->read && !r->ended && !r->stopped)
		pthread_cond_wait(&r->changed, &r->lock);
	r->waited += say_seconds() - start;
	return r->taken == r->read || r->stopped ? -1 : r->taken++;
}

static void *worker(void *ring)
{
	struct ring *r = ring;

	pthread_mutex_lock(&r->lock);
	int self = r->worker++;
	for (int64_t number; (number = take(r)) >= 0; ) {
		struct item *i = item_at(r, number);
		if (i->state == DONE) continue;      /* its reading failed */
		pthread_mutex_unlock(&r->lock);
		int bad = r->flow->work(r->flow->ctx, place_of(r, number), self);
		pthread_mutex_lock(&r->lock);
		change(r, i, DONE, bad);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static void nothing(int signal)
{
	(void)signal;
}

/* For at most a twentieth of a second; then, once the program is to stop, with a signal that does
 * nothing but end the reader's waiting for a silent pipe. */
static void wait_to_write(struct ring *r)
{
	struct timespec soon;

	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec += 50000000;
	if (soon.tv_nsec >= 1000000000) soon.tv_sec++, soon.tv_nsec -= 1000000000;
	pthread_cond_timedwait(&r->changed, &r->lock, &soon);
	if (!r->ended && (r->stopped || stop_asked())) pthread_kill(r->reader, SIGURG);
}

/* Writes what is done, in order, unless it is bad already.  0, or -1 after fail(). */
static int write_all(struct ring *r, double *waiting, int bad)
{
	pthread_mutex_lock(&r->lock);
	for (int64_t number = 0; !bad; number++) {
		struct item *i = item_at(r, number);
		while (i->state != DONE && !(r->ended && number == r->read))
			wait_to_write(r);
		if (i->state != DONE) break;
		*waiting = r->waited / (r->flow->workers * (say_seconds() - r->start));
		pthread_mutex_unlock(&r->lock);
		bad = i->failed ? fail("%s", i->failed) :
			r->flow->write(r->flow->ctx, place_of(r, number));
		pthread_mutex_lock(&r->lock);
		change(r, i, FREE, false);
	}
	r->stopped = true;
	pthread_cond_broadcast(&r->changed);
	while (!r->ended) wait_to_write(r);
	pthread_mutex_unlock(&r->lock);
	return bad;
}

int flow_run(const struct flow *flow, double *waiting)
{
	struct ring r = {
		.flow = flow, .item = mem_new((size_t)flow->items, sizeof *r.item),
		.start = say_seconds(), .lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
	pthread_t *thread = mem_new((size_t)flow->workers, sizeof *thread);
	struct sigaction act = { .sa_handler = nothing }, old;
	int started = 0;

	must(flow->workers > 0 && flow->items > 0);
	sigaction(SIGURG, &act, &old);
	bool reads = !(errno = pthread_create(&r.reader, NULL, reader, &r));
	if (!reads) r.ended = true;
	while (!errno && started < flow->workers)
		if (!(errno = pthread_create(&thread[started], NULL, worker, &r))) started++;
	int bad = write_all(&r, waiting, errno ? fail("a thread could not be started:") : 0);
	if (reads) pthread_join(r.reader, NULL);
	for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
	sigaction(SIGURG, &old, NULL);
	for (int i = 0; i < flow->items; i++) free(r.item[i].failed);
	free(r.item);
	free(thread);
	return bad;
}
