/* conv: convolutions and both adjoints; of an image given at half its side too. */
#include "kernels/cuda/gemm.h"

static struct gemm make_conv(int kind, struct shape y, const struct shape *x, const struct attr *at)
{
	struct gemm g;
	struct shape in = kind == CONV_DX ? y : x[0], w = kind == CONV_DW ? y : x[1];
	struct shape out = kind == CONV ? y : kind == CONV_DX ? x[0] : x[1];

	memset(&g, 0, sizeof g);
	g.H = in.d[1], g.W = in.d[2], g.I = in.d[3];
	g.P = out.d[1], g.Q = out.d[2], g.O = out.d[3];
	g.L = w.d[1];
	g.stride = at->i[0], g.top = at->i[1], g.left = at->i[3];
	int pixels = in.d[0] * g.H * g.W, outs = in.d[0] * g.P * g.Q, taps = w.d[0] * g.L;
	g.m = kind == CONV ? outs : kind == CONV_DX ? pixels : taps * g.I;
	g.n = kind == CONV_DX ? g.I : g.O;
	g.k = kind == CONV ? taps * g.I : kind == CONV_DX ? taps * g.O : outs;
	g.ldb = g.n;
	g.vector_a = (kind == CONV_DX ? g.O : g.I) % 4 == 0;
	g.vector_b = g.O % 4 == 0;
	return g;
}

static void convolve(struct backend *b, int kind, struct view y, const struct view *x,
		     const struct attr *at)
{
	struct shape in[2] = { x[0].s, x[1].s };
	struct gemm g = make_conv(kind, y.s, in, at);

	cuda_gemm_split(&g, 1);
	cuda_gemm_run(b, &g, kind, 1, y, x);
}

static size_t convolve_scratch(int kind, struct shape y, const struct shape *x,
			       const struct attr *at)
{
	struct gemm g = make_conv(kind, y, x, at);

	cuda_gemm_split(&g, 1);
	return cuda_gemm_scratch(&g);
}

/* Which image of a scaled convolution (i7) is given at half its side: an input; -1: the result. */
static int halved(int kind, const struct attr *at)
{
	int up = at->i[7] == CONV_UP;

	if (kind == CONV_DW) return up ? 0 : 1;
	return up == (kind == CONV) ? 0 : -1;
}

static struct shape doubled(struct shape s)
{
	s.d[1] *= 2;
	s.d[2] *= 2;
	return s;
}

static size_t large_bytes(struct shape s)
{
	return (shape_count(doubled(s)) * sizeof(float) + 255) / 256 * 256;
}

/* The large image is in the scratch: up2 of an input, or what sum2 makes the result of. */
static void convolve_scaled(struct backend *b, int kind, struct view y, const struct view *x,
			    const struct attr *at)
{
	struct attr same = *at;
	struct view in[2] = { x[0], x[1] }, large, small;
	char *work = (char *)b->work;
	int which = halved(kind, at);

	same.i[7] = CONV_SAME;
	small = which < 0 ? y : x[which];
	large.p = (float *)work;
	large.s = doubled(small.s);
	if (which < 0) y = large;
	else in[which] = large;
	if (which >= 0) b->op[OP_up2](b, large, &small, &same);
	b->work = work + large_bytes(small.s);
	convolve(b, kind, y, in, &same);
	b->work = work;
	if (which < 0) b->op[OP_sum2](b, small, &large, &same);
}

static size_t convolve_scaled_scratch(int kind, struct shape y, const struct shape *x,
				      const struct attr *at)
{
	struct attr same = *at;
	struct shape in[2] = { x[0], x[1] };
	int which = halved(kind, at);
	size_t bytes = large_bytes(which < 0 ? y : x[which]);

	same.i[7] = CONV_SAME;
	if (which < 0) y = doubled(y);
	else in[which] = doubled(in[which]);
	return bytes + convolve_scratch(kind, y, in, &same);
}

#define DEFINE_CONV(name, kind) \
	static void name(struct backend *b, struct view y, const struct view *x, \
			 const struct attr *at) \
	{ \
		if (at->i[7]) convolve_scaled(b, kind, y, x, at); \
		else convolve(b, kind, y, x, at); \
	} \
	static size_t name##_scratch(struct backend *b, struct shape y, const struct shape *x, \
				     const struct attr *at) \
	{ \
		(void)b; \
		return at->i[7] ? convolve_scaled_scratch(kind, y, x, at) \
				: convolve_scratch(kind, y, x, at); \
	}
DEFINE_CONV(conv, CONV)
DEFINE_CONV(conv_dx, CONV_DX)
DEFINE_CONV(conv_dw, CONV_DW)

static void conv_act(struct backend *b, struct view y, const struct view *x, const struct attr *at)
{
	struct shape in[2] = { x[0].s, x[1].s };
	struct gemm g = make_conv(CONV, y.s, in, at);

	g.finish.wanted = 1;
	g.finish.bias = x[2].p;
	g.finish.rest = x[3].p;
	g.finish.low = at->f[0];
	g.finish.high = at->f[1];
	cuda_gemm_split(&g, 1);
	cuda_gemm_run(b, &g, CONV, 1, y, x);
}

void cuda_conv_fill(struct backend *b)
{
#define FILL(name) b->op[OP_##name] = name, b->scratch[OP_##name] = name##_scratch;
	FILL(conv)
	FILL(conv_dx)
	FILL(conv_dw)
	b->op[OP_conv_act] = conv_act;
	b->scratch[OP_conv_act] = conv_scratch;
}
