/* tape: a network pass as a program: a flat array of instructions over rank-4 NHWC values. Building
 * never computes, running never allocates, differentiating only appends.  State goes in through
 * leaves and comes out through kept values. */
#ifndef IC_TAPE_H
#define IC_TAPE_H

#include "kernels/kernels.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef int val;                             /* an instruction's result; never negative */
struct tape;

struct tape *tape_new(void);
void tape_free(struct tape *);               /* NULL is fine */

/* Leaves.  The memory is the caller's: a leaf's where the ops compute (see backend_take), read in
 * place; an input's and weights' in the host, from where a device has copies: of inputs at every
 * run, of weights when they are placed and at tape_refresh. */
/* p NULL: bound later, before the first run */
val leaf(struct tape *, struct shape, const real *p);
val input(struct tape *, struct shape, const real *p);
val weight(struct tape *, struct shape, const real *p);
void tape_bind(struct tape *, val leaf, const real *p);
val number(struct tape *, double value);     /* [1,1,1,1], owned by the tape */
/* constants copied into the tape */
val numbers(struct tape *, struct shape, const double *value);

struct shape tape_shape(const struct tape *, val);
static inline struct shape shape4(int n, int h, int w, int c)
{
	return (struct shape){ { n, h, w, c } };
}

/* Element-wise; a dimension of either side may be 1 and is then broadcast. */
val add(struct tape *, val a, val b);
val sub(struct tape *, val a, val b);
val mul(struct tape *, val a, val b);
val scale(struct tape *, val x, double a, double b);   /* a x + b */
val recip(struct tape *, val);
val root(struct tape *, val);                /* square root */
val exponent(struct tape *, val);
val hyptan(struct tape *, val);
val sigmoid(struct tape *, val);
val softplus(struct tape *, val);
val errfun(struct tape *, val);              /* the error function */
val lrelu(struct tape *, val, double slope);      /* relu is slope 0; derivative at 0 is slope */
val clamp(struct tape *, val, double lo, double hi);

/* Sums and broadcasts. */
val expand(struct tape *, val, struct shape);
val sum_to(struct tape *, val, struct shape);     /* dimensions of 1 in shape are summed over */
val sum(struct tape *, val);                      /* [1,1,1,1] */
/* [1,1,2,C]: mean and biased variance per channel */
val moments(struct tape *, val);
val softmax(struct tape *, val);                  /* over C */

/* Moves. */
val reshape(struct tape *, val, struct shape);    /* no data move */
/* dimension 0 of the result is dimension a of x, ... */
val permute(struct tape *, val, int a, int b, int c, int d);
val slice(struct tape *, val, int axis, int start, int n);
val pad(struct tape *, val, int axis, int before, int after);
val concat(struct tape *, val a, val b, int axis);
/* table[R,1,1,C], rows[N,1,1,1] -> [N,1,1,C]; no gradient to rows */
val pick(struct tape *, val table, val rows);
val place(struct tape *, val x, val rows, int R); /* the adjoint */
val up2(struct tape *, val);                      /* nearest neighbour */
val sum2(struct tape *, val);                     /* 2x2 block sums */
val maxpool2(struct tape *, val);

/* Products. */
/* over the last two dimensions; the first two are equal */
val matmul(struct tape *, val a, val b, bool ta, bool tb);
/* A step of the power method on M, w as rows of C, from u[C], or if transposed on M^T from u of its
 * rows: v = unit(u M^T), u1 = unit(v M), sigma = v M u1^T, where unit(x) = x / max(|x|, eps).  To
 * grad, v and u1 are constants.  Returns sigma [1,1,1,1], and u1 like u. */
val power(struct tape *, val w, val u, bool transposed, double eps, val *u1);
/* softmax(q k^T) v over the last two dimensions: q[N,H,M,D], k[N,H,T,D], v[N,H,T,E] -> [N,H,M,E];
 * the matrix [M,T] in between is never whole (Dao et al. 2022, arXiv 2205.14135) */
val attention(struct tape *, val q, val k, val v);
struct pads { int top, bottom, left, right; };
/* x[N,H,W,I], w[K,L,I,O] */
val conv(struct tape *, val x, val w, int stride, struct pads);
/* The adjoint of conv(., w) from images of H by W pixels ("transposed convolution"): x[N,P,Q,O],
 * w[K,L,I,O] -> [N,H,W,I]. */
val conv_adjoint(struct tape *, val x, val w, int stride, struct pads, int H, int W);
/* conv(up2(x), w) and sum2(conv(x, w)) of 3x3 taps, pad 1, without the large image in between. */
val conv_up2(struct tape *, val x, val w);
val conv_sum2(struct tape *, val x, val w);
/* min(max(conv + bias[1,1,1,O] + more, lo), hi); more -1: none.  Depthwise: w[K,L,1,C].  Both are
 * forward only. */
val conv_act(struct tape *, val x, val w, val bias, val more, int stride, struct pads, double lo,
	double hi);
/* The weights of y, a conv_act, in the order in which the backend reads them, for any number of
 * images: how many numbers, or 0: as they are.  tape_pack puts them `to` there, of w or, where that
 * is NULL, as another tape has done; y reads them from now on. */
size_t tape_packed(const struct tape *, struct backend *, val y);
void tape_pack(struct tape *, struct backend *, val y, const real *w, real *to);
val dwconv_act(struct tape *, val x, val w, val bias, int stride, struct pads, double lo,
	double hi);
/* Over windows of K by L, which all reach into x; forward only. */
val maxpool(struct tape *, val x, int K, int L, int stride, struct pads);
/* counted: the divisor is K L, else the pixels of x under the window */
val avgpool(struct tape *, val x, int K, int L, int stride, struct pads, bool counted);
val fir(struct tape *, val x, val f, int up, int down, struct pads, bool flip);   /* f[1,K,L,1] */

val detach(struct tape *, val);                   /* the same value, a constant to grad */

/* gx[i] = d sum(y * gy) / d x[i], as more instructions; gy negative: ones.  A zero gradient is a
 * zero leaf. */
void grads(struct tape *, val y, val gy, const val *x, val *gx, int n);
val grad(struct tape *, val y, val x);

/* The value survives the run, and is at the returned place of every plan after it. */
void keep(struct tape *, val);
void tape_read(const struct tape *, val, real *to);   /* a kept value, into the host's memory */
void tape_copy(const struct tape *, val, real *to);   /* ... into memory where the ops compute */
void tape_copy_pieces(const struct tape *, int n, const struct piece *);   /* y = x, within it */
/* kept values and leaves, where the ops compute */
const real *tape_value(const struct tape *, val);

/* Starts a segment of the forward pass, which lasts until the next or until grads: what a tape that
 * recomputes gives up after it, but for what other segments read, and computes again before its
 * derivative (Chen et al. 2016, arXiv 1604.06174). */
void segment(struct tape *);
void tape_recompute(struct tape *);          /* less memory, the same results; before the plan */

/* Dead code, lifetimes, fused chains, and what an arena for the values must hold; nothing is
 * allocated, and leaves may still be unbound.  No more building afterwards.  fuse false: one kernel
 * an instruction.  0, or -1 after fail(). */
int tape_measure(struct tape *, struct backend *, bool fuse);
/* Memory for a measured tape.  arena: tape_arena_bytes of it, 64-byte aligned, the caller's; it may
 * serve several tapes, and what one of them keeps then lasts until another runs.  NULL: an arena of
 * its own.  0, or -1 after fail(). */
int tape_place(struct tape *, real *arena);
int tape_plan(struct tape *, struct backend *, bool fuse);     /* both, with an arena of its own */
void tape_refresh(struct tape *);
int tape_run(struct tape *);                 /* 0; -1 after fail() when a device failed */
/* Once measured: */
size_t tape_arena_bytes(const struct tape *);
size_t tape_scratch_bytes(const struct tape *);   /* of the backend, for the step that needs most */
size_t tape_sum_bytes(const struct tape *);       /* what all values would take without reuse */
int64_t tape_multiply_adds(const struct tape *);  /* of all products and convolutions in one run */
/* Bytes that the steps of one run read and write, each view once, and scratch once either way. */
double tape_traffic(const struct tape *);
bool tape_finite(const real *, size_t n);    /* all of them? */
/* after tape_run_checked: first instruction with a non-finite result, or -1 */
val tape_first_bad(const struct tape *);
/* one by one, remembering the first non-finite value */
void tape_run_checked(struct tape *);
const char *tape_name(const struct tape *, val);  /* op and name, for messages */
void tape_label(struct tape *, val, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void tape_dump(const struct tape *, FILE *);      /* one TSV line an instruction */
void tape_profile(struct tape *, bool on);        /* counts the time of each step from now on */
/* What a machine does at most in a second: operations of products (two a multiply-add), bytes. */
struct tape_peak { double flops, bytes; };
/* TSV, of one run, the slowest kind of step first; with a peak, which may be NULL, also the least
 * time it leaves each step: the longer of its products' and its bytes'.  Before the first run that
 * alone. */
void tape_profile_print(const struct tape *, const struct tape_peak *, FILE *);
/* 0; -1 after fail() when two live values overlap */
int tape_check_plan(const struct tape *);

#endif
