/* kernels: shapes, views, attributes and tables of op kernels.  A backend is a table with one function per op of ops.def; the
 * interpreter, the checker and the bencher all call through it.  Includes nothing of ours. */
#ifndef IC_KERNELS_H
#define IC_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef IC_DOUBLE                             /* ref and tape are also compiled in double, for derivative checks */
typedef double real;
#else
typedef float real;
#endif

struct shape { int d[4]; };                  /* N H W C; all at least 1 */
struct view { real *p; struct shape s; };    /* dense, C innermost, 64-byte aligned */
struct attr { int i[10]; real f[2]; };       /* meaning per op: see ops.def */
enum { OP_INPUTS = 4 };                      /* at most; absent ones have p NULL and no size */

#define OP(name, inputs, klass, what) OP_##name,
enum op {
#include "kernels/ops.def"
	OP_COUNT
};
#undef OP

struct backend;
typedef void op_fn(struct backend *, struct view y, const struct view *x, const struct attr *);
typedef size_t op_scratch(struct backend *, struct shape y, const struct shape *x, const struct attr *);

#define CHAIN_MAX 24                         /* steps of a chain */

/* One step of an element-wise chain (see struct chain). */
struct chain_step {
	enum op op;
	struct attr a;
	struct view in[3];                   /* p NULL: the tile of step `from` */
	int from[3];                         /* index of an earlier step, or -1 */
	int inputs;
	struct view out;                     /* p NULL: stays in the tile; else stored */
};

/* Steps over one iteration space, run tile by tile so that what is only used inside never leaves the cache.  Every step has shape
 * `space` (inputs may broadcast: a dimension equal or 1), except sum_to steps, which reduce to out's shape and are not read by
 * other steps.  An out overlaps no in, unless it is the earlier step's own. */
struct chain { struct shape space; int n; const struct chain_step *step; };

struct backend {
	const char *name;
	op_fn *op[OP_COUNT];                 /* NULL: this backend lacks the op */
	op_scratch *scratch[OP_COUNT];       /* bytes of scratch the op wants; NULL: none */
	void (*chain)(struct backend *, const struct chain *);   /* NULL: steps run one by one */
	size_t (*chain_scratch)(struct backend *, const struct chain *);   /* looks at shapes, and at p only for NULL */
	void *work;                          /* the scratch of the running op, 64-byte aligned, planned before the run */
	size_t work_bytes;
	int threads;
};

/* New table by name: "ref" or "cpu"; NULL when unknown.  threads 0: all. */
struct backend *backend_new(const char *name, int threads);
void backend_free(struct backend *);         /* NULL is fine */
int backend_reserve(struct backend *, size_t bytes);   /* work holds that many from now on; 0, or -1: no memory */
const char *backend_names(void);             /* "ref, cpu" */

extern const char *const op_name[OP_COUNT];
extern const int op_inputs[OP_COUNT];
enum op_class { EW, REDUCE, MOVE, LINEAR, OTHER };   /* EW: element-wise with broadcasting, may join a chain */
extern const enum op_class op_klass[OP_COUNT];

static inline size_t shape_count(struct shape s)
{
	return (size_t)s.d[0] * (size_t)s.d[1] * (size_t)s.d[2] * (size_t)s.d[3];
}

#endif
