/* param: named parameters of a network in one flat buffer, in our axis order, and their published
 * names, shapes and order. */
#ifndef IC_PARAM_H
#define IC_PARAM_H

#include "lib/tape/tape.h"

/* blur: 4x4, the outer product of [1,3,3,1] with itself, of sum 1 */
enum init { INIT_ORTHOGONAL, INIT_UNIFORM, INIT_NORMAL, INIT_ZERO, INIT_ONE, INIT_BLUR };

struct param {
	char name[64];                       /* as published: "blocks.0.0.conv1.weight" */
	int rank;
	int64_t shape[4];                    /* as published; [out, in, kh, kw] for convolutions */
	struct shape view;                   /* the published tensor seen as four axes */
	int perm[4];                         /* axis k of ours is axis perm[k] of view */
	struct shape s;                      /* ours */
	/* has a gradient and moments; false: a buffer (u0, sv0, stored_*) */
	bool trained;
	enum init init;
	/* INIT_UNIFORM: in +-1/sqrt(fan); INIT_NORMAL: of this deviation, 0 is 1 */
	int fan;
	/* place in the flat buffer, in reals; 64-byte aligned */
	size_t at;
};

/* What a network is made of; the values live in buffers of `total` reals: weights, their averages,
 * moments. */
struct params { struct param *p; int n; size_t total; };

/* WEIGHT: [O,I,K,L] -> [K,L,I,O]; CHW_WEIGHT: rows are channel-major 4x4 maps, CHW_INPUT: columns
 * are; ADJOINT_WEIGHT: [O,I,K,L] -> [K,L,O,I], for conv_adjoint; MAPS: [C,H,W] -> [1,H,W,C] */
enum order { AS_IS, WEIGHT, CHW_WEIGHT, CHW_INPUT, ADJOINT_WEIGHT, MAPS };

int param_add(struct params *, const char *name, enum order, int rank, const int64_t *shape,
	      bool trained, enum init, int fan);
int param_find(const struct params *, const char *name);   /* index, or -1 */
int param_check(const struct params *);      /* each can be counted?  0, or -1 after fail() */
void param_free(struct params *);

/* zeroed, 64-byte aligned; NULL after fail(); free() it */
real *param_buffer(const struct params *);
/* spec biggan 1.7; a function of seed and name */
int param_init(const struct params *, real *data, uint64_t seed);

/* Between published order and ours; `out` and `in` have shape_count elements. */
void param_import(const struct param *, const float *in, real *data);    /* data: the flat buffer */
void param_export(const struct param *, const real *data, float *out);

/* A network being written onto a tape: its parameters as leaves, and what a step does to its
 * buffers. */
struct scope {
	struct tape *t;
	const struct params *ps;
	real *data;                          /* the leaves read here; NULL: to be measured only */
	/* batch statistics and advancing buffers; data is where the ops compute */
	bool train;
	val *leaf;                           /* [ps->n], -1 until used */
	int n_up;
	struct { int param; val v; } up[512];   /* new values of buffers */
};

struct scope scope_open(struct tape *, const struct params *, real *data, bool train);
/* by name; must exist */
val scope_param(struct scope *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* AS_IS and rank 2 */
bool scope_is_table(struct scope *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void scope_update(struct scope *, val v, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void scope_apply(const struct scope *);      /* after a run: copies the new buffers into data */
void scope_close(struct scope *);

#endif
