/* tape: emitting instructions, the shape rule of each op, and leaves. */
#include "lib/tape/impl.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "kernels/power.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct tape *tape_new(void)
{
	struct tape *t = mem_new(1, sizeof *t);
	t->first_bad = -1;
	return t;
}

void tape_free(struct tape *t)
{
	if (!t) return;
	tape_forget(t);
	for (val v = 0; v < t->n; v++) free(t->ins[v].owned), free(t->ins[v].label);
	for (int i = 0; i < t->n_steps; i++) free((void *)t->step[i].chain.step);
	free(t->step);
	free(t->power);
	free(t->life);
	if (!t->on_device) {
		free(t->arena);
	} else {
		backend_give(t->b, t->arena);
		backend_give(t->b, t->leaves);
	}
	free(t->ins);
	free(t);
}

struct shape tape_shape(const struct tape *t, val v)
{
	must(v >= 0 && v < t->n);
	return t->ins[v].s;
}

bool shape_same(struct shape a, struct shape b)
{
	return !memcmp(&a, &b, sizeof a);
}

val tape_emit(struct tape *t, int op, struct shape s, int n_in, const val *in, const struct attr *a)
{
	must(!t->measured);
	for (int i = 0; i < 4; i++) must(s.d[i] > 0);
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 256;
		t->ins = mem_grow(t->ins, (size_t)t->room, sizeof *t->ins);
	}
	struct instr *i = &t->ins[t->n];
	*i = (struct instr){ .op = op, .n_in = n_in, .s = s, .group = -1, .segment = t->segment };
	for (int k = 0; k < n_in; k++) {
		must(in[k] >= 0 && in[k] < t->n);
		i->in[k] = in[k];
	}
	if (a) i->a = *a;
	return t->n++;
}

static val emit1(struct tape *t, int op, struct shape s, val x, struct attr a)
{
	return tape_emit(t, op, s, 1, &x, &a);
}

static val emit2(struct tape *t, int op, struct shape s, val x, val y, struct attr a)
{
	val in[2] = { x, y };
	return tape_emit(t, op, s, 2, in, &a);
}

val tape_root(const struct tape *t, val v)
{
	while (t->ins[v].op == OP_ALIAS) v = t->ins[v].in[0];
	return v;
}

size_t tape_start(const struct tape *t, val v)
{
	size_t start = 0;

	for (; t->ins[v].op == OP_ALIAS; v = t->ins[v].in[0]) start += (size_t)t->ins[v].a.i[0];
	must(!start || !t->ins[v].bf16);
	return start;
}

val leaf(struct tape *t, struct shape s, const real *p)
{
	val v = tape_emit(t, OP_LEAF, s, 0, NULL, NULL);
	t->ins[v].leaf = p;
	return v;
}

val input(struct tape *t, struct shape s, const real *p)
{
	val v = leaf(t, s, p);
	t->ins[v].kind = INPUT;
	return v;
}

val weight(struct tape *t, struct shape s, const real *p)
{
	val v = leaf(t, s, p);
	t->ins[v].kind = CONSTANT;
	return v;
}

void tape_bind(struct tape *t, val v, const real *p)
{
	must(t->ins[v].op == OP_LEAF && !t->ins[v].owned && !t->placed);
	t->ins[v].leaf = p;
}

val numbers(struct tape *t, struct shape s, const double *value)
{
	val v = weight(t, s, NULL);
	size_t n = shape_count(s);
	real *p = mem_new(n, sizeof *p);

	for (size_t i = 0; i < n; i++) p[i] = (real)value[i];
	t->ins[v].owned = p;
	t->ins[v].leaf = p;
	return v;
}

val number(struct tape *t, double value)
{
	return numbers(t, shape4(1, 1, 1, 1), &value);
}

/* Element-wise. */

static val binary(struct tape *t, enum op op, val a, val b, double f)
{
	struct shape x = tape_shape(t, a), y = tape_shape(t, b), s;

	for (int i = 0; i < 4; i++) {
		must(x.d[i] == y.d[i] || x.d[i] == 1 || y.d[i] == 1);
		s.d[i] = x.d[i] > y.d[i] ? x.d[i] : y.d[i];
	}
	return emit2(t, op, s, a, b, (struct attr){ .f = { (real)f } });
}

static val unary(struct tape *t, enum op op, val x, double f0, double f1)
{
	return emit1(t, op, tape_shape(t, x), x, (struct attr){ .f = { (real)f0, (real)f1 } });
}

val add(struct tape *t, val a, val b) { return binary(t, OP_add, a, b, 0); }
val sub(struct tape *t, val a, val b) { return binary(t, OP_sub, a, b, 0); }
val mul(struct tape *t, val a, val b) { return binary(t, OP_mul, a, b, 0); }
val scale(struct tape *t, val x, double a, double b) { return unary(t, OP_scale, x, a, b); }
val recip(struct tape *t, val x) { return unary(t, OP_recip, x, 0, 0); }
val root(struct tape *t, val x) { return unary(t, OP_sqrt, x, 0, 0); }
val exponent(struct tape *t, val x) { return unary(t, OP_exp, x, 0, 0); }
val hyptan(struct tape *t, val x) { return unary(t, OP_tanh, x, 0, 0); }
val sigmoid(struct tape *t, val x) { return unary(t, OP_sigmoid, x, 0, 0); }
val softplus(struct tape *t, val x) { return unary(t, OP_softplus, x, 0, 0); }
val errfun(struct tape *t, val x) { return unary(t, OP_erf, x, 0, 0); }
val clamp(struct tape *t, val x, double lo, double hi) { return unary(t, OP_clamp, x, lo, hi); }

val lrelu(struct tape *t, val x, double slope)
{
	must(slope >= 0);                    /* the gradient reads the sign off the result */
	return unary(t, OP_lrelu, x, slope, 0);
}

/* Sums and broadcasts. */

val expand(struct tape *t, val x, struct shape s)
{
	struct shape from = tape_shape(t, x);

	if (shape_same(from, s)) return x;
	for (int i = 0; i < 4; i++) must(from.d[i] == s.d[i] || from.d[i] == 1);
	return emit1(t, OP_expand, s, x, (struct attr){ 0 });
}

val sum_to(struct tape *t, val x, struct shape s)
{
	struct shape from = tape_shape(t, x);

	if (shape_same(from, s)) return x;
	for (int i = 0; i < 4; i++) must(from.d[i] == s.d[i] || s.d[i] == 1);
	return emit1(t, OP_sum_to, s, x, (struct attr){ 0 });
}

val sum(struct tape *t, val x)
{
	return sum_to(t, x, shape4(1, 1, 1, 1));
}

val moments(struct tape *t, val x)
{
	return emit1(t, OP_moments, shape4(1, 1, 2, tape_shape(t, x).d[3]), x, (struct attr){ 0 });
}

val softmax(struct tape *t, val x)
{
	return unary(t, OP_softmax, x, 0, 0);
}

/* Moves. */

val reshape(struct tape *t, val x, struct shape s)
{
	must(shape_count(s) == shape_count(tape_shape(t, x)));
	if (shape_same(s, tape_shape(t, x))) return x;
	return emit1(t, OP_ALIAS, s, x, (struct attr){ 0 });
}

val detach(struct tape *t, val x)
{
	val v = emit1(t, OP_ALIAS, tape_shape(t, x), x, (struct attr){ 0 });
	t->ins[v].detached = true;
	return v;
}

val permute(struct tape *t, val x, int a, int b, int c, int d)
{
	struct shape s = tape_shape(t, x);
	must((1 << a | 1 << b | 1 << c | 1 << d) == 15);
	return emit1(t, OP_permute, shape4(s.d[a], s.d[b], s.d[c], s.d[d]), x,
		     (struct attr){ .i = { a, b, c, d } });
}

val slice(struct tape *t, val x, int axis, int start, int n)
{
	struct shape s = tape_shape(t, x);

	must(axis >= 0 && axis < 4 && start >= 0 && n > 0 && start + n <= s.d[axis]);
	if (n == s.d[axis]) return x;
	s.d[axis] = n;
	const struct instr *i = &t->ins[x];  /* of what was padded to it: that */
	if (i->op == OP_pad && i->a.i[0] == axis && i->a.i[1] == start &&
	    tape_shape(t, i->in[0]).d[axis] == n) return i->in[0];
	return emit1(t, OP_slice, s, x, (struct attr){ .i = { axis, start, n } });
}

val pad(struct tape *t, val x, int axis, int before, int after)
{
	struct shape s = tape_shape(t, x);

	must(axis >= 0 && axis < 4 && before >= 0 && after >= 0);
	if (!before && !after) return x;
	s.d[axis] += before + after;
	return emit1(t, OP_pad, s, x, (struct attr){ .i = { axis, before, after } });
}

val concat(struct tape *t, val a, val b, int axis)
{
	struct shape x = tape_shape(t, a), y = tape_shape(t, b), s = x;

	for (int i = 0; i < 4; i++) must(i == axis || x.d[i] == y.d[i]);
	s.d[axis] = x.d[axis] + y.d[axis];
	return emit2(t, OP_concat, s, a, b, (struct attr){ .i = { axis } });
}

static void must_be_rows(struct shape s)
{
	must(s.d[1] == 1 && s.d[2] == 1);
}

val pick(struct tape *t, val table, val rows)
{
	struct shape s = tape_shape(t, table), r = tape_shape(t, rows);

	must_be_rows(s);
	must_be_rows(r);
	must(r.d[3] == 1);
	return emit2(t, OP_pick, shape4(r.d[0], 1, 1, s.d[3]), table, rows, (struct attr){ 0 });
}

val place(struct tape *t, val x, val rows, int R)
{
	struct shape s = tape_shape(t, x), r = tape_shape(t, rows);

	must_be_rows(s);
	must(r.d[0] == s.d[0] && r.d[3] == 1);
	return emit2(t, OP_place, shape4(R, 1, 1, s.d[3]), x, rows, (struct attr){ .i = { R } });
}

val up2(struct tape *t, val x)
{
	struct shape s = tape_shape(t, x);
	return emit1(t, OP_up2, shape4(s.d[0], 2 * s.d[1], 2 * s.d[2], s.d[3]), x,
		     (struct attr){ 0 });
}

static struct shape halved(struct shape s)
{
	must(s.d[1] % 2 == 0 && s.d[2] % 2 == 0);
	return shape4(s.d[0], s.d[1] / 2, s.d[2] / 2, s.d[3]);
}

val sum2(struct tape *t, val x)
{
	return emit1(t, OP_sum2, halved(tape_shape(t, x)), x, (struct attr){ 0 });
}

val maxpool2(struct tape *t, val x)
{
	return emit2(t, OP_max2_pick, halved(tape_shape(t, x)), x, x, (struct attr){ 0 });
}

/* Products. */

val matmul(struct tape *t, val a, val b, bool ta, bool tb)
{
	struct shape x = tape_shape(t, a), y = tape_shape(t, b);
	int m = x.d[2 + ta], k = x.d[3 - ta], n = y.d[3 - tb];

	must(x.d[0] == y.d[0] && x.d[1] == y.d[1] && y.d[2 + tb] == k);
	return emit2(t, OP_matmul, shape4(x.d[0], x.d[1], m, n), a, b,
		     (struct attr){ .i = { ta, tb } });
}

val tape_part(struct tape *t, val x, int start, struct shape s)
{
	must(start >= 0 && (size_t)start + shape_count(s) <= shape_count(tape_shape(t, x)));
	return emit1(t, OP_ALIAS, s, x, (struct attr){ .i = { start } });
}

val power(struct tape *t, val w, val u, bool transposed, double eps, val *u1)
{
	struct shape s = tape_shape(t, w), of = tape_shape(t, u);

	must(shape_count(s) <= INT_MAX / 2);
	struct power p = power_of(s, transposed);
	must(shape_same(of, shape4(1, 1, 1, p.u)));
	val y = emit2(t, OP_power, shape4(1, 1, 1, p.sigma_at + 1), w, u,
		      (struct attr){ .i = { transposed }, .f = { (real)eps } });
	*u1 = detach(t, tape_part(t, y, p.u_at, of));
	return tape_part(t, y, p.sigma_at, shape4(1, 1, 1, 1));
}

val attention(struct tape *t, val q, val k, val v)
{
	struct shape a = tape_shape(t, q), b = tape_shape(t, k), c = tape_shape(t, v);
	val in[3] = { q, k, v };

	for (int i = 0; i < 2; i++) must(a.d[i] == b.d[i] && b.d[i] == c.d[i]);
	must(a.d[3] == b.d[3] && b.d[2] == c.d[2]);
	return tape_emit(t, OP_attention, shape4(a.d[0], a.d[1], a.d[2], c.d[3]), 3, in, NULL);
}

static struct shape conv_shape(struct shape x, int K, int L, int C, const struct attr *a)
{
	int P = (x.d[1] + a->i[1] + a->i[2] - K) / a->i[0] + 1;
	int Q = (x.d[2] + a->i[3] + a->i[4] - L) / a->i[0] + 1;
	return shape4(x.d[0], P, Q, C);
}

static struct attr conv_attr(int stride, struct pads p)
{
	return (struct attr){ .i = { stride, p.top, p.bottom, p.left, p.right } };
}

val conv(struct tape *t, val x, val w, int stride, struct pads p)
{
	struct shape s = tape_shape(t, x), k = tape_shape(t, w);
	struct attr a = conv_attr(stride, p);

	must(s.d[3] == k.d[2]);
	return emit2(t, OP_conv, conv_shape(s, k.d[0], k.d[1], k.d[3], &a), x, w, a);
}

val conv_adjoint(struct tape *t, val x, val w, int stride, struct pads p, int H, int W)
{
	struct shape s = tape_shape(t, x), k = tape_shape(t, w);
	struct attr a = conv_attr(stride, p);
	struct shape y = shape4(s.d[0], H, W, k.d[2]);

	must(shape_same(conv_shape(y, k.d[0], k.d[1], k.d[3], &a), s));
	a.i[5] = H;
	a.i[6] = W;
	return emit2(t, OP_conv_dx, y, x, w, a);
}

static val conv_scaled(struct tape *t, val x, val w, enum conv_scale scale)
{
	struct shape s = tape_shape(t, x), k = tape_shape(t, w), y = s;

	must(k.d[0] == 3 && k.d[1] == 3 && s.d[3] == k.d[2]);
	y = scale == CONV_UP ? shape4(y.d[0], 2 * y.d[1], 2 * y.d[2], y.d[3]) : halved(y);
	y.d[3] = k.d[3];
	return emit2(t, OP_conv, y, x, w, (struct attr){ .i = { 1, 1, 1, 1, 1, 0, 0, scale } });
}

val conv_up2(struct tape *t, val x, val w) { return conv_scaled(t, x, w, CONV_UP); }
val conv_sum2(struct tape *t, val x, val w) { return conv_scaled(t, x, w, CONV_DOWN); }

val conv_act(struct tape *t, val x, val w, val bias, val more, int stride, struct pads p, double lo,
	double hi)
{
	struct shape s = tape_shape(t, x), k = tape_shape(t, w), y;
	struct attr a = conv_attr(stride, p);
	val in[4] = { x, w, bias, more };

	a.f[0] = (real)lo;
	a.f[1] = (real)hi;
	y = conv_shape(s, k.d[0], k.d[1], k.d[3], &a);
	must(s.d[3] == k.d[2] && shape_same(tape_shape(t, bias), shape4(1, 1, 1, k.d[3])));
	must(more < 0 || shape_same(tape_shape(t, more), y));
	return tape_emit(t, OP_conv_act, y, more < 0 ? 3 : 4, in, &a);
}

val dwconv_act(struct tape *t, val x, val w, val bias, int stride, struct pads p, double lo,
	double hi)
{
	struct shape s = tape_shape(t, x), k = tape_shape(t, w);
	struct attr a = conv_attr(stride, p);
	val in[3] = { x, w, bias };

	a.f[0] = (real)lo;
	a.f[1] = (real)hi;
	must(k.d[2] == 1 && s.d[3] == k.d[3]);
	must(shape_same(tape_shape(t, bias), shape4(1, 1, 1, k.d[3])));
	return tape_emit(t, OP_dwconv_act, conv_shape(s, k.d[0], k.d[1], s.d[3], &a), 3, in, &a);
}

static val pool(struct tape *t, enum op op, val x, int K, int L, int stride, struct pads p,
	bool counted)
{
	struct shape s = tape_shape(t, x);
	struct attr a = conv_attr(stride, p);

	must(p.top < K && p.bottom < K && p.left < L && p.right < L);
	a.i[5] = K;
	a.i[6] = L;
	a.i[7] = counted;
	return emit1(t, op, conv_shape(s, K, L, s.d[3], &a), x, a);
}

val maxpool(struct tape *t, val x, int K, int L, int stride, struct pads p)
{
	return pool(t, OP_maxpool, x, K, L, stride, p, false);
}

val avgpool(struct tape *t, val x, int K, int L, int stride, struct pads p, bool counted)
{
	return pool(t, OP_avgpool, x, K, L, stride, p, counted);
}

val fir(struct tape *t, val x, val f, int up, int down, struct pads p, bool flip)
{
	struct shape s = tape_shape(t, x), k = tape_shape(t, f);
	int P = (s.d[1] * up + p.top + p.bottom - k.d[1]) / down + 1;
	int Q = (s.d[2] * up + p.left + p.right - k.d[2]) / down + 1;

	must(k.d[0] == 1 && k.d[3] == 1);
	return emit2(t, OP_fir, shape4(s.d[0], P, Q, s.d[3]), x, f,
		     (struct attr){ .i = { up, down, p.top, p.bottom, p.left, p.right, flip } });
}

/* What happens to results. */

void keep(struct tape *t, val v)
{
	must(!t->measured);
	t->ins[tape_root(t, v)].kept = true;
}

void segment(struct tape *t)
{
	t->segment = ++t->segments;
}

void tape_recompute(struct tape *t)
{
	must(!t->measured);
	t->recompute = true;
}

void tape_label(struct tape *t, val v, const char *fmt, ...)
{
	char text[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	free(t->ins[v].label);
	t->ins[v].label = mem_text("%s", text);
}
