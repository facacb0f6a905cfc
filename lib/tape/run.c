/* run: the interpreter and the search for the first non-finite value. */
#include "lib/tape/impl.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

/* One thread by its own clock: other work on the machine does not count. */
static double now(const struct tape *t)
{
	struct timespec ts;
	clock_gettime(t->b->threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void run_step(struct tape *t, struct step *s)
{
	const struct instr *i = &t->ins[s->v];

	if (s->chain.n) t->b->chain(t->b, &s->chain);
	else t->b->op[i->op](t->b, s->y, s->x, &i->a);
}

/* Step k; or the first ones as one call, where the backend has it.  Returns how many. */
static int run_from(struct tape *t, int k)
{
	if (k || !t->n_powers || !t->b->powers) {
		run_step(t, &t->step[k]);
		return 1;
	}
	t->b->powers(t->b, t->n_powers, t->power);
	return t->n_powers;
}

/* Leaves of the host as they are now, into the memory of the device. */
static void feed(struct tape *t, bool all)
{
	for (val v = 0; v < t->n && t->leaves; v++) {
		struct instr *i = &t->ins[v];
		if (i->op != OP_LEAF || !i->live || i->kind == IN_PLACE) continue;
		if (all || i->kind == INPUT)
			backend_put(t->b, i->there, i->leaf, shape_count(i->s) * sizeof(real));
	}
}

void tape_refresh(struct tape *t)
{
	feed(t, true);
}

static int outcome(const struct tape *t)
{
	const char *fault = backend_fault(t->b);
	return fault ? fail("%s: %s", t->b->name, fault) : 0;
}

/* A device is waited for, so that a step's time is its own; those of one call share it. */
static void run_timed(struct tape *t)
{
	backend_wait(t->b);
	for (int k = 0, n; k < t->n_steps; k += n) {
		double start = now(t);
		n = run_from(t, k);
		backend_wait(t->b);
		double each = (now(t) - start) / n;
		for (int j = k; j < k + n; j++) {
			t->step[j].seconds += each;
			t->step[j].calls++;
		}
	}
}

static void run_steps(struct tape *t)
{
	for (int k = 0; k < t->n_steps; k += run_from(t, k));
}

void tape_forget(struct tape *t)
{
	if (t->recorded) t->b->forget(t->b, t->recorded);
	t->recorded = NULL;
}

/* All steps as one launch, recorded in the second run, when the device has loaded every kernel.
 * All that they touch stays where it is, but for the scratch, which grows with what another tape
 * needs. */
static void run_recorded(struct tape *t)
{
	struct backend *b = t->b;

	if (t->recorded_work != b->work) tape_forget(t);
	if (!t->recorded) {
		b->record(b);
		run_steps(t);
		t->recorded = b->recorded(b);
		t->recorded_work = b->work;
	}
	if (t->recorded) b->repeat(b, t->recorded);
}

int tape_run(struct tape *t)
{
	must(t->placed);
	feed(t, false);
	if (t->profiled) run_timed(t);
	else if (t->b->record && t->ran) run_recorded(t);
	else run_steps(t);
	t->ran = true;
	return outcome(t);
}

/* In bf16 the infinite and NaN have an exponent of ones, too. */
static bool all_finite_bf16(struct backend *b, struct view v)
{
	size_t n = shape_count(v.s);
	uint16_t *here = mem_new(n, sizeof *here);
	bool finite = true;

	backend_get(b, here, v.p, n * sizeof *here);
	for (size_t i = 0; i < n && finite; i++) finite = (here[i] & 0x7f80) != 0x7f80;
	free(here);
	return finite;
}

bool tape_finite(const real *x, size_t n)
{
	bool finite = true;

	for (size_t i = 0; i < n; i++) finite &= isfinite(x[i]) != 0;
	return finite;
}

static bool all_finite(struct backend *b, struct view v)
{
	if (v.bf16) return all_finite_bf16(b, v);
	if (!b->take) return tape_finite(v.p, shape_count(v.s));
	size_t n = shape_count(v.s);
	real *here = mem_new(n, sizeof *here);           /* a device's values come here */

	backend_get(b, here, v.p, n * sizeof *here);
	bool finite = tape_finite(here, n);
	free(here);
	return finite;
}

void tape_run_checked(struct tape *t)
{
	t->first_bad = -1;
	feed(t, false);
	for (int k = 0; k < t->n_steps; k++) {
		struct step *s = &t->step[k];
		run_step(t, s);
		if (t->first_bad >= 0) continue;
		if (!s->chain.n && !all_finite(t->b, s->y)) t->first_bad = s->v;
		for (int j = 0; j < s->chain.n; j++)
			if (s->chain.step[j].out.p &&
			    !all_finite(t->b, s->chain.step[j].out))
				t->first_bad = s->v;
	}
}

val tape_first_bad(const struct tape *t)
{
	return t->first_bad;
}

const real *tape_value(const struct tape *t, val v)
{
	const struct instr *i = &t->ins[tape_root(t, v)];

	must(t->placed && (i->kept || i->op == OP_LEAF));
	return (i->op == OP_LEAF ? i->there : t->life[i->life].p) + tape_start(t, v);
}

void tape_read(const struct tape *t, val v, real *to)
{
	backend_get(t->b, to, tape_value(t, v), shape_count(t->ins[v].s) * sizeof *to);
}

void tape_copy(const struct tape *t, val v, real *to)
{
	backend_copy(t->b, to, tape_value(t, v), shape_count(t->ins[v].s) * sizeof *to);
}

void tape_copy_pieces(const struct tape *t, int n, const struct piece *piece)
{
	if (t->b->mix) {
		t->b->mix(t->b, n, piece, 0, 1);
		return;
	}
	for (int i = 0; i < n; i++)
		backend_copy(t->b, piece[i].y, piece[i].x, piece[i].n * sizeof(real));
}
