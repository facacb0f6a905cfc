/* steps: the interpreter of a chain of steps, which a thread runs for one element of its space or
 * for four neighbours at once. */
#ifndef IC_CUDA_STEPS_H
#define IC_CUDA_STEPS_H

#include "kernels/cuda/cuda.h"

struct operand {
	struct data d;
	int from;                            /* the result of that step, or -1: d */
	int stride[4];                       /* per dimension; 0: broadcast */
	int linear;                          /* has every dimension of the space */
};

struct device_step {
	int op;
	float f[2];
	struct operand in[2];
	/* p NULL: only for the steps after it, which see what one of bf16 would store */
	struct data out;
};

struct space {
	unsigned count;
	int rank, n;
	unsigned d[4];
	struct device_step step[CHAIN_MAX];
};

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

/* The result of a step: one element, or four that lie on 16 bytes. */
DEVICE void fetch(const float *from, float *v, int lanes)
{
	if (lanes == 4) read_four(from, v);
	else for (int l = 0; l < lanes; l++) v[l] = from[l];
}

/* Neighbours in the innermost dimension; where that is broadcast, the same for all. */
DEVICE void load(const struct space *s, const struct operand *o, unsigned e, const unsigned *i,
		 float *v, int lanes)
{
	unsigned at = e;

	if (!o->linear) {
		at = 0;
		for (int k = 0; k < s->rank; k++) at += i[k] * (unsigned)o->stride[k];
	}
	bool neighbours = o->linear || o->stride[s->rank - 1];
	if (neighbours && lanes == 4) data_get4(o->d, at, v);
	else for (int l = 0; l < lanes; l++) v[l] = data_get(o->d, at + (neighbours ? l : 0));
}

/* Number e on of what a step stores. */
DEVICE void store(struct data out, unsigned e, const float *v, int lanes)
{
	if (lanes == 4) data_put4(out, e, v);
	else for (int l = 0; l < lanes; l++) data_put(out, e + (unsigned)l, v[l]);
}

/* All steps at `lanes` elements from e on, whose indices are i; r: their results. */
DEVICE void run_steps(const struct space *s, unsigned e, const unsigned *i, float *r, int lanes)
{
	for (int k = 0; k < s->n; k++) {
		const struct device_step *t = &s->step[k];
		float x[2][4] = { { 0, 0, 0, 0 }, { 0, 0, 0, 0 } };
		UNROLL
		for (int j = 0; j < 2; j++) {
			const struct operand *o = &t->in[j];
			if (o->from >= 0) fetch(r + o->from * lanes, x[j], lanes);
			else if (o->d.p) load(s, o, e, i, x[j], lanes);
		}
		apply(t->op, t->f, x[0], x[1], r + k * lanes, lanes);
		UNROLL
		for (int l = 0; l < lanes && t->out.bf16; l++)
			r[k * lanes + l] = from_bf16(round_bf16(r[k * lanes + l]));
		if (t->out.p) store(t->out, e, r + k * lanes, lanes);
	}
}

#endif
