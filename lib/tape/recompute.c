/* recompute: values of a segment that nobody reads between its forward pass and its derivative give
 * up their memory in between and are computed again before the derivative.
 *
 * It is steps that are repeated, after the choice of chains: the same kernels on the same inputs,
 * so all bits stay, whatever the chains do to the order of a sum.  Of a chain only those members
 * run again that lead from values still there to values given up.  What a step keeps (new running
 * statistics, vectors of the spectral norm) is not touched, and random numbers come from leaves. */
#include "lib/tape/impl.h"
#include "lib/base/mem.h"

#include <stdlib.h>

enum { SMALL = 4096 };                       /* numbers that are not worth computing again */

/* end: its last step; back: the first step of its derivative that reads a value given up. */
struct span { int end, back; };

struct recompute {
	struct tape *t;
	struct span *span;                   /* of each segment */
	/* of each step: the segment it is repeated for, or 0 */
	int *owner;
	bool *shared, *dropped;              /* values that other segments read; those given up */
};

/* Of the forward pass, in a segment. */
static bool in_segment(const struct tape *t, val v)
{
	return t->ins[v].segment && v < t->forward && tape_runs(&t->ins[v]);
}

/* Sums stay: they are small, and what else their chain stores decides how they are added up. */
static bool may_drop(const struct tape *t, val v)
{
	const struct instr *i = &t->ins[v];

	return in_segment(t, v) && i->stored && !i->kept && i->op != OP_sum_to &&
	       i->op != OP_moments && i->op != OP_power && shape_count(i->s) > SMALL;
}

/* Whether instruction v reads r after r's segment has run. */
static bool reads_late(const struct recompute *c, val v, val r)
{
	return v >= c->t->forward && c->t->ins[v].step > c->span[c->t->ins[r].segment].end;
}

static void find_shared(struct recompute *c)
{
	struct tape *t = c->t;

	for (val v = 0; v < t->forward; v++) {
		const struct instr *i = &t->ins[v];
		for (int k = 0; k < i->n_in && tape_runs(i); k++) {
			val r = tape_root(t, i->in[k]);
			if (i->segment != t->ins[r].segment) c->shared[r] = true;
		}
	}
}

/* What derivatives read late; of a chain that several segments share, the values of the last. */
static void drop_late(struct recompute *c)
{
	struct tape *t = c->t;

	for (val v = t->forward; v < t->n; v++) {
		const struct instr *i = &t->ins[v];
		for (int k = 0; k < i->n_in && tape_runs(i); k++) {
			val r = tape_root(t, i->in[k]);
			if (!may_drop(t, r) || c->shared[r] || !reads_late(c, v, r)) continue;
			const struct instr *from = &t->ins[r];
			c->dropped[r] = true;
			if (from->segment > c->owner[from->step])
				c->owner[from->step] = from->segment;
		}
	}
	for (val v = 0; v < t->forward; v++)
		if (c->dropped[v] && t->ins[v].segment != c->owner[t->ins[v].step])
			c->dropped[v] = false;
}

/* Input r of an instruction that segment g computes again: another to be dropped? */
static bool follows(struct recompute *c, val r, int g)
{
	const struct instr *i = &c->t->ins[r];

	if (c->dropped[r] || i->segment != g) return false;
	return may_drop(c->t, r) && !c->shared[r] && (!c->owner[i->step] || c->owner[i->step] == g);
}

/* From what is given up backwards: of the same segment all goes, of others all stays. */
static void close_over(struct recompute *c)
{
	struct tape *t = c->t;

	for (val v = t->forward - 1; v >= 0; v--) {
		struct instr *i = &t->ins[v];
		if (c->dropped[v]) i->redo = i->segment;
		for (int k = 0; k < i->n_in && i->redo; k++) {
			val r = tape_root(t, i->in[k]);
			struct instr *from = &t->ins[r];
			if (!tape_runs(from)) continue;
			if (follows(c, r, i->redo)) {
				c->dropped[r] = true;
				c->owner[from->step] = i->redo;
			}
			if (c->dropped[r] && from->segment != i->redo) c->dropped[r] = false;
			if (c->dropped[r] || !from->stored) from->redo = i->redo;
		}
	}
}

static void find_spans(struct recompute *c)
{
	struct tape *t = c->t;

	for (int k = 0; k <= t->segments; k++) c->span[k] = (struct span){ -1, t->n_steps };
	for (val v = 0; v < t->n; v++) {
		struct span *s = &c->span[t->ins[v].segment];
		if (in_segment(t, v) && t->ins[v].step > s->end) s->end = t->ins[v].step;
	}
}

static void find_readers(struct recompute *c)
{
	struct tape *t = c->t;

	for (val v = t->forward; v < t->n; v++) {
		const struct instr *i = &t->ins[v];
		for (int k = 0; k < i->n_in && tape_runs(i); k++) {
			val r = tape_root(t, i->in[k]);
			struct span *s = &c->span[t->ins[r].segment];
			if (c->dropped[r] && reads_late(c, v, r) && i->step < s->back)
				s->back = i->step;
		}
	}
}

static bool is_repeated(const struct tape *t, const struct step *s, int segment)
{
	for (val v = s->member; v >= 0; v = t->ins[v].next)
		if (t->ins[v].redo == segment) return true;
	return false;
}

/* The steps with repetitions between them. */
static void repeat(struct recompute *c)
{
	struct tape *t = c->t;
	struct step *all = mem_new(2 * (size_t)t->n_steps + 1, sizeof *all);
	int n = 0;

	for (int k = 0; k < t->n_steps; k++) {
		for (int g = 1; g <= t->segments; g++)
			for (int j = 0; j <= c->span[g].end && c->span[g].back == k; j++) {
				if (!is_repeated(t, &t->step[j], g)) continue;
				all[n] = t->step[j];
				all[n++].redo = g;
			}
		all[n++] = t->step[k];
	}
	free(t->step);
	t->step = all;
	t->n_steps = n;
}

void plan_recompute(struct tape *t)
{
	struct recompute c = { t, mem_new((size_t)t->segments + 1, sizeof *c.span),
			       mem_new((size_t)t->n_steps + 1, sizeof *c.owner),
			       mem_new((size_t)t->n, sizeof *c.shared),
			       mem_new((size_t)t->n, sizeof *c.dropped) };

	find_spans(&c);
	find_shared(&c);
	drop_late(&c);
	close_over(&c);
	find_readers(&c);
	repeat(&c);
	free(c.span);
	free(c.owner);
	free(c.shared);
	free(c.dropped);
}
