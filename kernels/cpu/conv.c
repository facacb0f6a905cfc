/* conv: convolution and its two adjoints in NHWC.  Each is one or more correlations, done in the
 * way that suits the shape: the choice depends on everything but the number of images (that of
 * the adjoint in w, which sums over them, on these too) and threads, and so do the results. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/conv.h"

#include <string.h>

float *conv_take(struct room *r, size_t floats)
{
	float *p = r->base ? (float *)(r->base + r->used) : NULL;

	r->used += (floats + 15) / 16 * 64;
	return p;
}

/* Of the indices at, at + step, ...: the first that is not below `bound`. */
static int reaches(int at, int step, int bound)
{
	return at >= bound ? 0 : ceil_div(bound - at, step);
}

void conv_window(float *to, int pitch, const float *x, int H, int W, int C, int channels, int step,
	int h0, int rows, int w0, int cols)
{
	int from = least(cols, reaches(w0, step, 0));
	int until = most(from, least(cols, reaches(w0, step, W)));
	size_t pixel = sizeof(float) * (size_t)pitch, copied = sizeof(float) * (size_t)channels;
	bool joined = channels == C && pitch == C && step == 1;
	int pieces = joined ? until > from : until - from;
	size_t bytes = joined ? pixel * (size_t)(until - from) : copied;

	for (int h = h0; h < h0 + rows * step; h += step, to += (ptrdiff_t)cols * pitch) {
		if (h < 0 || h >= H) {
			memset(to, 0, pixel * (size_t)cols);
			continue;
		}
		const float *row = x + ((ptrdiff_t)h * W + w0) * C;

		memset(to, 0, pixel * (size_t)from);
		for (int i = from; i < from + pieces; i++) {
			memcpy(to + (ptrdiff_t)i * pitch, row + (ptrdiff_t)i * step * C, bytes);
			if (pixel > copied)
				memset(to + (ptrdiff_t)i * pitch + channels, 0, pixel - copied);
		}
		memset(to + (ptrdiff_t)until * pitch, 0, pixel * (size_t)(cols - until));
	}
}

static void run(const struct corr *c, struct room *r)
{
	if (few_suits(c)) few_run(c, r);
	else if (wino_wide_suits(c)) wino_wide_run(c, r);
	else if (wino_suits(c)) wino_run(c, r);
	else direct_run(c, r);
}

/* One of the three products with its scratch. */
typedef void product(struct backend *, struct view y, const struct view *x, const struct attr *,
	struct room *);

static product forward, forward_act, backward, weights;

/* A scaled product whose shape no way suits, in two steps: the large image, which stands for the
 * input x[large], or for y if that is negative, is in the scratch. */
static void apart(struct backend *b, product *plain, struct view y, const struct view *x,
	const struct attr *a, struct room *r, int large)
{
	struct attr same = *a;
	struct view in[2] = { x[0], x[1] }, *v = large < 0 ? &y : in + large, small = *v;

	same.i[7] = CONV_SAME;
	v->s.d[1] *= 2;
	v->s.d[2] *= 2;
	v->p = conv_take(r, shape_count(v->s));
	if (r->base && large >= 0) cpu_up2(b, *v, &small, a);
	plain(b, y, in, &same, r);
	if (r->base && large < 0) cpu_sum2(b, small, v, a);
}

static struct corr corr_of(struct backend *b, struct view y, const struct view *x,
	const struct attr *a)
{
	int I = x[0].s.d[3], O = y.s.d[3], L = x[1].s.d[1];

	return (struct corr){
		.x = x[0].p, .N = x[0].s.d[0], .H = x[0].s.d[1], .W = x[0].s.d[2],
		.t = { x[1].p, x[1].s.d[0], L, I, O, (ptrdiff_t)L * I * O, (ptrdiff_t)I * O, O, 1 },
		.stride = a->i[0], .top = a->i[1], .left = a->i[3], .y = y.p,
		.P = y.s.d[1], .Q = y.s.d[2], .YH = y.s.d[1], .YW = y.s.d[2], .step = 1,
		.threads = b->threads, .scale = (enum conv_scale)a->i[7],
	};
}

static void forward(struct backend *b, struct view y, const struct view *x, const struct attr *a,
	struct room *r)
{
	struct corr c = corr_of(b, y, x, a);

	if (c.scale && !wino_wide_suits(&c))
		apart(b, forward, y, x, a, r, c.scale == CONV_UP ? 0 : -1);
	else run(&c, r);
}

static void forward_act(struct backend *b, struct view y, const struct view *x,
	const struct attr *a, struct room *r)
{
	struct corr c = corr_of(b, y, x, a);

	c.packed = a->i[8];
	c.ends = (struct ends){ .on = true, .lo = a->f[0], .hi = a->f[1] };
	if (r->base) c.ends.bias = x[2].p, c.ends.more = x[3].p;
	run(&c, r);
}

size_t cpu_packed(struct backend *b, struct shape y, const struct shape *x, const struct attr *a)
{
	struct view in[2] = { { .s = x[0] }, { .s = x[1] } };
	struct corr c = corr_of(b, (struct view){ .s = y }, in, a);

	return wino_suits(&c) ? wino_packed(&c) : direct_packed(&c);
}

void cpu_pack(struct backend *b, float *to, struct shape y, const struct view *x,
	const struct attr *a)
{
	struct corr c = corr_of(b, (struct view){ .s = y }, x, a);

	if (wino_suits(&c)) wino_pack(&c, to);
	else direct_pack(&c, to);
}

/* Of the taps k0, k0 + s, k0 + 2 s, ... of a dimension of `taps`: how many, and the pad of their
 * correlation with dy, which runs over them backwards.  dx at u s + phase is the sum over j of
 * dy[u + (phase + pad - k0) / s - j] w[k0 + j s]. */
struct phase { int k0, taps, before; };

static struct phase phase_of(int phase, int s, int pad, int taps)
{
	int k0 = ((phase + pad) % s + s) % s, count = k0 < taps ? (taps - k0 + s - 1) / s : 0;

	return (struct phase){ k0, count, count - 1 - (phase + pad - k0) / s };
}

/* dx is s^2 correlations of dy of stride 1, each with its own taps and to its own sub-lattice of
 * x; the adjoint of reading up2(x) is a sum2 of the result, and the reverse. */
static void backward(struct backend *b, struct view y, const struct view *x, const struct attr *a,
	struct room *r)
{
	int s = a->i[0], I = y.s.d[3], O = x[0].s.d[3], K = x[1].s.d[0], L = x[1].s.d[1];
	ptrdiff_t tap = (ptrdiff_t)I * O;
	size_t first = r->used;
	enum conv_scale scale = a->i[7] == CONV_UP ? CONV_DOWN
		: a->i[7] == CONV_DOWN ? CONV_UP : CONV_SAME;

	for (int i = 0; i < s * s; i++) {
		struct phase v = phase_of(i / s, s, a->i[1], K), h = phase_of(i % s, s, a->i[3], L);
		struct room own = { r->base, first };
		struct corr c = {
			.x = x[0].p, .N = x[0].s.d[0], .H = x[0].s.d[1], .W = x[0].s.d[2],
			.t = { NULL, v.taps, h.taps, O, I, -s * tap * L, -s * tap, 1, O },
			.stride = 1, .top = v.before, .left = h.before, .y = y.p,
			.P = ceil_div(y.s.d[1] - i / s, s), .Q = ceil_div(y.s.d[2] - i % s, s),
			.YH = y.s.d[1], .YW = y.s.d[2], .step = s, .y0 = i / s, .x0 = i % s,
			.threads = b->threads, .scale = scale,
		};

		if (c.P < 1 || c.Q < 1) continue;
		ptrdiff_t last = (ptrdiff_t)(v.k0 + s * (v.taps - 1)) * L + h.k0 + s * (h.taps - 1);

		if (r->base && v.taps && h.taps) c.t.w = x[1].p + last * I * O;
		if (scale && !wino_wide_suits(&c)) {
			apart(b, backward, y, x, a, r, scale == CONV_UP ? 0 : -1);
			return;
		}
		run(&c, &own);
		if (own.used > r->used) r->used = own.used;
	}
}

static void weights(struct backend *b, struct view y, const struct view *x, const struct attr *a,
	struct room *r)
{
	struct corr_dw c = {
		.x = x[0].p, .dy = x[1].p, .dw = y.p,
		.N = x[0].s.d[0], .H = x[0].s.d[1], .W = x[0].s.d[2], .I = x[0].s.d[3],
		.P = x[1].s.d[1], .Q = x[1].s.d[2], .O = x[1].s.d[3], .K = y.s.d[0], .L = y.s.d[1],
		.stride = a->i[0], .top = a->i[1], .left = a->i[3], .threads = b->threads,
		.scale = (enum conv_scale)a->i[7],
	};

	if (wino_dw_suits(&c)) wino_dw_run(&c, r);
	else if (c.scale) apart(b, weights, y, x, a, r, c.scale == CONV_UP ? 0 : 1);
	else direct_dw_run(&c, r);
}

static size_t scratch_of(product *f, struct backend *b, struct view y, const struct view *x,
	const struct attr *a)
{
	struct room r = { 0 };

	f(b, y, x, a, &r);
	return r.used ? r.used : 1;          /* a base of NULL only counts */
}

#define PRODUCT(name, f) \
	void name(struct backend *b, struct view y, const struct view *x, const struct attr *a) \
	{ \
		f(b, y, x, a, &(struct room){ b->work, 0 }); \
	} \
	size_t name##_scratch(struct backend *b, struct view y, const struct view *x, \
		const struct attr *a) \
	{ \
		return scratch_of(f, b, y, x, a); \
	}
PRODUCT(cpu_conv, forward)
PRODUCT(cpu_conv_act, forward_act)
PRODUCT(cpu_conv_dx, backward)
PRODUCT(cpu_conv_dw, weights)
