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

/* A step of the power method that needs nothing computed. */
static bool is_first_power(const struct tape *t, val v)
{
	const struct instr *i = &t->ins[v];

	if (i->op != OP_power || !i->live) return false;
	for (int k = 0; k < i->n_in; k++)
		if (t->ins[tape_root(t, i->in[k])].op != OP_LEAF) return false;
	return true;
}

static void add_step(struct tape *t, val v)
{
	t->ins[v].step = t->n_steps;
	t->step[t->n_steps++] = (struct step){ .v = v, .member = -1 };
}

/* A step for each instruction, or for each chain at its place; steps of the power method that can
 * be are the first, to be one call. */
static void order_steps(struct tape *t)
{
	t->step = mem_new((size_t)t->n + 1, sizeof *t->step);
	for (val v = 0; v < t->n; v++)
		if (is_first_power(t, v)) add_step(t, v);
	t->n_powers = t->n_steps;
	t->power = mem_new((size_t)t->n_powers, sizeof *t->power);
	for (val v = 0; v < t->n; v++) {
		const struct instr *i = &t->ins[v];
		if (!tape_runs(i) || (i->group >= 0 && i->group != v)) continue;
		if (!is_first_power(t, v)) add_step(t, v);
	}
	for (val v = t->n - 1; v >= 0; v--) {
		struct instr *i = &t->ins[v];
		if (!tape_runs(i)) continue;
		if (i->group >= 0) i->step = t->ins[i->group].step;
		i->next = t->step[i->step].member;
		t->step[i->step].member = v;
	}
}

/* The memory of a value that step k writes or reads; NULL: none. */
static struct life *life_at(const struct tape *t, val v, int k)
{
	const struct instr *i = &t->ins[tape_root(t, v)];

	if (i->again >= 0 && k >= i->since) return &t->life[i->again];
	return i->life >= 0 ? &t->life[i->life] : NULL;
}

/* In use from the step that writes it to the last that reads it; kept values to the end. */
static void lifetimes(struct tape *t)
{
	t->life = mem_new(2 * (size_t)t->n + 1, sizeof *t->life);
	for (val v = 0; v < t->n; v++) t->ins[v].life = t->ins[v].again = -1;
	for (int k = 0; k < t->n_steps; k++) {
		const struct step *s = &t->step[k];
		for (val v = s->member; v >= 0; v = t->ins[v].next) {
			struct instr *i = &t->ins[v];
			if (!step_has(s, i)) continue;
			for (int j = 0; j < i->n_in; j++) {
				struct life *r = life_at(t, i->in[j], k);
				if (r) r->last = k;
			}
			if (!i->stored) continue;
			*(s->redo ? &i->again : &i->life) = t->n_lives;
			if (s->redo) i->since = k;
			t->life[t->n_lives++] = (struct life){ .v = v, .first = k, .last = k };
		}
	}
	for (val v = 0; v < t->n; v++)
		if (t->ins[v].kept && t->ins[v].life >= 0)
			t->life[t->ins[v].life].last = t->n_steps;
}

/* What a step runs over. */
static struct shape space_of(const struct tape *t, const struct step *s)
{
	const struct instr *i = &t->ins[s->v];
	return i->op == OP_sum_to ? tape_shape(t, i->in[0]) : i->s;
}

/* Element-wise ops and sums of what they see: what it writes of an element depends on that element
 * alone. */
static bool may_share(const struct tape *t, const struct step *s)
{
	for (val v = s->member; v >= 0; v = t->ins[v].next) {
		const struct instr *i = &t->ins[v];
		if (step_has(s, i) && op_klass[i->op] != EW && i->op != OP_sum_to) return false;
	}
	return true;
}

/* Whether members after v read the memory l, or sums, which may read when all others have
 * written. */
static bool read_after(const struct tape *t, int k, val v, const struct life *l)
{
	const struct step *s = &t->step[k];

	for (val m = s->member; m >= 0; m = t->ins[m].next) {
		const struct instr *i = &t->ins[m];
		bool after = m > v || i->op == OP_sum_to;
		for (int j = 0; j < i->n_in && after && step_has(s, i); j++)
			if (life_at(t, i->in[j], k) == l) return true;
	}
	return false;
}

/* Whether x is all of the value that owns its data. */
static bool is_whole(const struct tape *t, val x)
{
	return shape_count(t->ins[x].s) == shape_count(t->ins[tape_root(t, x)].s);
}

/* Memory of v's shape that ends with step k, where v or a member before it reads it last. */
static struct life *ends_here(const struct tape *t, int k, val v)
{
	const struct step *s = &t->step[k];

	for (val m = s->member; m >= 0 && m <= v; m = t->ins[m].next)
		for (int j = 0; j < t->ins[m].n_in && step_has(s, &t->ins[m]); j++) {
			val x = t->ins[m].in[j];
			struct life *l = life_at(t, x, k);
			if (l && l->first < k && l->last == k && !read_after(t, k, v, l) &&
			    shape_same(t->ins[x].s, t->ins[v].s) && is_whole(t, x) &&
			    t->ins[tape_root(t, x)].bf16 == t->ins[v].bf16)
				return l;
		}
	return NULL;
}

/* An element-wise step writes over an input that nobody reads later. */
static void write_over(struct tape *t)
{
	for (int k = 0; k < t->n_steps; k++) {
		const struct step *s = &t->step[k];
		for (val v = s->member; v >= 0 && may_share(t, s); v = t->ins[v].next) {
			struct instr *i = &t->ins[v];
			if (!step_has(s, i) || !i->stored || i->op == OP_sum_to) continue;
			int *own = s->redo ? &i->again : &i->life;
			struct life *l = ends_here(t, k, v);
			if (!l || !shape_same(i->s, space_of(t, s))) continue;
			l->last = t->life[*own].last;
			t->life[*own].v = -1;
			*own = (int)(l - t->life);
		}
	}
}

/* The reals it takes in the arena. */
static size_t padded(const struct instr *i)
{
	size_t line = ALIGN * sizeof(real);

	return (stored_bytes(i->s, i->bf16) + line - 1) / line * ALIGN;
}

static int larger_first(const void *a, const void *b, void *tape)
{
	const struct tape *t = tape;
	int v = *(const int *)a, w = *(const int *)b;
	size_t x = padded(&t->ins[t->life[v].v]), y = padded(&t->ins[t->life[w].v]);

	return x != y ? (x < y ? 1 : -1) : v - w;
}

/* Largest first, each at the lowest place free for its whole life. */
static size_t place_all(struct tape *t)
{
	int n = 0;
	int *order = mem_new((size_t)t->n_lives, sizeof *order);
	int *placed = mem_new((size_t)t->n_lives, sizeof *placed);
	size_t top = 0;

	for (int k = 0; k < t->n_lives; k++)
		if (t->life[k].v >= 0) order[n++] = k;
	if (n) qsort_r(order, (size_t)n, sizeof *order, larger_first, t);
	for (int k = 0; k < n; k++) {
		struct life *l = &t->life[order[k]];
		size_t at = 0, need = padded(&t->ins[l->v]);
		int j;
		for (j = 0; j < k; j++) {            /* placed is sorted by place */
			const struct life *o = &t->life[placed[j]];
			if (o->last < l->first || l->last < o->first) continue;
			if (o->at >= at + need) break;
			size_t end = o->at + padded(&t->ins[o->v]);
			if (end > at) at = end;
		}
		l->at = at;
		if (at + need > top) top = at + need;
		for (j = k; j > 0 && t->life[placed[j - 1]].at > at; j--) placed[j] = placed[j - 1];
		placed[j] = order[k];
	}
	free(order);
	free(placed);
	return top;
}

static real nowhere[1];                      /* the address of all values until they have memory */

static struct view view_at(const struct tape *t, val v, int k)
{
	const struct instr *i = &t->ins[tape_root(t, v)];
	const struct life *l = life_at(t, v, k);
	real *p = l ? l->p : i->op != OP_LEAF ? NULL : t->placed ? i->there : nowhere;

	if (p && t->placed) p += tape_start(t, v);
	return (struct view){ p, t->ins[v].s, i->bf16 };
}

/* The members of the chain of step k, in order; `of` maps an instruction to its number there. */
static void build_chain(struct tape *t, int k, int *of)
{
	int n = 0;
	struct step *s = &t->step[k];
	struct chain_step *c = (struct chain_step *)s->chain.step;

	if (!c) c = mem_new(CHAIN_MAX, sizeof *c);
	for (val v = s->member; v >= 0; v = t->ins[v].next) {
		const struct instr *i = &t->ins[v];
		if (!step_has(s, i)) continue;
		must(n < CHAIN_MAX);
		struct chain_step *e = &c[n];
		*e = (struct chain_step){ .op = (enum op)i->op, .a = i->a, .inputs = i->n_in };
		for (int j = 0; j < i->n_in; j++) {
			val r = tape_root(t, i->in[j]);
			const struct instr *from = &t->ins[r];
			bool inside = from->op != OP_LEAF && from->group == s->v &&
				      step_has(s, from);
			e->in[j] = view_at(t, i->in[j], k);
			e->from[j] = inside ? of[r] : -1;
			if (inside) e->in[j].p = NULL;
		}
		e->out = view_at(t, v, k);
		of[v] = n++;
	}
	s->chain = (struct chain){ space_of(t, s), n, c };
}

static void build_steps(struct tape *t)
{
	int *of = mem_new((size_t)t->n, sizeof *of);

	for (int k = 0; k < t->n_steps; k++) {
		struct step *s = &t->step[k];
		const struct instr *i = &t->ins[s->v];
		s->y = view_at(t, s->v, k);
		for (int j = 0; j < i->n_in; j++) s->x[j] = view_at(t, i->in[j], k);
		if (i->group >= 0 && t->ins[s->member].next >= 0) build_chain(t, k, of);
		if (k < t->n_powers) t->power[k] = (struct call){ s->y, s->x, &i->a };
	}
	free(of);
}

size_t plan_scratch(const struct tape *t, const struct step *s)
{
	const struct instr *i = &t->ins[s->v];
	struct backend *b = t->b;

	if (s->chain.n) return b->chain_scratch ? b->chain_scratch(b, &s->chain) : 0;
	return b->scratch[i->op] ? b->scratch[i->op](b, s->y, s->x, &i->a) : 0;
}

static size_t most_scratch(const struct tape *t)
{
	struct backend *b = t->b;
	size_t most = b->powers ? b->powers_scratch(b, t->n_powers, t->power) : 0;

	for (int k = 0; k < t->n_steps; k++) {
		size_t n = plan_scratch(t, &t->step[k]);
		if (n > most) most = n;
	}
	return most;
}

/* Every op that runs is one of the backend, and of a size that a device's kernels count to. */
static int check_ops(const struct tape *t)
{
	for (val v = 0; v < t->n; v++) {
		const struct instr *i = &t->ins[v];
		if (tape_runs(i) && !t->b->op[i->op])
			return fail("backend %s has no op %s", t->b->name, op_name[i->op]);
		if (i->live && t->b->take && shape_count(i->s) > INT32_MAX)
			return fail("%s: a value of %zu numbers, expected fewer than 2^31: take "
				    "smaller batches", t->b->name, shape_count(i->s));
	}
	return 0;
}

int tape_measure(struct tape *t, struct backend *b, bool fuse)
{
	must(!t->measured);
	t->measured = true;
	t->b = b;
	mark_live(t);
	if (check_ops(t)) return -1;
	for (val v = 0; v < t->n; v++) t->ins[v].stored = tape_runs(&t->ins[v]);
	if (fuse && b->chain) plan_chains(t);
	if (b->bf16) plan_storage(t);
	order_steps(t);
	if (t->recompute) plan_recompute(t);
	lifetimes(t);
	write_over(t);
	t->arena_bytes = place_all(t) * sizeof(real);
	for (int k = 0; k < t->n_lives; k++) t->life[k].p = nowhere;
	build_steps(t);
	t->scratch_bytes = most_scratch(t);
	return 0;
}

/* Where the leaves are read: in place, or as copies in the memory of a device. */
static int place_leaves(struct tape *t)
{
	size_t n = 0;

	for (val v = 0; v < t->n; v++) {
		struct instr *i = &t->ins[v];
		if (i->op != OP_LEAF || !i->live) continue;
		must(i->leaf);
		i->there = (real *)i->leaf;
		if (i->kind == IN_PLACE) continue;
		i->at = n;
		n += padded(i);
	}
	if (!t->on_device || !n) return 0;
	if (!(t->leaves = backend_take(t->b, n * sizeof(real))))
		return fail("no memory for %.1f MiB of weights on the device",
			    (double)n * sizeof(real) / 1048576);
	for (val v = 0; v < t->n; v++) {
		struct instr *i = &t->ins[v];
		if (i->op == OP_LEAF && i->live && i->kind != IN_PLACE)
			i->there = t->leaves + i->at;
	}
	tape_refresh(t);
	return 0;
}

int tape_place(struct tape *t, real *arena)
{
	must(t->measured && !t->placed);
	if (backend_reserve(t->b, t->scratch_bytes))
		return fail("no memory for %.1f MiB of scratch",
			    (double)t->scratch_bytes / 1048576);
	t->on_device = t->b->take;
	if (!arena && t->on_device && !(arena = t->arena = backend_take(t->b, t->arena_bytes)))
		return fail("no memory for %.1f MiB of values on the device",
			    (double)t->arena_bytes / 1048576);
	if (!arena) arena = t->arena = mem_big(t->arena_bytes, 1, "arena of the tape");
	if (!arena) return -1;
	if (place_leaves(t)) return -1;
	for (int k = 0; k < t->n_lives; k++) t->life[k].p = arena + t->life[k].at;
	t->placed = true;
	build_steps(t);
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
		if (tape_runs(&t->ins[v])) n += padded(&t->ins[v]) * sizeof(real);
	return n;
}

int tape_check_plan(const struct tape *t)
{
	for (int i = 0; i < t->n_lives; i++)
		for (int j = 0; j < i; j++) {
			const struct life *a = &t->life[i], *b = &t->life[j];
			if (a->v < 0 || b->v < 0) continue;
			bool apart = a->at >= b->at + padded(&t->ins[b->v]) ||
				     b->at >= a->at + padded(&t->ins[a->v]);
			if (apart || a->last < b->first || b->last < a->first) continue;
			return fail("values %d and %d are both alive at step %d and share memory",
				    b->v, a->v, a->first > b->first ? a->first : b->first);
		}
	return 0;
}
