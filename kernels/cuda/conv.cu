/* conv: convolutions and both adjoints.  Of an upsampled image, or summed over blocks of 2x2, those
 * of 3x3 go by the small image (taps.cu); for others the large one is made. */
#include "kernels/cuda/gemm.h"

/* x0, x1 and y of the op as x, w and y of the convolution. */
static struct product make_product(int kind, struct view y, const struct view *x,
				   const struct attr *at)
{
	struct product p;

	memset(&p, 0, sizeof p);
	p.kind = kind;
	p.a = data_of(x[0]), p.b = data_of(x[1]), p.c = data_of(y);
	p.batches = 1;
	p.x = kind == CONV_DX ? y.s : x[0].s;
	p.w = kind == CONV_DW ? y.s : x[1].s;
	p.y = kind == CONV ? y.s : kind == CONV_DX ? x[0].s : x[1].s;
	p.stride = at->i[0], p.top = at->i[1], p.left = at->i[3];
	if (p.w.d[0] == 3 && p.w.d[1] == 3 && p.stride == 1 && at->i[1] == 1 && at->i[2] == 1 &&
	    at->i[3] == 1 && at->i[4] == 1)
		p.scale = (enum conv_scale)at->i[7];
	return p;
}

static struct shape doubled(struct shape s)
{
	s.d[1] *= 2;
	s.d[2] *= 2;
	return s;
}

/* The array of the op that is made large: an operand, 2 for the result, or -1 for none. */
static int enlarged(int kind, const struct product *p, const struct attr *at)
{
	if (p->scale || !at->i[7]) return -1;
	if (kind == CONV_DW) return at->i[7] == CONV_UP ? 0 : 1;
	return (kind == CONV_DX) == (at->i[7] == CONV_UP) ? 2 : 0;
}

/* A convolution as it is computed: v is x0, x1 and y of the op, of which one may lie enlarged in
 * the first bytes of the scratch. */
struct convolution {
	struct product p;
	struct view v[3];
	int large;                           /* which one, as of enlarged() */
	size_t bytes;
};

static struct convolution plan(struct backend *b, int kind, struct view y, const struct view *x,
			       const struct attr *at)
{
	struct convolution c;                /* assigned to: see PATTERN in the Makefile */

	c.p = make_product(kind, y, x, at);
	c.v[0] = x[0], c.v[1] = x[1], c.v[2] = y;
	c.large = enlarged(kind, &c.p, at);
	c.bytes = 0;
	if (c.large < 0) return c;
	struct view *v = &c.v[c.large];
	v->s = doubled(v->s);
	v->p = (float *)b->work;
	c.bytes = scratch_bytes(v->bf16, shape_count(v->s));
	c.p = make_product(kind, c.v[2], c.v, at);
	return c;
}

static void convolve(struct backend *b, int kind, struct view y, const struct view *x,
		     const struct attr *at, const struct finish *finish)
{
	struct convolution c = plan(b, kind, y, x, at);
	void *work = b->work;

	b->work = (char *)work + c.bytes;
	if (c.large == 0 || c.large == 1) b->op[OP_up2](b, c.v[c.large], &x[c.large], at);
	cuda_gemm_run(b, &c.p, finish);
	b->work = work;
	if (c.large == 2) b->op[OP_sum2](b, y, &c.v[2], at);
}

static size_t convolve_scratch(struct backend *b, int kind, struct view y, const struct view *x,
			       const struct attr *at, const struct finish *finish)
{
	struct convolution c = plan(b, kind, y, x, at);

	return c.bytes + cuda_gemm_scratch(b, &c.p, finish);
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
