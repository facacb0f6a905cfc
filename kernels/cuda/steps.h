/* steps: the interpreter of a chain of steps, which a thread runs for one element of its space or
 * for four neighbours at once. */
#ifndef IC_CUDA_STEPS_H
#define IC_CUDA_STEPS_H

#include "kernels/cuda/cuda.h"

/* Where an operand is: nowhere; the result of the step before, or one that was kept; in memory with
 * every dimension of the space, or placed by strides. */
enum source { NOWHERE, BEFORE, KEPT, WHOLE, PLACED };

struct operand {
	enum source source;
	int from;                            /* KEPT: of that step */
	struct data d;
	int stride[4];                       /* per dimension; 0: broadcast */
};

struct device_step {
	int op, kept;                        /* kept: for a later step than the next, or a sum */
	float f[2];
	struct operand in[2];
	/* p NULL: only for the steps after it, which see what one of bf16 would store */
	struct data out;
};

/* Of four dimensions, the first of which may be 1. */
struct space {
	unsigned count;
	int n, placed;                       /* placed: an operand is */
	struct divisor d[4];
	struct device_step step[CHAIN_MAX];
};

/* The dimensions of `mask` are those of number `at`, row by row. */
DEVICE void spread(const struct space *s, int mask, unsigned at, unsigned *i)
{
	UNROLL
	for (int k = 3; k >= 0; k--) {
		if (!(mask >> k & 1)) continue;
		unsigned rest = at;
		at = divide(&rest, &s->d[k]);
		i[k] = rest;
	}
}

/* By the exponential that does not overflow. */
DEVICE float sigmoid(float x)
{
	float e = expf(-fabsf(x));
	return (x < 0 ? e : 1) / (1 + e);
}

/* to = op(a, b), `lanes` elements. */
DEVICE void apply(int op, const float *f, const float *a, const float *b, float *to, int lanes)
{
#define OF_X(name, value) \
	case OP_##name: \
		UNROLL \
		for (int l = 0; l < lanes; l++) { float x = a[l]; to[l] = value; } \
		break;
#define OF_XY(name, value) \
	case OP_##name: \
		UNROLL \
		for (int l = 0; l < lanes; l++) { float x = a[l], y = b[l]; to[l] = value; } \
		break;
	switch (op) {
	OF_XY(add, x + y)
	OF_XY(sub, x - y)
	OF_XY(mul, x * y)
	OF_X(scale, f[0] * x + f[1])
	OF_X(recip, 1 / x)
	OF_X(sqrt, sqrtf(x))
	OF_X(exp, expf(x))
	OF_X(tanh, tanhf(x))
	OF_X(sigmoid, sigmoid(x))
	OF_X(softplus, fmaxf(x, 0) + log1pf(expf(-fabsf(x))) + (x != x ? x : 0))
	OF_X(erf, erff(x))
	OF_X(maxs, x < f[0] ? f[0] : x)
	OF_X(lrelu, x > 0 ? x : f[0] * x)
	OF_XY(lrelu_g, x > 0 ? y : f[0] * y)
	OF_X(clamp, x < f[0] ? f[0] : x > f[1] ? f[1] : x)
	OF_XY(clamp_g, f[0] < x && x < f[1] ? y : 0)
	OF_X(expand, x)
	}
#undef OF_X
#undef OF_XY
}

/* One element, or four that lie on 16 bytes. */
DEVICE void keep(float *to, const float *v, int lanes)
{
	if (lanes == 4) write_four(to, v);
	else to[0] = v[0];
}

DEVICE void fetch(const float *from, float *v, int lanes)
{
	if (lanes == 4) read_four(from, v);
	else v[0] = from[0];
}

/* From number `at` on; not neighbours: the same for all. */
DEVICE void load(struct data d, unsigned at, bool neighbours, float *v, int lanes)
{
	if (neighbours && lanes == 4) {
		data_get4(d, at, v);
		return;
	}
	v[0] = data_get(d, at);
	UNROLL
	for (int l = 1; l < lanes; l++) v[l] = v[0];
}

/* Of the elements from e on, whose indices are i. */
DEVICE void take(const struct operand *o, unsigned e, const unsigned *i, const float *before,
		 const float *kept, float *v, int lanes)
{
	if (o->source == BEFORE) {
		UNROLL
		for (int l = 0; l < lanes; l++) v[l] = before[l];
	} else if (o->source == WHOLE) {
		load(o->d, e, true, v, lanes);
	} else if (o->source == KEPT) {
		fetch(kept + o->from * lanes, v, lanes);
	} else if (o->source == PLACED) {
		unsigned at = 0;
		UNROLL
		for (int k = 0; k < 4; k++) at += i[k] * (unsigned)o->stride[k];
		load(o->d, at, o->stride[3], v, lanes);
	} else {
		UNROLL
		for (int l = 0; l < lanes; l++) v[l] = 0;
	}
}

/* What one of bf16 would store. */
DEVICE void round_all(float *v, int lanes)
{
	UNROLL
	for (int l = 0; l < lanes; l += 2) {
		uint32_t w = round_two(v[l], lanes > 1 ? v[l + 1] : 0);
		v[l] = bits_float(w << 16);
		if (lanes > 1) v[l + 1] = bits_float(w & 0xffff0000u);
	}
}

/* All steps at `lanes` elements from e on, whose indices are i; kept: the results that are; r: the
 * last. */
DEVICE void run_steps(const struct space *s, unsigned e, const unsigned *i, float *kept, float *r,
		      int lanes)
{
	float x[2][4];

	for (int k = 0; k < s->n; k++) {
		const struct device_step *t = &s->step[k];
		UNROLL
		for (int j = 0; j < 2; j++) take(&t->in[j], e, i, r, kept, x[j], lanes);
		apply(t->op, t->f, x[0], x[1], r, lanes);
		if (t->out.bf16) round_all(r, lanes);
		if (t->kept) keep(kept + k * lanes, r, lanes);
		if (!t->out.p) continue;
		if (lanes == 4) data_put4(t->out, e, r);
		else data_put(t->out, e, r[0]);
	}
}

#endif
