/* grad: derivative rules.  Each appends ordinary instructions, so that derivatives can be
 * differentiated again. */
#include "lib/tape/impl.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "kernels/power.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

/* The adjoints collected so far; -1 is zero. */
struct back { struct tape *t; val *g; const bool *active; };

static void give(struct back *b, val to, val g)
{
	if (!b->active[to]) return;
	struct shape s = tape_shape(b->t, to);
	g = sum_to(b->t, g, s);              /* what was broadcast is summed */
	b->g[to] = b->g[to] < 0 ? g : add(b->t, b->g[to], g);
}

/* The convolution of which a is the attributes, or an adjoint's. */
static val conv_again(struct tape *t, val x, val w, const struct attr *a)
{
	struct pads p = { a->i[1], a->i[2], a->i[3], a->i[4] };

	return a->i[7] == CONV_UP ? conv_up2(t, x, w) : a->i[7] == CONV_DOWN ? conv_sum2(t, x, w)
		: conv(t, x, w, a->i[0], p);
}

static val conv_dx(struct tape *t, val dy, val w, const struct attr *a, int H, int W)
{
	struct shape g = tape_shape(t, dy), k = tape_shape(t, w);
	struct attr c = { .i = { a->i[0], a->i[1], a->i[2], a->i[3], a->i[4], H, W, a->i[7] } };
	val in[2] = { dy, w };
	return tape_emit(t, OP_conv_dx, shape4(g.d[0], H, W, k.d[2]), 2, in, &c);
}

static val conv_dw(struct tape *t, val x, val dy, const struct attr *a, int K, int L)
{
	struct shape s = tape_shape(t, x), g = tape_shape(t, dy);
	struct attr c = { .i = { a->i[0], a->i[1], a->i[2], a->i[3], a->i[4], K, L, a->i[7] } };
	val in[2] = { x, dy };
	return tape_emit(t, OP_conv_dw, shape4(K, L, s.d[3], g.d[3]), 2, in, &c);
}

static val select2(struct tape *t, enum op op, struct shape s, val x, val g)
{
	val in[2] = { x, g };
	return tape_emit(t, op, s, 2, in, &(struct attr){ 0 });
}

static val gate(struct tape *t, enum op op, val by, val g, double f0, double f1)
{
	val in[2] = { by, g };
	struct attr a = { .f = { (real)f0, (real)f1 } };
	return tape_emit(t, op, tape_shape(t, g), 2, in, &a);
}

/* y[p] = sum_k x_up[p down + k - top] f[k] has the adjoint with up and down exchanged, the filter
 * turned round and K - 1 - top before; what is after makes the size right. */
static val fir_adjoint(struct tape *t, val g, val f, const struct attr *a, struct shape x)
{
	struct shape s = tape_shape(t, g), k = tape_shape(t, f);
	int up = a->i[0], down = a->i[1];
	struct pads p = { .top = k.d[1] - 1 - a->i[2], .left = k.d[2] - 1 - a->i[4] };

	p.bottom = (x.d[1] - 1) * up + k.d[1] - s.d[1] * down - p.top;
	p.right = (x.d[2] - 1) * up + k.d[2] - s.d[2] * down - p.left;
	return fir(t, g, f, down, up, p, !a->i[6]);
}

/* dx = gm / M + 2 gv (x - mean) / M = x p + q per channel. */
static val moments_back(struct tape *t, val x, val y, val g)
{
	struct shape s = tape_shape(t, x);
	double M = (double)s.d[0] * s.d[1] * s.d[2];
	val p = scale(t, slice(t, g, 2, 1, 1), 2 / M, 0);
	val q = sub(t, scale(t, slice(t, g, 2, 0, 1), 1 / M, 0), mul(t, slice(t, y, 2, 0, 1), p));
	return add(t, mul(t, x, p), q);
}

static void matmul_back(struct back *b, const struct instr *i, val g)
{
	val A = i->in[0], B = i->in[1];
	bool ta = i->a.i[0], tb = i->a.i[1];

	if (b->active[A])
		give(b, A, ta ? matmul(b->t, B, g, tb, true) : matmul(b->t, g, B, false, !tb));
	if (b->active[B])
		give(b, B, tb ? matmul(b->t, g, A, true, ta) : matmul(b->t, A, g, !ta, false));
}

/* Part k of a result of attention_back, that of input k of attention, with its shape. */
static val attention_part(struct tape *t, val y, const val *in, int k)
{
	int at = 0;

	for (int i = 0; i < k; i++) at += (int)shape_count(tape_shape(t, in[i]));
	struct shape s = tape_shape(t, in[k]);
	return reshape(t, slice(t, y, 3, at, (int)shape_count(s)), s);
}

static void attention_back(struct back *b, const struct instr *i, val g)
{
	struct tape *t = b->t;
	val in[4] = { i->in[0], i->in[1], i->in[2], g };
	size_t n = 0;

	for (int k = 0; k < 3; k++) n += shape_count(tape_shape(t, in[k]));
	must(n <= INT_MAX);
	val y = tape_emit(t, OP_attention_back, shape4(1, 1, 1, (int)n), 4, in, NULL);
	for (int k = 0; k < 3; k++)
		if (b->active[in[k]]) give(b, in[k], attention_part(t, y, in, k));
}

/* The derivative of the derivative: that of the same attention by products and a softmax, in its
 * inputs under other names, so that what depends on what among them does not count here. */
static void attention_back_back(struct back *b, const struct instr *i, val g)
{
	struct tape *t = b->t;
	val x[4], d[3], s = number(t, 0), gx[4];

	for (int k = 0; k < 4; k++)
		x[k] = tape_emit(t, OP_ALIAS, tape_shape(t, i->in[k]), 1, &i->in[k], NULL);
	val y = matmul(t, softmax(t, matmul(t, x[0], x[1], false, true)), x[2], false, false);
	grads(t, y, x[3], x, d, 3);
	for (int k = 0; k < 3; k++)
		s = add(t, s, sum(t, mul(t, d[k], attention_part(t, g, i->in, k))));
	grads(t, s, -1, x, gx, 4);
	for (int k = 0; k < 4; k++) give(b, i->in[k], gx[k]);
}

/* d sigma / dM = v^T u for constant v and u.  Only what comes by sigma counts. */
static void power_back(struct back *b, const struct instr *i, val y, val g)
{
	struct tape *t = b->t;
	struct shape s = tape_shape(t, i->in[0]), row = shape4(1, 1, 1, s.d[3]), column = s;
	struct power p = power_of(s, i->a.i[0]);

	column.d[3] = 1;
	val v = detach(t, tape_part(t, y, 0, i->a.i[0] ? row : column));
	val u = detach(t, tape_part(t, y, p.u_at, i->a.i[0] ? column : row));
	give(b, i->in[0], mul(t, mul(t, v, u), slice(t, g, 3, p.sigma_at, 1)));
}

/* Of a part, or of all of it in another shape. */
static void alias_back(struct back *b, const struct instr *i, val g)
{
	struct tape *t = b->t;
	struct shape s = tape_shape(t, i->in[0]);
	size_t all = shape_count(s), n = shape_count(i->s);

	if (n < all) {
		g = reshape(t, g, shape4(1, 1, 1, (int)n));
		g = pad(t, g, 3, i->a.i[0], (int)(all - n) - i->a.i[0]);
	}
	give(b, i->in[0], reshape(t, g, s));
}

static void conv_back(struct back *b, const struct instr *i, val g)
{
	struct tape *t = b->t;
	val p = i->in[0], q = i->in[1];
	struct shape x = tape_shape(t, p), w = tape_shape(t, q);

	switch (i->op) {
	case OP_conv:
		if (b->active[p]) give(b, p, conv_dx(t, g, q, &i->a, x.d[1], x.d[2]));
		if (b->active[q]) give(b, q, conv_dw(t, p, g, &i->a, w.d[0], w.d[1]));
		break;
	case OP_conv_dx:                     /* p = dy, q = w */
		if (b->active[p]) give(b, p, conv_again(t, g, q, &i->a));
		if (b->active[q]) give(b, q, conv_dw(t, g, p, &i->a, w.d[0], w.d[1]));
		break;
	case OP_conv_dw:                     /* p = x, q = dy */
		if (b->active[p]) give(b, p, conv_dx(t, q, g, &i->a, x.d[1], x.d[2]));
		if (b->active[q]) give(b, q, conv_again(t, p, g, &i->a));
		break;
	}
}

static void smooth_back(struct back *b, const struct instr *i, val y, val g)
{
	struct tape *t = b->t;
	val x = i->in[0];

	switch (i->op) {
	case OP_recip:    give(b, x, scale(t, mul(t, g, mul(t, y, y)), -1, 0)); break;
	case OP_sqrt:     give(b, x, scale(t, mul(t, g, recip(t, y)), 0.5, 0)); break;
	case OP_exp:      give(b, x, mul(t, g, y)); break;
	case OP_tanh:     give(b, x, mul(t, g, scale(t, mul(t, y, y), -1, 1))); break;
	case OP_sigmoid:  give(b, x, mul(t, g, mul(t, y, scale(t, y, -1, 1)))); break;
	case OP_softplus: give(b, x, mul(t, g, sigmoid(t, x))); break;
	case OP_erf:                         /* 2 / sqrt(pi) exp(-x^2) */
		give(b, x, mul(t, g, scale(t, exponent(t, scale(t, mul(t, x, x), -1, 0)),
			M_2_SQRTPI, 0)));
		break;
	case OP_softmax: {
		struct shape s = tape_shape(t, y);
		s.d[3] = 1;
		give(b, x, mul(t, y, sub(t, g, sum_to(t, mul(t, g, y), s))));
		break;
	}
	}
}

/* Hands the adjoint g of instruction y to its inputs.  The instruction is copied: the array may
 * move. */
static void back(struct back *b, val y, val g)
{
	struct tape *t = b->t;
	const struct instr i = t->ins[y];
	val x = i.in[0], z = i.in[1];
	struct shape s = i.n_in ? tape_shape(t, x) : i.s;

	switch (i.op) {
	case OP_add:      give(b, x, g), give(b, z, g); break;
	case OP_sub:
		give(b, x, g);
		if (b->active[z]) give(b, z, scale(t, sum_to(t, g, tape_shape(t, z)), -1, 0));
		break;
	case OP_mul:
		if (b->active[x]) give(b, x, mul(t, g, z));
		if (b->active[z]) give(b, z, mul(t, g, x));
		break;
	case OP_scale:    give(b, x, scale(t, g, i.a.f[0], 0)); break;
	case OP_lrelu:    give(b, x, gate(t, OP_lrelu_g, y, g, i.a.f[0], 0)); break;
	case OP_lrelu_g:  give(b, z, gate(t, OP_lrelu_g, x, g, i.a.f[0], 0)); break;
	case OP_clamp:    give(b, x, gate(t, OP_clamp_g, x, g, i.a.f[0], i.a.f[1])); break;
	case OP_clamp_g:  give(b, z, gate(t, OP_clamp_g, x, g, i.a.f[0], i.a.f[1])); break;
	case OP_expand:   give(b, x, g); break;
	case OP_sum_to:   give(b, x, expand(t, g, s)); break;
	case OP_moments:  give(b, x, moments_back(t, x, y, g)); break;
	case OP_slice:
		give(b, x, pad(t, g, i.a.i[0], i.a.i[1], s.d[i.a.i[0]] - i.a.i[1] - i.a.i[2]));
		break;
	case OP_pad:      give(b, x, slice(t, g, i.a.i[0], i.a.i[1], s.d[i.a.i[0]])); break;
	case OP_concat: {
		int axis = i.a.i[0], n = s.d[axis], m = tape_shape(t, z).d[axis];
		if (b->active[x]) give(b, x, slice(t, g, axis, 0, n));
		if (b->active[z]) give(b, z, slice(t, g, axis, n, m));
		break;
	}
	case OP_permute: {
		int inv[4];
		for (int k = 0; k < 4; k++) inv[i.a.i[k]] = k;
		give(b, x, permute(t, g, inv[0], inv[1], inv[2], inv[3]));
		break;
	}
	case OP_pick:     give(b, x, place(t, g, z, s.d[0])); break;
	case OP_place:    give(b, x, pick(t, g, z)); break;
	case OP_up2:      give(b, x, sum2(t, g)); break;
	case OP_sum2:     give(b, x, up2(t, g)); break;
	case OP_max2_pick:   give(b, z, select2(t, OP_max2_place, tape_shape(t, z), x, g)); break;
	case OP_max2_place:  give(b, z, select2(t, OP_max2_pick, tape_shape(t, z), x, g)); break;
	case OP_matmul:   matmul_back(b, &i, g); break;
	case OP_power:    power_back(b, &i, y, g); break;
	case OP_attention:   attention_back(b, &i, g); break;
	case OP_attention_back: attention_back_back(b, &i, g); break;
	case OP_conv: case OP_conv_dx: case OP_conv_dw: conv_back(b, &i, g); break;
	case OP_fir:      give(b, x, fir_adjoint(t, g, z, &i.a, s)); break;
	case OP_ALIAS:
		if (!i.detached) alias_back(b, &i, g);
		break;
	case OP_LEAF:     break;
	case OP_conv_act: case OP_dwconv_act: case OP_maxpool: case OP_avgpool:
		must(!"forward only");
		break;
	default:          smooth_back(b, &i, y, g); break;
	}
}

void grads(struct tape *t, val y, val gy, const val *x, val *gx, int n)
{
	int end = t->n;

	if (!t->forward) t->forward = end;
	t->segment = 0;
	bool *active = mem_new((size_t)end, sizeof *active);
	struct back b = { t, mem_new((size_t)end, sizeof(val)), active };

	for (int k = 0; k < n; k++) active[x[k]] = true;
	for (val v = 0; v < end; v++) {
		const struct instr *i = &t->ins[v];
		b.g[v] = -1;
		for (int k = 0; k < i->n_in && !i->detached; k++)
			if (active[i->in[k]]) active[v] = true;
	}
	if (gy < 0) gy = expand(t, number(t, 1), tape_shape(t, y));
	if (active[y]) b.g[y] = gy;
	for (val v = y; v >= 0; v--)
		if (b.g[v] >= 0) back(&b, v, b.g[v]);
	for (int k = 0; k < n; k++)
		gx[k] = b.g[x[k]] >= 0 ? b.g[x[k]] : expand(t, number(t, 0), tape_shape(t, x[k]));
	free(b.g);
	free(active);
}

val grad(struct tape *t, val y, val x)
{
	val g;
	grads(t, y, -1, &x, &g, 1);
	return g;
}
