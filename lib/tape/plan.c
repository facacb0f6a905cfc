/* plan: dead code, the order of steps, lifetimes, and one arena for all values. */
#include "lib/tape/impl.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <stdlib.h>

enum { ALIGN = 64 / sizeof(real) };

static void mark_live(struct tape *t)
{
	for (val v = t->n - 1; v >= 0; v--) {
		struct instr *i = &t->ins[v];
		if (i->kept) i->live = true;
		for (int k = 0; k < i->n_in && i->live; k++) t->ins[i->in[k]].live = true;
	}
}

static bool runs(const struct instr *i)
{
	return i->live && i->op != OP_LEAF && i->op != OP_ALIAS;
}

/* A value is in use from the step that writes it to the last that reads it; kept ones to the end. */
static void lifetimes(struct tape *t)
{
	int *when = mem_new((size_t)t->n, sizeof *when);

	t->step = mem_new((size_t)t->n + 1, sizeof *t->step);
	for (val v = 0; v < t->n; v++) {
		if (!runs(&t->ins[v]) || (t->ins[v].group >= 0 && t->ins[v].group != v)) continue;
		when[v] = t->n_steps;
		t->step[t->n_steps++].v = v;
	}
	for (val v = 0; v < t->n; v++) {
		struct instr *i = &t->ins[v];
		if (!runs(i)) continue;
		i->first = i->last = when[i->group >= 0 ? i->group : v];
	}
	for (val v = 0; v < t->n; v++) {
		const struct instr *i = &t->ins[v];
		for (int k = 0; k < i->n_in && runs(i); k++) {
			struct instr *r = &t->ins[tape_root(t, i->in[k])];
			if (r->last < i->first) r->last = i->first;
		}
	}
	for (val v = 0; v < t->n; v++)
		if (t->ins[v].kept) t->ins[v].last = t->n_steps;
	free(when);
}

static size_t padded(struct shape s)
{
	return (shape_count(s) + ALIGN - 1) / ALIGN * ALIGN;
}

static int larger_first(const void *a, const void *b, void *tape)
{
	const struct tape *t = tape;
	val v = *(const val *)a, w = *(const val *)b;
	size_t x = padded(t->ins[v].s), y = padded(t->ins[w].s);

	return x != y ? (x < y ? 1 : -1) : v - w;
}

/* Largest first, each at the lowest place free for its whole life. */
static size_t place_all(struct tape *t)
{
	val *order = mem_new((size_t)t->n, sizeof *order),
	    *placed = mem_new((size_t)t->n, sizeof *placed);
	int n = 0, m = 0;
	size_t top = 0;

	for (val v = 0; v < t->n; v++)
		if (runs(&t->ins[v]) && t->ins[v].stored) order[n++] = v;
	qsort_r(order, (size_t)n, sizeof *order, larger_first, t);
	for (int k = 0; k < n; k++) {
		struct instr *i = &t->ins[order[k]];
		size_t at = 0, need = padded(i->s);
		int j;
		for (j = 0; j < m; j++) {            /* placed is sorted by place */
			const struct instr *o = &t->ins[placed[j]];
			if (o->last < i->first || i->last < o->first) continue;
			if (o->at >= at + need) break;
			if (o->at + padded(o->s) > at) at = o->at + padded(o->s);
		}
		i->at = at;
		if (at + need > top) top = at + need;
		for (j = m++; j > 0 && t->ins[placed[j - 1]].at > at; j--) placed[j] = placed[j - 1];
		placed[j] = order[k];
	}
	free(order);
	free(placed);
	return top;
}

static struct view view_of(const struct tape *t, val v)
{
	return (struct view){ t->ins[tape_root(t, v)].p, t->ins[v].s };
}

/* The members of the chain whose place is `at`, in order; `of` maps an instruction to its number in the chain. */
static void build_chain(struct tape *t, struct step *s, int *of)
{
	int n = 0;
	struct shape space =
		t->ins[s->v].op == OP_sum_to ? tape_shape(t, t->ins[s->v].in[0]) : t->ins[s->v].s;
	struct chain_step *c = (struct chain_step *)s->chain.step;

	if (!c) c = mem_new(CHAIN_MAX, sizeof *c);

	for (val v = 0; v < t->n; v++) {
		const struct instr *i = &t->ins[v];
		if (!runs(i) || i->group != s->v) continue;
		must(n < CHAIN_MAX);
		struct chain_step *e = &c[n];
		*e = (struct chain_step){ .op = (enum op)i->op, .a = i->a, .inputs = i->n_in };
		for (int k = 0; k < i->n_in; k++) {
			val r = tape_root(t, i->in[k]);
			bool inside = t->ins[r].op != OP_LEAF && t->ins[r].group == s->v;
			e->in[k] = view_of(t, i->in[k]);
			e->from[k] = inside ? of[r] : -1;
			if (inside) e->in[k].p = NULL;
		}
		e->out = (struct view){ i->stored ? i->p : NULL, i->s };
		of[v] = n++;
	}
	s->chain = (struct chain){ space, n, c };
}

static void build_steps(struct tape *t)
{
	int *of = mem_new((size_t)t->n, sizeof *of);
	int *members = mem_new((size_t)t->n, sizeof *members);

	for (val v = 0; v < t->n; v++)
		if (runs(&t->ins[v]) && t->ins[v].group >= 0) members[t->ins[v].group]++;
	for (int k = 0; k < t->n_steps; k++) {
		struct step *s = &t->step[k];
		const struct instr *i = &t->ins[s->v];
		s->y = view_of(t, s->v);
		for (int j = 0; j < i->n_in; j++) s->x[j] = view_of(t, i->in[j]);
		if (i->group >= 0 && members[i->group] > 1) build_chain(t, s, of);
	}
	free(members);
	free(of);
}

static size_t scratch_of(struct tape *t)
{
	struct backend *b = t->b;
	size_t most = 0;

	for (int k = 0; k < t->n_steps; k++) {
		const struct step *s = &t->step[k];
		const struct instr *i = &t->ins[s->v];
		struct shape x[OP_INPUTS];
		size_t n = 0;
		for (int j = 0; j < OP_INPUTS; j++) x[j] = s->x[j].s;
		if (s->chain.n) n = b->chain_scratch ? b->chain_scratch(b, &s->chain) : 0;
		else if (b->scratch[i->op]) n = b->scratch[i->op](b, i->s, x, &i->a);
		if (n > most) most = n;
	}
	return most;
}

/* Every op that runs is one of the backend. */
static int check_ops(const struct tape *t)
{
	for (val v = 0; v < t->n; v++) {
		const struct instr *i = &t->ins[v];
		if (runs(i) && !t->b->op[i->op])
			return fail("backend %s has no op %s", t->b->name, op_name[i->op]);
	}
	return 0;
}

int tape_measure(struct tape *t, struct backend *b, bool fuse)
{
	static real nowhere[1];              /* the address of all values until they have memory */

	must(!t->measured);
	t->measured = true;
	t->b = b;
	mark_live(t);
	if (check_ops(t)) return -1;
	for (val v = 0; v < t->n; v++) t->ins[v].stored = runs(&t->ins[v]);
	if (fuse && b->chain) plan_chains(t);
	lifetimes(t);
	t->arena_bytes = place_all(t) * sizeof(real);
	for (val v = 0; v < t->n; v++) {
		struct instr *i = &t->ins[v];
		i->p = i->op == OP_LEAF || i->stored ? nowhere : NULL;
	}
	build_steps(t);
	t->scratch_bytes = scratch_of(t);
	return 0;
}

int tape_place(struct tape *t, real *arena)
{
	must(t->measured && !t->placed);
	if (backend_reserve(t->b, t->scratch_bytes))
		return fail("no memory for %.1f MiB of scratch", (double)t->scratch_bytes / 1048576);
	if (!arena) arena = t->arena = mem_big(t->arena_bytes, 1, "arena of the tape");
	if (!arena) return -1;
	for (val v = 0; v < t->n; v++) {
		struct instr *i = &t->ins[v];
		must(!i->live || i->op != OP_LEAF || i->leaf);
		i->p = i->op == OP_LEAF ? (real *)i->leaf : i->stored ? arena + i->at : NULL;
	}
	build_steps(t);
	t->placed = true;
	return 0;
}

int tape_plan(struct tape *t, struct backend *b, bool fuse)
{
	return tape_measure(t, b, fuse) || tape_place(t, NULL) ? -1 : 0;
}

size_t tape_arena_bytes(const struct tape *t)
{
	return t->arena_bytes;
}

size_t tape_scratch_bytes(const struct tape *t)
{
	return t->scratch_bytes;
}

size_t tape_sum_bytes(const struct tape *t)
{
	size_t n = 0;

	for (val v = 0; v < t->n; v++)
		if (runs(&t->ins[v])) n += padded(t->ins[v].s) * sizeof(real);
	return n;
}

int64_t tape_flops(const struct tape *t)
{
	int64_t n = 0;

	for (val v = 0; v < t->n; v++) {
		const struct instr *i = &t->ins[v];
		if (!runs(i)) continue;
		const struct shape *x = &t->ins[i->in[0]].s,
				   *w = i->n_in > 1 ? &t->ins[i->in[1]].s : NULL;
		if (i->op == OP_conv || i->op == OP_conv_act)
			n += (int64_t)shape_count(i->s) * w->d[0] * w->d[1] * w->d[2];
		if (i->op == OP_dwconv_act) n += (int64_t)shape_count(i->s) * w->d[0] * w->d[1];
		if (i->op == OP_conv_dx) n += (int64_t)shape_count(*x) * w->d[0] * w->d[1] * w->d[2];
		if (i->op == OP_conv_dw)
			n += (int64_t)shape_count(*w) * i->s.d[0] * i->s.d[1] * i->s.d[2];
		if (i->op == OP_matmul) n += (int64_t)shape_count(i->s) * x->d[i->a.i[0] ? 2 : 3];
	}
	return n;
}

int tape_check_plan(const struct tape *t)
{
	for (val v = 0; v < t->n; v++) {
		const struct instr *a = &t->ins[v];
		if (!runs(a) || !a->stored) continue;
		for (val w = 0; w < v; w++) {
			const struct instr *b = &t->ins[w];
			if (!runs(b) || !b->stored || a->last < b->first || b->last < a->first)
				continue;
			if (a->at < b->at + padded(b->s) && b->at < a->at + padded(a->s))
				return fail("values %d and %d are both alive at step %d and share "
					    "memory",
					    w, v, a->first > b->first ? a->first : b->first);
		}
	}
	return 0;
}
