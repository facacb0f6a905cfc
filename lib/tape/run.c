/* run: the interpreter, its profile, and the search for the first non-finite value. */
#include "lib/tape/impl.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void run_step(struct tape *t, struct step *s)
{
	const struct instr *i = &t->ins[s->v];

	if (s->chain.n) t->b->chain(t->b, &s->chain);
	else t->b->op[i->op](t->b, s->y, s->x, &i->a);
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

int tape_run(struct tape *t)
{
	must(t->placed);
	feed(t, false);
	for (int k = 0; k < t->n_steps; k++) {
		struct step *s = &t->step[k];
		if (!t->profiled) {
			run_step(t, s);
			continue;
		}
		double start = now();
		run_step(t, s);
		s->seconds += now() - start;
		s->calls++;
	}
	return outcome(t);
}

static bool all_finite(struct backend *b, struct view v)
{
	size_t n = shape_count(v.s);
	real *here = b->take ? mem_new(n, sizeof *here) : v.p;   /* a device's values come here */
	bool finite = true;

	if (b->take) backend_get(b, here, v.p, n * sizeof *here);
	for (size_t i = 0; i < n && finite; i++) finite = isfinite(here[i]);
	if (b->take) free(here);
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
	return i->op == OP_LEAF ? i->there : t->life[i->life].p;
}

void tape_read(const struct tape *t, val v, real *to)
{
	backend_get(t->b, to, tape_value(t, v), shape_count(t->ins[v].s) * sizeof *to);
}

void tape_profile(struct tape *t, bool on)
{
	t->profiled = on;
}

/* Per kind of step: an op with the size of its result, or a chain of n. */
struct line { char name[96]; double seconds; int64_t calls; int steps; };

static int slower_first(const void *a, const void *b)
{
	double x = ((const struct line *)a)->seconds, y = ((const struct line *)b)->seconds;
	return x < y ? 1 : x > y ? -1 : 0;
}

static void step_name(const struct tape *t, const struct step *s, char *name, size_t size)
{
	const struct instr *i = &t->ins[s->v];
	struct shape d = s->chain.n ? s->chain.space : i->s;

	if (s->chain.n)
		snprintf(name, size, "chain of %d [%d,%d,%d,%d]", s->chain.n, d.d[0], d.d[1],
			 d.d[2], d.d[3]);
	else snprintf(name, size, "%s [%d,%d,%d,%d]", op_name[i->op], d.d[0], d.d[1], d.d[2], d.d[3]);
}

void tape_profile_print(const struct tape *t, FILE *f)
{
	struct line *line = mem_new((size_t)t->n_steps + 1, sizeof *line);
	double total = 0;
	int n = 0;

	for (int k = 0; k < t->n_steps; k++) {
		struct line one = { .seconds = t->step[k].seconds,
				    .calls = t->step[k].calls,
				    .steps = 1 };
		int j;
		step_name(t, &t->step[k], one.name, sizeof one.name);
		for (j = 0; j < n && __builtin_strcmp(line[j].name, one.name); j++) {}
		if (j == n) line[n++] = one;
		else line[j].seconds += one.seconds, line[j].steps++;
		total += one.seconds;
	}
	qsort(line, (size_t)n, sizeof *line, slower_first);
	fprintf(f, "#op\tsteps\tms\tshare\n");
	for (int j = 0; j < n && line[j].seconds > 0.002 * total; j++)
		fprintf(f, "%s\t%d\t%.3f\t%.1f%%\n", line[j].name, line[j].steps,
			1e3 * line[j].seconds / (double)(line[j].calls ? line[j].calls : 1),
			100 * line[j].seconds / total);
	free(line);
}
