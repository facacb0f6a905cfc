/* impl: what the files of lib/tape share; nobody else includes it. */
#ifndef IC_TAPE_IMPL_H
#define IC_TAPE_IMPL_H

#include "lib/tape/tape.h"

/* beside the kernels' ops: a leaf; the same data in another shape */
/* ... or a part of it, from number i0 on */
enum { OP_LEAF = OP_COUNT, OP_ALIAS };

/* Steps between which a value has memory, and where; at: place in the arena, in reals.  v -1: none,
 * its value lives in that of another. */
struct life { val v; int first, last; size_t at; real *p; };

struct instr {
	int op;
	int n_in;
	val in[OP_INPUTS];
	struct attr a;
	struct shape s;
	const real *leaf;                    /* OP_LEAF: where to read */
	/* OP_LEAF: all but the first are in the host's memory */
	enum { IN_PLACE, INPUT, CONSTANT } kind;
	real *owned;                         /* OP_LEAF: constants of the tape */
	char *label;
	bool kept, detached;
	int segment;                         /* from 1; 0: none */

	/* filled by plan */
	size_t at;                           /* OP_LEAF: place among the leaves' copies, in reals */
	real *there;                         /* OP_LEAF: where the ops read it */
	bool live;
	int group;                           /* the chain it runs in, or -1 */
	bool stored;                         /* has memory of its own */
	bool bf16;                           /* ... in two bytes a number */
	int step;                            /* that it runs in */
	val next;                            /* instruction of that step, or -1 */
	int redo;                            /* the segment that it is computed again with, or 0 */
	int life, again;                     /* its memory, then and again, or -1 */
	int since;                           /* again: the step that computes it again */
};

/* One call of the interpreter: a kernel, or a chain of element-wise ones. */
struct step {
	/* the instruction, or the sink of the chain, for names */
	val v;
	val member;                          /* its first instruction */
	/* only those computed again with this segment; 0: all */
	int redo;
	struct view y, x[OP_INPUTS];
	struct chain chain;                  /* n 0: a single kernel */
	double seconds;
	int64_t calls;
};

struct tape {
	struct instr *ins;
	int n, room;
	int segments, segment;               /* so far; the present one or 0 */
	val forward;                         /* the first instruction after grads; 0: none yet */
	bool recompute;

	struct backend *b;
	struct step *step;
	int n_steps;
	struct call *power;                  /* the first n_powers steps, which may be one call */
	int n_powers;
	struct life *life;
	int n_lives;
	real *arena;                         /* owned, or NULL: the caller's */
	/* copies of the host's in a device's memory, or NULL */
	real *leaves;
	size_t arena_bytes, scratch_bytes;
	bool measured, placed, profiled;
	bool on_device;                      /* arena and leaves are in its memory */
	val first_bad;
	bool ran;
	/* the steps as a device keeps them, with the scratch they use; NULL: not yet */
	void *recorded;
	const void *recorded_work;
};

val tape_emit(struct tape *, int op, struct shape, int n_in, const val *in, const struct attr *);
val tape_root(const struct tape *, val);     /* through aliases to the value that owns the data */
/* Data of x from number `start` on, in any shape. */
val tape_part(struct tape *, val x, int start, struct shape);
size_t tape_start(const struct tape *, val);   /* where its data begin in that value, in reals */
bool shape_same(struct shape, struct shape);
void tape_forget(struct tape *);             /* what was recorded */
int64_t tape_work(const struct tape *, const struct instr *);   /* multiply-adds of one */
void plan_chains(struct tape *);             /* sets group and stored of every live instruction */
void plan_recompute(struct tape *);          /* sets redo and repeats steps */
size_t plan_scratch(const struct tape *, const struct step *);   /* bytes of it */

void plan_storage(struct tape *);            /* sets bf16 of every instruction */

/* Neither dead, nor a leaf or an alias. */
static inline bool tape_runs(const struct instr *i)
{
	return i->live && i->op != OP_LEAF && i->op != OP_ALIAS;
}

static inline size_t stored_bytes(struct shape s, bool bf16)
{
	return shape_count(s) * (bf16 ? sizeof(uint16_t) : sizeof(real));
}

static inline bool step_has(const struct step *s, const struct instr *i)
{
	return !s->redo || i->redo == s->redo;
}

#endif
