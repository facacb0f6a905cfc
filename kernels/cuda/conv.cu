/* conv: convolutions and both adjoints.  Where an image is given at half its side (i7), an operand
 * is read so; a result is made whole and summed. */
#include "kernels/cuda/gemm.h"

static struct shape doubled(struct shape s)
{
	s.d[1] *= 2;
	s.d[2] *= 2;
	return s;
}

/* x0, x1 and y of the op as x, w and y of the convolution. */
static struct product make_product(int kind, struct view y, const struct view *x,
				   const struct attr *at)
{
	struct product p;
	bool up = at->i[7] == CONV_UP, down = at->i[7] == CONV_DOWN;

	memset(&p, 0, sizeof p);
	p.kind = kind;
	p.a = data_of(x[0]), p.b = data_of(x[1]), p.c = data_of(y);
	p.batches = 1;
	p.x = kind == CONV_DX ? y.s : x[0].s;
	p.w = kind == CONV_DW ? y.s : x[1].s;
	p.y = kind == CONV ? y.s : kind == CONV_DX ? x[0].s : x[1].s;
	if (up) p.x = doubled(p.x);
	if (down) p.y = doubled(p.y);
	p.stride = at->i[0], p.top = at->i[1], p.left = at->i[3];
	p.half_a = kind == CONV_DX ? down : up;
	p.half_b = kind == CONV_DW && down;
	return p;
}

static bool result_halved(int kind, const struct attr *at)
{
	return (kind == CONV && at->i[7] == CONV_DOWN) || (kind == CONV_DX && at->i[7] == CONV_UP);
}

static size_t whole_bytes(struct view half)
{
	return (data_bytes(half.bf16, shape_count(doubled(half.s))) + 255) / 256 * 256;
}

static void convolve(struct backend *b, int kind, struct view y, const struct view *x,
		     const struct attr *at, const struct finish *finish)
{
	struct product p = make_product(kind, y, x, at);
	struct view whole = y;

	if (!result_halved(kind, at)) {
		cuda_gemm_run(b, &p, finish);
		return;
	}
	whole.p = (float *)b->work;
	whole.s = doubled(y.s);
	b->work = (char *)whole.p + whole_bytes(y);
	p.c = data_of(whole);
	cuda_gemm_run(b, &p, finish);
	b->work = whole.p;
	b->op[OP_sum2](b, y, &whole, at);
}

static size_t convolve_scratch(struct backend *b, int kind, struct view y, const struct view *x,
			       const struct attr *at, const struct finish *finish)
{
	struct product p = make_product(kind, y, x, at);

	return cuda_gemm_scratch(b, &p, finish) + (result_halved(kind, at) ? whole_bytes(y) : 0);
}

#define DEFINE(name, kind) \
	static void name(struct backend *b, struct view y, const struct view *x, \
			 const struct attr *at) \
	{ \
		convolve(b, kind, y, x, at, NULL); \
	} \
	static size_t name##_scratch(struct backend *b, struct view y, const struct view *x, \
				     const struct attr *at) \
	{ \
		return convolve_scratch(b, kind, y, x, at, NULL); \
	}
DEFINE(conv, CONV)
DEFINE(conv_dx, CONV_DX)
DEFINE(conv_dw, CONV_DW)

static struct finish make_finish(const struct view *x, const struct attr *at)
{
	struct finish f = { 1, shape_count(x[3].s) > 0, data_of(x[2]), data_of(x[3]), at->f[0],
			    at->f[1] };
	return f;
}

static void conv_act(struct backend *b, struct view y, const struct view *x, const struct attr *at)
{
	struct finish f = make_finish(x, at);

	convolve(b, CONV, y, x, at, &f);
}

static size_t conv_act_scratch(struct backend *b, struct view y, const struct view *x,
			       const struct attr *at)
{
	struct finish f = make_finish(x, at);

	return convolve_scratch(b, CONV, y, x, at, &f);
}

void cuda_conv_fill(struct backend *b)
{
#define FILL(name) b->op[OP_##name] = name, b->scratch[OP_##name] = name##_scratch;
	FILL(conv)
	FILL(conv_dx)
	FILL(conv_dw)
	FILL(conv_act)
}
