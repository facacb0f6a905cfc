/* kernels: shapes, views, attributes and tables of op kernels.  A backend is a table with one
 * function per op of ops.def; the interpreter, the checker and the bencher all call through it.
 * Includes nothing of ours. */
#ifndef IC_KERNELS_H
#define IC_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef IC_DOUBLE /* ref and tape are also compiled in double, for derivative checks */
typedef double real;
#else
typedef float real;
#endif

#ifdef __cplusplus                           /* nvcc */
extern "C" {
#endif

struct shape { int d[4]; };                  /* N H W C; all at least 1 */
/* Dense, C innermost, 64-byte aligned.  bf16: of the upper halves of numbers of f32, in two bytes
 * each; only on a backend that has it. */
struct view { real *p; struct shape s; bool bf16; };
struct attr { int i[10]; real f[2]; };       /* meaning per op: see ops.def */
enum { OP_INPUTS = 4 };                      /* at most; absent ones have p NULL and no size */
enum conv_scale { CONV_SAME, CONV_UP, CONV_DOWN };   /* i7 of the convolutions */

#define OP(name, inputs, klass, what) OP_##name,
enum op {
#include "kernels/ops.def"
	OP_COUNT
};
#undef OP

struct backend;
struct sift;
/* y overlaps no x; of ops of class EW it may be an x of its shape. */
typedef void op_fn(struct backend *, struct view y, const struct view *x, const struct attr *);
/* looks at how the views are, not at what is there */
typedef size_t op_scratch(struct backend *, struct view y, const struct view *x,
			  const struct attr *);

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

/* Steps over one iteration space, run tile by tile so that what is only used inside never leaves
 * the cache.  Every step has shape `space` (inputs may broadcast: a dimension equal or 1), except
 * sum_to steps, which reduce to out's shape and are not read by other steps.  An out overlaps no
 * in, unless it is that of the same or an earlier step, of its shape, that neither later steps nor
 * sums read. */
struct chain { struct shape space; int n; const struct chain_step *step; };

/* One of the calls of an op that a backend is given at once; none reads what another writes. */
struct call { struct view y; const struct view *x; const struct attr *a; };

/* Parts of flat buffers, worked on in a launch or a few. */
struct piece { real *y; const real *x; size_t n; };

/* m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; w -= rate m / (sqrt(v) root + eps) */
struct adam_rates { real beta1, beta2, rate, root, eps; };

struct backend {
	const char *name;
	const char *engine;                  /* a device's: what multiplies matrices, in words */
	op_fn *op[OP_COUNT];                 /* NULL: this backend lacks the op */
	op_scratch *scratch[OP_COUNT];       /* bytes of scratch the op wants; NULL: none */
	void (*chain)(struct backend *, const struct chain *);   /* NULL: steps run one by one */
	/* looks at shapes, and at p only for NULL */
	size_t (*chain_scratch)(struct backend *, const struct chain *);
	/* n calls of power, with the same bytes; NULL: one by one */
	void (*powers)(struct backend *, int n, const struct call *);
	/* looks at how the views are, not at what is there */
	size_t (*powers_scratch)(struct backend *, int n, const struct call *);
	/* the scratch of the running op, 64-byte aligned, planned before the run */
	void *work;
	size_t work_bytes;
	int threads;
	/* views may be, but for results of sums, moments and power */
	bool bf16;

	/* A device with memory of its own: ops read and write there, scratch included.  All NULL:
	 * the host's. */
	void *(*take)(struct backend *, size_t bytes);   /* 256-byte aligned; NULL: no memory */
	void (*give)(struct backend *, void *);
	/* from the host's memory, which may change at once */
	void (*put)(struct backend *, void *to, const void *from, size_t bytes);
	/* to it, once computed */
	void (*get)(struct backend *, void *to, const void *from, size_t bytes);
	/* within the device's */
	void (*copy)(struct backend *, void *to, const void *from, size_t bytes);
	/* the first failure, with its kernel; NULL: none */
	const char *(*fault)(struct backend *);
	void (*close)(struct backend *);
	/* y are parts of w, x their gradients; m and v are laid out as w */
	void (*adam)(struct backend *, int n, const struct piece *, real *w, real *m, real *v,
		     const struct adam_rates *);
	/* y = a y + c x; a 0: y is not read */
	void (*mix)(struct backend *, int n, const struct piece *, real a, real c);

	/* Launches to be repeated as one: from record to recorded they are kept and not done. What
	 * they read and write, the scratch too, must stay where it is.  All NULL: there are none.
	 */
	void (*record)(struct backend *);
	void *(*recorded)(struct backend *);   /* NULL: a fault */
	void (*repeat)(struct backend *, void *recorded);
	void (*forget)(struct backend *, void *recorded);

	/* Weights that stay as they are, in the order in which conv_act reads them with i8: how
	 * many numbers, of y, x[0] and x[1] with any number of images; and to there from x[1].
	 * NULL: as they are. */
	size_t (*packed)(struct backend *, struct shape y, const struct shape *x,
		const struct attr *);
	void (*pack)(struct backend *, real *to, struct shape y, const struct view *x,
		const struct attr *);

	/* Pairs of rows, and a rank for each row: see sift.h.  NULL: it has none. */
	void (*sift)(struct backend *, const struct sift *);
	void (*sift_kth)(struct backend *, const struct sift *);
	void *device;                        /* what the backend keeps */
};

/* New table by name: "ref", "cpu", or "cuda-" and how products read their operands: f32, tf32, bf16
 * (sums are f32).  NULL: unknown, or it cannot run here; backend_why() says which.  threads 0: all.
 */
struct backend *backend_new(const char *name, int threads);
const char *backend_why(void);
void backend_free(struct backend *);         /* NULL is fine */
/* work holds that many from now on; 0, or -1: no memory */
int backend_reserve(struct backend *, size_t bytes);
const char *backend_names(void);             /* "ref, cpu, cuda-f32, ..." */

/* Memory that its ops compute in, 64-byte aligned: of the device, or the host's. */
void *backend_take(struct backend *, size_t bytes);    /* NULL: no memory */
void backend_give(struct backend *, void *);           /* NULL is fine */
void backend_put(struct backend *, void *to, const void *from, size_t bytes);
/* waits for what was begun */
void backend_get(struct backend *, void *to, const void *from, size_t bytes);
void backend_copy(struct backend *, void *to, const void *from, size_t bytes);
void backend_wait(struct backend *);         /* until all that was begun is done */
/* the first failure of a device, with its kernel; NULL: none */
const char *backend_fault(struct backend *);

extern const char *const op_name[OP_COUNT];
extern const int op_inputs[OP_COUNT];
/* EW: element-wise with broadcasting, may join a chain */
enum op_class { EW, REDUCE, MOVE, LINEAR, OTHER };
extern const enum op_class op_klass[OP_COUNT];

#ifdef __cplusplus
}
#endif

static inline size_t shape_count(struct shape s)
{
	return (size_t)s.d[0] * (size_t)s.d[1] * (size_t)s.d[2] * (size_t)s.d[3];
}

#endif
