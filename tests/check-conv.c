/* check-conv: convolutions and products of every instruction set that this CPU has against ref;
 * the same bytes for any number of threads, and for an image alone and in a batch.  Has its own
 * tile_best(). */
#include "kernels/cpu/tile.h"
#include "kernels/kernels.h"
#include "tests/tap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct tile_set *set;

const struct tile_set *tile_best(void)
{
	return set;
}

/* One for each way to convolve, with the borders between them. */
static const struct problem {
	int N, H, W, I, K, L, O, stride, top, bottom, left, right;
	enum conv_scale scale;               /* H, W: of x as it is given */
} problems[] = {
	{ 3, 8, 8, 16, 3, 3, 32, 1, 1, 1, 1, 1, CONV_SAME },  /* wino */
	{ 2, 9, 11, 32, 3, 3, 16, 1, 1, 0, 2, 1, CONV_SAME },  /* wino, ragged tiles */
	{ 9, 4, 4, 64, 3, 3, 64, 1, 1, 1, 1, 1, CONV_SAME },
	{ 3, 6, 7, 144, 3, 3, 160, 1, 1, 1, 1, 1, CONV_SAME },  /* wino_wide */
	{ 9, 16, 16, 32, 3, 3, 32, 1, 1, 1, 1, 1, CONV_SAME },  /* several groups of tiles in dw */
	{ 3, 8, 8, 20, 3, 3, 37, 1, 1, 1, 1, 1, CONV_SAME },  /* channels end inside of a vector */
	{ 2, 9, 7, 145, 3, 3, 161, 1, 1, 0, 2, 1, CONV_SAME },
	{ 9, 16, 16, 17, 3, 3, 33, 1, 1, 1, 1, 1, CONV_SAME },
	{ 3, 9, 8, 24, 3, 3, 3, 1, 1, 1, 1, 1, CONV_SAME },  /* few, and few for dx of the next */
	{ 2, 9, 8, 3, 3, 3, 24, 1, 1, 1, 1, 1, CONV_SAME },
	{ 2, 7, 5, 20, 1, 1, 33, 1, 0, 0, 0, 0, CONV_SAME },  /* flat */
	{ 2, 5, 5, 40, 1, 1, 1100, 1, 0, 0, 0, 0, CONV_SAME },  /* by panel */
	{ 2, 6, 6, 24, 1, 1, 40, 2, 0, 0, 0, 0, CONV_SAME },
	{ 2, 13, 12, 5, 3, 3, 7, 2, 0, 1, 0, 1, CONV_SAME },
	{ 1, 13, 12, 10, 5, 5, 9, 3, 2, 1, 2, 2, CONV_SAME },
	{ 2, 5, 5, 3, 3, 3, 2, 4, 1, 1, 1, 1, CONV_SAME },  /* some inputs are seen by no tap */
	{ 2, 6, 9, 12, 1, 7, 20, 1, 0, 0, 3, 3, CONV_SAME },
	{ 2, 4, 4, 8, 4, 4, 19, 1, 0, 0, 0, 0, CONV_SAME },
	{ 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, CONV_SAME },
	{ 3, 4, 8, 16, 3, 3, 32, 1, 1, 1, 1, 1, CONV_UP },      /* wino of 25 planes */
	{ 2, 7, 9, 80, 3, 3, 144, 1, 1, 1, 1, 1, CONV_UP },     /* ragged, several panels */
	{ 40, 8, 8, 32, 3, 3, 16, 1, 1, 1, 1, 1, CONV_UP },     /* several chunks, groups in dw */
	{ 2, 3, 5, 160, 3, 3, 288, 1, 1, 1, 1, 1, CONV_UP },    /* one group in dw */
	{ 2, 7, 9, 81, 3, 3, 133, 1, 1, 1, 1, 1, CONV_UP },     /* inside of a vector */
	{ 2, 3, 5, 161, 3, 3, 291, 1, 1, 1, 1, 1, CONV_UP },
	{ 3, 8, 16, 32, 3, 3, 16, 1, 1, 1, 1, 1, CONV_DOWN },
	{ 2, 14, 18, 145, 3, 3, 85, 1, 1, 1, 1, 1, CONV_DOWN },
	{ 2, 14, 18, 144, 3, 3, 80, 1, 1, 1, 1, 1, CONV_DOWN },
	{ 40, 16, 16, 16, 3, 3, 32, 1, 1, 1, 1, 1, CONV_DOWN },
	{ 2, 6, 10, 160, 3, 3, 288, 1, 1, 1, 1, 1, CONV_DOWN },
	{ 3, 4, 6, 3, 3, 3, 24, 1, 1, 1, 1, 1, CONV_UP },       /* in two steps */
	{ 3, 4, 6, 24, 3, 3, 3, 1, 1, 1, 1, 1, CONV_DOWN },
	{ 2, 1, 1, 16, 3, 3, 16, 1, 1, 1, 1, 1, CONV_UP },
	{ 2, 5, 4, 16, 3, 3, 16, 2, 0, 0, 1, 2, CONV_UP },
	{ 2, 9, 11, 16, 3, 3, 16, 1, 0, 1, 1, 2, CONV_DOWN },
};

static const struct { int batch, m, n, k; } products[] = {
	{ 6, 5, 9, 7 }, { 1, 250, 130, 70 }, { 1, 1, 70, 600 }, { 1, 70, 1, 600 },
	{ 3, 16, 64, 8 }, { 1, 13, 128, 300 },
};

static const struct { int N, H, C, K, L, stride, before, after; } depthwise[] = {
	{ 2, 14, 32, 3, 3, 1, 1, 1 }, { 2, 15, 24, 5, 5, 2, 1, 2 }, { 1, 9, 5, 3, 5, 2, 2, 2 },
	{ 2, 1, 33, 3, 3, 1, 1, 1 },
};

static float *filled(size_t n)
{
	static uint64_t state = 1;
	float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);

	for (size_t i = 0; i < n; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		p[i] = (float)((double)(state >> 11) / 4503599627370496.0 - 1);
	}
	return p;
}

static void run(struct backend *b, enum op op, struct view y, const struct view *x,
	const struct attr *a)
{
	size_t n = b->scratch[op] ? b->scratch[op](b, y, x, a) : 0;

	if (backend_reserve(b, n)) abort();
	if (n) memset(b->work, 0xff, n);                 /* NaN */
	memset(y.p, 0xff, sizeof(float) * shape_count(y.s));
	b->op[op](b, y, x, a);
}

/* The weights in the order in which the backend reads them. */
static float *packed(struct backend *b, struct shape y, const struct view *x, const struct attr *a)
{
	size_t n = b->packed(b, y, (struct shape[]){ x[0].s, x[1].s }, a);
	float *w = filled(n);

	memset(w, 0xff, n * sizeof *w);
	b->pack(b, w, y, x, a);
	return w;
}

/* |got - want| <= tolerance * max |want|; i8: the weights of x are not yet packed */
static void check(enum op op, struct shape s, const struct view *given, const struct attr *a,
	double tolerance, bool images)
{
	struct backend *ref = backend_new("ref", 1), *cpu = backend_new("cpu", 2);
	struct view x[OP_INPUTS] = { { 0 } };
	size_t n = shape_count(s);
	struct view want = { .p = filled(n), .s = s }, got = { .p = filled(n), .s = s };
	struct view again = { .p = filled(n), .s = s };
	double most = 0, worst = 0;
	bool same = true;

	for (int k = 0; k < op_inputs[op]; k++) x[k] = given[k];
	run(ref, op, want, x, a);
	if (a->i[8]) x[1].p = packed(cpu, s, x, a);
	run(cpu, op, got, x, a);
	for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)want.p[i]));
	for (size_t i = 0; i < n; i++) {
		double error = fabs((double)got.p[i] - (double)want.p[i]);

		if (!(error <= worst)) worst = error;    /* NaN stays */
	}
	for (int threads = 1; threads <= 5; threads += 4) {
		cpu->threads = threads;
		run(cpu, op, again, x, a);
		same = same && !memcmp(got.p, again.p, n * sizeof *got.p);
	}
	ok(worst <= tolerance * most, "%s %dx%dx%dx%d by %d: error %.1e", op_name[op],
		s.d[0], s.d[1], s.d[2], s.d[3], set->lanes, worst / most);
	ok(same, "the same with 1, 2 and 5 threads");
	if (images) {
		struct view one = { .p = again.p, .s = s }, x1[OP_INPUTS] = { 0 };

		for (int k = 0; k < op_inputs[op]; k++) x1[k] = x[k];
		one.s.d[0] = x1[0].s.d[0] = 1;
		run(cpu, op, one, x1, a);
		ok(!memcmp(got.p, one.p, shape_count(one.s) * sizeof *one.p),
			"the same for an image alone");
	}
	if (a->i[8]) free(x[1].p);
	free(want.p);
	free(got.p);
	free(again.p);
	backend_free(ref);
	backend_free(cpu);
}

/* With bias and bounds, which make the largest number half of what it is; with something added or
 * not, weights packed or not. */
static void check_act(const struct problem *c, struct view x, struct view w, struct shape s,
	struct attr a)
{
	struct view in[4] = { x, w, { .p = filled((size_t)c->O), .s = { { 1, 1, 1, c->O } } },
		{ .p = filled(shape_count(s)), .s = s } };

	a.f[1] = (float)sqrt(c->K * c->L * c->I) * 2 / 3;    /* twice the deviation */
	a.f[0] = -a.f[1] / 4;
	for (int k = 0; k < 4; k++) {
		struct view more = in[3];

		if (k & 1) in[3].p = NULL;
		a.i[8] = k / 2;
		check(OP_conv_act, s, in, &a, 8e-6, true);
		in[3] = more;
	}
	free(in[2].p);
	free(in[3].p);
}

static void check_problem(const struct problem *c)
{
	int up = c->scale == CONV_UP, down = c->scale == CONV_DOWN;
	int P = (((c->H << up) + c->top + c->bottom - c->K) / c->stride + 1) >> down;
	int Q = (((c->W << up) + c->left + c->right - c->L) / c->stride + 1) >> down;
	struct shape xs = { { c->N, c->H, c->W, c->I } }, ws = { { c->K, c->L, c->I, c->O } },
		ys = { { c->N, P, Q, c->O } };
	struct view x = { .p = filled(shape_count(xs)), .s = xs },
		w = { .p = filled(shape_count(ws)), .s = ws },
		y = { .p = filled(shape_count(ys)), .s = ys };
	struct attr a = { .i = { c->stride, c->top, c->bottom, c->left, c->right, c->H, c->W,
		(int)c->scale } };

	check(OP_conv, ys, (struct view[]){ x, w }, &a, 4e-6, true);
	if (c->scale == CONV_SAME) check_act(c, x, w, ys, a);
	check(OP_conv_dx, xs, (struct view[]){ y, w }, &a, 4e-6, true);
	a.i[5] = c->K;
	a.i[6] = c->L;
	check(OP_conv_dw, ws, (struct view[]){ x, y }, &a, 4e-6, false);
	free(x.p);
	free(w.p);
	free(y.p);
}

static void check_product(int batch, int m, int n, int k)
{
	for (int t = 0; t < 4; t++) {
		int ta = t & 1, tb = t >> 1;
		struct shape as = { { batch, 1, ta ? k : m, ta ? m : k } },
			bs = { { batch, 1, tb ? n : k, tb ? k : n } };
		struct view a = { .p = filled(shape_count(as)), .s = as },
			b = { .p = filled(shape_count(bs)), .s = bs };

		check(OP_matmul, (struct shape){ { batch, 1, m, n } }, (struct view[]){ a, b },
			&(struct attr){ .i = { ta, tb } }, 2e-6, false);
		free(a.p);
		free(b.p);
	}
}

/* Of a tall matrix and its first rows. */
static void check_rows(void)
{
	struct backend *b = backend_new("cpu", 2);
	struct view x = { .p = filled(500 * 300), .s = { { 1, 1, 500, 300 } } },
		w = { .p = filled(300 * 96), .s = { { 1, 1, 300, 96 } } };
	struct view all = { .p = filled(500 * 96), .s = { { 1, 1, 500, 96 } } },
		some = { .p = filled(500 * 96), .s = { { 1, 1, 500, 96 } } };
	struct attr a = { .i = { 0 } };

	run(b, OP_matmul, all, (struct view[]){ x, w }, &a);
	for (int rows = 1; rows <= 40; rows += 13) {
		some.s.d[2] = x.s.d[2] = rows;
		run(b, OP_matmul, some, (struct view[]){ x, w }, &a);
		ok(!memcmp(all.p, some.p, sizeof(float) * 96 * (size_t)rows),
			"the first %d rows alone are the same", rows);
	}
	free(x.p);
	free(w.p);
	free(all.p);
	free(some.p);
	backend_free(b);
}

static void check_depthwise(int N, int H, int C, int K, int L, int stride, int before, int after)
{
	int P = (H + before + after - K) / stride + 1, Q = (H + before + after - L) / stride + 1;
	struct shape xs = { { N, H, H, C } }, ws = { { K, L, 1, C } };
	struct shape bs = { { 1, 1, 1, C } };
	struct view in[3] = { { .p = filled(shape_count(xs)), .s = xs },
		{ .p = filled(shape_count(ws)), .s = ws },
		{ .p = filled((size_t)C), .s = bs } };

	check(OP_dwconv_act, (struct shape){ { N, P, Q, C } }, in,
		&(struct attr){ .i = { stride, before, after, before, after }, .f = { 0, 2 } },
		1e-6, true);
	for (int k = 0; k < 3; k++) free(in[k].p);
}

#define EACH(table) for (size_t i = 0; i < sizeof table / sizeof *table; i++)

static void check_set(const struct tile_set *s)
{
	set = s;
	EACH(problems) check_problem(problems + i);
	EACH(products)
		check_product(products[i].batch, products[i].m, products[i].n, products[i].k);
	check_rows();
	EACH(depthwise)
		check_depthwise(depthwise[i].N, depthwise[i].H, depthwise[i].C, depthwise[i].K,
			depthwise[i].L, depthwise[i].stride, depthwise[i].before,
			depthwise[i].after);
}

int main(void)
{
	check_set(&tile_base);
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) check_set(&tile_avx2);
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
		&& __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
		check_set(&tile_avx512);
#endif
	return done_testing();
}
