/* impl: what the files of lib/tape share; nobody else includes it. */
#ifndef IC_TAPE_IMPL_H
#define IC_TAPE_IMPL_H

#include "lib/tape/tape.h"

enum { OP_LEAF = OP_COUNT, OP_ALIAS };       /* beside the kernels' ops: a leaf; the same data in another shape */

struct instr {
	int op;
	int n_in;
	val in[OP_INPUTS];
	struct attr a;
	struct shape s;
	const real *leaf;                    /* OP_LEAF: where to read */
	real *owned;                         /* OP_LEAF: constants of the tape */
	char *label;
	bool kept, detached;

	/* filled by plan */
	bool live;
	int group;                           /* the chain it runs in, or -1 */
	bool stored;                         /* has memory of its own */
	int first, last;                     /* steps between which its memory is in use */
	size_t at;                           /* place in the arena, in reals */
	real *p;
};

/* One call of the interpreter: a kernel, or a chain of element-wise ones. */
struct step {
	val v;                               /* the instruction, or the sink of the chain, for names */
	struct view y, x[OP_INPUTS];
	struct chain chain;                  /* n 0: a single kernel */
	double seconds;
	int64_t calls;
};

struct tape {
	struct instr *ins;
	int n, room;

	struct backend *b;
	struct step *step;
	int n_steps;
	real *arena;                         /* owned, or NULL: the caller's */
	size_t arena_bytes, scratch_bytes;
	bool measured, placed, profiled;
	val first_bad;
};

val tape_emit(struct tape *, int op, struct shape, int n_in, const val *in, const struct attr *);
val tape_root(const struct tape *, val);     /* through aliases to the value that owns the data */
bool shape_same(struct shape, struct shape);
void plan_chains(struct tape *);             /* sets group and stored of every live instruction */

#endif
