/* steps: the interpreter of a chain of steps, which a thread runs for one element of its space or
 * for LANES neighbours at once.
 *
 * To find out what a step is takes more instructions than to do it, for one element or for eight.
 * So the result of a step is where the next has its first operand, both operands are asked for
 * before either is waited for, and what there is to know is bits of one word. */
#ifndef IC_CUDA_STEPS_H
#define IC_CUDA_STEPS_H

#include "kernels/cuda/lanes.h"

/* Where an operand is: it was kept; or in memory, as the space is or PLACED by strides, there in
 * f32 or in HALVES, or ONE number for all lanes or one HALF.  No bit: there is none; operand 0 is
 * the result of the step before. */
enum { ONE = 1, HALF = 2, HALVES = 4, MEMORY = 8, PLACED = 16, KEPT = 32, OPERAND_BITS = 6 };

/* Bits of how a step is: of its operands; of its result, to be stored in f32 or bf16, made what
 * one of bf16 would store for steps that read it, and kept for one that is not the next; its op.
 */
#define OPERAND(k, bits) ((unsigned)(bits) << (k) * OPERAND_BITS)
enum { STORE = 1 << 16, STORE_HALVES = 1 << 17, ROUND = 1 << 18, KEEP = 1 << 19, OP_AT = 24 };

struct operand {
	void *p;
	int stride[4];                       /* per dimension; 0: broadcast */
	int from;                            /* KEPT: of that step */
};

struct device_step {
	unsigned how;
	float f[2];
	struct operand in[2];
	void *out;
};

/* Of four dimensions, the first of which may be 1. */
struct space {
	unsigned count;
	int n, varied;                       /* bits: dimensions by which operands are placed */
	struct divisor d[4];
	struct device_step step[CHAIN_MAX];
};

/* The dimensions of `mask` are those of number `at`, row by row. */
DEVICE void spread(const struct space *s, int mask, unsigned at, unsigned *i)
{
	UNROLL
	for (int k = 3; k >= 0; k--) {
		if (!(mask >> k & 1)) continue;
		i[k] = at;
		if (!(mask & ((1 << k) - 1))) return;
		at = divide(&i[k], &s->d[k]);
	}
}

/* By the exponential that does not overflow. */
DEVICE float sigmoid(float x)
{
	float e = expf(-fabsf(x));
	return (x < 0 ? e : 1) / (1 + e);
}

/* r = op(r, y), `lanes` elements.  The first few are most of what networks have. */
DEVICE void apply(unsigned op, const float *f, float *r, const float *y0, int lanes)
{
#define OF_XY(name, value) \
	if (op == OP_##name) { \
		UNROLL \
		for (int l = 0; l < lanes; l++) { float x = r[l], y = y0[l]; r[l] = value; } \
		return; \
	}
#define OF_X(name, value) \
	if (op == OP_##name) { \
		UNROLL \
		for (int l = 0; l < lanes; l++) { float x = r[l]; r[l] = value; } \
		return; \
	}
	float f0 = f[0], f1 = f[1];
	OF_XY(add, x + y)
	OF_XY(mul, x * y)
	OF_X(lrelu, x > 0 ? x : f0 * x)
	OF_XY(lrelu_g, x > 0 ? y : f0 * y)
	OF_X(scale, f0 * x + f1)
	OF_X(expand, x)
	OF_XY(sub, x - y)
	OF_X(recip, 1 / x)
	OF_X(sqrt, sqrtf(x))
	OF_X(exp, expf(x))
	OF_X(tanh, tanhf(x))
	OF_X(sigmoid, sigmoid(x))
	OF_X(softplus, fmaxf(x, 0) + log1pf(expf(-fabsf(x))) + (x != x ? x : 0))
	OF_X(erf, erff(x))
	OF_X(clamp, x < f0 ? f0 : x > f1 ? f1 : x)
	OF_XY(clamp_g, f0 < x && x < f1 ? y : 0)
#undef OF_X
#undef OF_XY
}

/* What an operand in memory has for the elements from e on, whose indices are i; HALVES as they
 * lie there, so that nobody waits for them yet. */
DEVICE void ask(unsigned how, const struct operand *o, unsigned e, const unsigned *i, float *v,
		int lanes)
{
	unsigned at = e;

	if (how & PLACED) {
		at = 0;
		UNROLL
		for (int k = 0; k < 4; k++) at += i[k] * (unsigned)o->stride[k];
	}
	at = one_word(at);
	const float *floats = (const float *)o->p + at;
	const uint16_t *halves = (const uint16_t *)o->p + at;
	if (lanes > 1 && how & HALVES) {
		read_four((const float *)halves, v);
	} else if (lanes == 1 || how & (ONE | HALF)) {
		v[0] = how & HALF ? from_bf16(*halves) : *floats;
		UNROLL
		for (int l = 1; l < lanes; l++) v[l] = v[0];
	} else {
		get_floats(floats, v, lanes);
	}
}

/* Operand 0 into r, which is the result before, operand 1 into y. */
DEVICE void take(const struct device_step *t, unsigned how, unsigned e, const unsigned *i,
		 const float *kept, float *r, float *y, int lanes)
{
	if (how & OPERAND(1, MEMORY)) ask(how >> OPERAND_BITS, &t->in[1], e, i, y, lanes);
	else if (how & OPERAND(1, KEPT)) get_floats(kept + t->in[1].from * lanes, y, lanes);
	if (how & OPERAND(0, MEMORY)) ask(how, &t->in[0], e, i, r, lanes);
	else if (how & OPERAND(0, KEPT)) get_floats(kept + t->in[0].from * lanes, r, lanes);
	if (lanes > 1 && how & OPERAND(1, HALVES)) open_halves(y, y, lanes);
	if (lanes > 1 && how & OPERAND(0, HALVES)) open_halves(r, r, lanes);
}

/* Its result r where it is read later; kept: the place of this one. */
DEVICE void leave(const struct device_step *t, unsigned how, unsigned e, float *kept, float *r,
		  int lanes)
{
	if (how & (STORE_HALVES | ROUND)) {
		uint16_t *halves = (uint16_t *)t->out + e;
		float w[LANES];
		close_halves(r, w, lanes);
		if (how & STORE_HALVES) {
			if (lanes == 1) halves[0] = (uint16_t)float_bits(w[0]);
			else write_four((float *)halves, w);
		}
		if (how & ROUND) open_halves(w, r, lanes);
	} else if (how & STORE) {
		put_floats((float *)t->out + e, r, lanes);
	}
	if (how & KEEP) put_floats(kept, r, lanes);
}

/* All steps at `lanes` elements from e on, whose indices are i; kept: the results that are; r: the
 * last. */
DEVICE void run_steps(const struct space *s, unsigned e, const unsigned *i, float *kept, float *r,
		      int lanes)
{
	for (int k = 0; k < s->n; k++) {
		const struct device_step *t = &s->step[k];
		unsigned how = t->how;
		float y[LANES];
		take(t, how, e, i, kept, r, y, lanes);
		apply(how >> OP_AT, t->f, r, y, lanes);
		if (how & (STORE | STORE_HALVES | ROUND | KEEP))
			leave(t, how, e, kept + k * lanes, r, lanes);
	}
}

#endif
