/* chains: which element-wise instructions run together, so that what they pass to each other never
 * leaves the cache.
 *
 * Downwards: an instruction all of whose readers are in one chain of its own shape joins it and is
 * not stored (hence a chain has one sink and no way out and back in).  Sideways: a chain moves up
 * to join an earlier one of the same space when everything else it reads is ready by then and the
 * two share data; the earlier place is then the place of both. */
#include "lib/tape/impl.h"
#include "lib/base/mem.h"

#include <stdlib.h>

enum { NONE = -1, MANY = -2 };

/* into: the group it was merged into, or itself. */
struct group { val place; struct shape space; int size, into; };
struct chains { struct tape *t; struct group *g; int *reader; int n; };

static int group_of(const struct chains *c, val v)
{
	int g = c->t->ins[v].group;
	while (g >= 0 && c->g[g].into != g) g = c->g[g].into;
	return g;
}

static bool is_ew(const struct instr *i)
{
	return i->op < OP_COUNT && op_klass[i->op] == EW;
}

/* Sums that a chain can end in: over all pixels, or all of a sample, per channel or not; or over
 * the channels of each pixel. */
static bool is_chain_sum(const struct tape *t, const struct instr *i)
{
	if (i->op != OP_sum_to) return false;
	struct shape from = tape_shape(t, i->in[0]), row = i->s;
	row.d[3] = from.d[3];
	return shape_count(from) > shape_count(i->s) &&
	       ((i->s.d[1] == 1 && i->s.d[2] == 1) || shape_same(row, from));
}

/* The space of the chain that instruction v could be the sink of; false when it cannot. */
static bool space_of(const struct tape *t, val v, struct shape *s)
{
	const struct instr *i = &t->ins[v];

	if (is_ew(i)) *s = i->s;
	else if (is_chain_sum(t, i)) *s = tape_shape(t, i->in[0]);
	else return false;
	return true;
}

static void downwards(struct chains *c)
{
	struct tape *t = c->t;

	for (val v = t->n - 1; v >= 0; v--) {
		struct instr *i = &t->ins[v];
		struct shape space;

		if (!i->live) continue;
		if (space_of(t, v, &space)) {
			int g = c->reader[v];
			if (is_ew(i) && g >= 0 && !i->kept && shape_same(c->g[g].space, space) &&
			    c->g[g].size < CHAIN_MAX) {
				i->group = g;
				c->g[g].size++;
			} else {
				i->group = c->n;
				c->g[c->n] = (struct group){ v, space, 1, c->n };
				c->n++;
			}
		}
		for (int k = 0; k < i->n_in; k++) {
			val r = tape_root(t, i->in[k]);
			bool same = i->group >= 0 && shape_same(t->ins[r].s, t->ins[i->in[k]].s);
			int g = same ? i->group : MANY;
			if (i->op == OP_ALIAS) continue;     /* its readers speak for it */
			c->reader[r] = c->reader[r] == NONE || c->reader[r] == g ? g : MANY;
		}
	}
}

static val place_of(const struct chains *c, val v)
{
	int g = group_of(c, v);
	return c->t->ins[v].op == OP_LEAF ? -1 : g >= 0 ? c->g[g].place : v;
}

/* Whether group b may run at the place of the earlier group a; members of b lie in (low, high]. */
static bool can_join(const struct chains *c, int a, int b)
{
	const struct tape *t = c->t;
	bool share = false;

	if (c->g[a].size + c->g[b].size > CHAIN_MAX) return false;
	for (val v = c->g[b].place; v >= 0; v--) {
		const struct instr *i = &t->ins[v];
		if (!i->live || group_of(c, v) != b) continue;
		for (int k = 0; k < i->n_in; k++) {
			val r = tape_root(t, i->in[k]);
			int from = group_of(c, r);
			if (from == b) continue;
			if (from == a) {
				if (t->ins[r].op == OP_sum_to ||
				    !shape_same(t->ins[r].s, t->ins[i->in[k]].s))
					return false;
				share = true;
			} else if (place_of(c, r) >= c->g[a].place) {
				return false;
			} else if (shape_same(t->ins[r].s, c->g[b].space)) {
				share = share || c->reader[r] == MANY;
			}
		}
	}
	return share;
}

static void sideways(struct chains *c)
{
	/* how many earlier chains of the same space are tried */
	enum { WINDOW = 24 };

	/* Group numbers fall with place: this goes forward in time. */
	for (int b = c->n - 1; b >= 0; b--) {
		int tried = 0;
		for (int a = b + 1; a < c->n && tried < WINDOW; a++) {
			if (c->g[a].into != a || c->g[a].place >= c->g[b].place) continue;
			if (!shape_same(c->g[a].space, c->g[b].space)) continue;
			tried++;
			if (!can_join(c, a, b)) continue;
			c->g[a].size += c->g[b].size;
			c->g[b].into = a;
			break;
		}
	}
}

/* Numbers the groups by place (an instruction's group becomes the place of its chain) and settles
 * what is stored. */
static void settle(struct chains *c)
{
	struct tape *t = c->t;
	int *g = mem_new((size_t)t->n, sizeof *g);

	for (val v = 0; v < t->n; v++) g[v] = t->ins[v].live ? group_of(c, v) : NONE;
	for (val v = 0; v < t->n; v++) {
		struct instr *i = &t->ins[v];
		if (!i->live || i->op == OP_LEAF || i->op == OP_ALIAS) continue;
		i->stored = i->kept || g[v] < 0 || i->op == OP_sum_to;
	}
	for (val v = 0; v < t->n; v++) {
		const struct instr *i = &t->ins[v];
		for (int k = 0; k < i->n_in && i->live && i->op != OP_ALIAS; k++) {
			val r = tape_root(t, i->in[k]);
			if (t->ins[r].op == OP_LEAF) continue;
			if (g[r] < 0 || g[r] != g[v] ||
			    !shape_same(t->ins[r].s, t->ins[i->in[k]].s))
				t->ins[r].stored = true;
		}
	}
	for (val v = 0; v < t->n; v++) t->ins[v].group = g[v] < 0 ? NONE : c->g[g[v]].place;
	free(g);
}

void plan_chains(struct tape *t)
{
	struct chains c = { t, mem_new((size_t)t->n, sizeof *c.g),
			    mem_new((size_t)t->n, sizeof(int)), 0 };

	for (val v = 0; v < t->n; v++) c.reader[v] = NONE;
	downwards(&c);
	sideways(&c);
	settle(&c);
	free(c.g);
	free(c.reader);
}
