/* check-ops: every op of every backend against ref, on the shapes of samples.def, of a backend that
 * has bf16 with views of it too; with --bench [BACKEND [OP]], its rate; with names of backends, and
 * perhaps of ops behind them, those. */
#include "kernels/kernels.h"
#include "lib/base/fail.h"
#include "lib/base/rng.h"
#include "kernels/cpu/blas.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct sample { enum op op; struct shape y, x[OP_INPUTS]; struct attr a; };

#define S(...) { { __VA_ARGS__ } }
#define A(...) { __VA_ARGS__ }
#define BENCH(...)
#define SAMPLE(op, y, x0, x1, i, f0, f1) { OP_##op, y, { x0, x1 }, { i, { f0, f1 } } },
static const struct sample samples[] = {
#include "tests/samples.def"
};
#undef BENCH
#undef SAMPLE
#define SAMPLE(...)
#define BENCH(op, y, x0, x1, i, f0, f1) { OP_##op, y, { x0, x1 }, { i, { f0, f1 } } },
static const struct sample benches[] = {
#include "tests/samples.def"
};

enum { GUARD = 64 };                         /* floats before and after each buffer */
static const uint32_t guard_word = 0x7fde7fde;   /* a NaN of our own, in bf16 too */

/* A buffer between guard words, filled with NaN. */
static float *guarded(size_t count)
{
	uint32_t *p = aligned_alloc(64, (count + 2 * GUARD + 15) / 16 * 64);

	if (!p) abort();
	for (size_t i = 0; i < count + 2 * GUARD; i++) p[i] = guard_word;
	return (float *)p + GUARD;
}

static void guarded_free(float *p)
{
	if (p) free(p - GUARD);
}

static bool guards_hold(const float *p, size_t count)
{
	const uint32_t *from = (const uint32_t *)p;

	for (int i = 0; i < GUARD; i++)
		if (from[i - GUARD] != guard_word || from[count + (size_t)i] != guard_word)
			return false;
	return true;
}

static bool is_attention(enum op op)
{
	return op == OP_attention || op == OP_attention_back;
}

/* What an input holds: normal numbers, with a few that are special for element-wise ops; row
 * numbers, some of no row, for pick and place; coarse numbers with ties for the maxima; an offset
 * for the moments; a NaN in a bias. */
static void fill(float *p, const struct sample *s, int which, bool odd_too, struct rng *r)
{
	static const float odd[] = {
		0, -0.0f, 1e-40f, -30, 30, 90, -90, 105, -105, 1e30f, INFINITY, -INFINITY, NAN,
	};
	size_t n = shape_count(s->x[which]);
	bool rows = which == 1 && (s->op == OP_pick || s->op == OP_place);
	int table = s->op == OP_place ? s->a.i[0] : s->x[0].d[0];

	for (size_t i = 0; i < n; i++) {
		p[i] = (float)rng_normal(r);
		if (s->op == OP_sqrt) p[i] = fabsf(p[i]);
		/* scores of size one */
		if (is_attention(s->op) && !which) p[i] /= sqrtf((float)s->x[0].d[3]);
		if (s->op == OP_moments) p[i] = p[i] / 8 + 100;
		if (s->op == OP_max2_pick || s->op == OP_max2_place) p[i] = rintf(p[i]);
		if (rows) p[i] = (float)rng_below(r, (uint32_t)table);
		if (rows && i % 8 == 5) p[i] = i % 16 == 5 ? -1 : (float)table;
		if (odd_too && op_klass[s->op] == EW && n > 50 && i % 7 == 3)
			p[i] = odd[rng_below(r, 13)];
		if (odd_too && s->op == OP_conv_act && which == 2 && i % 31 == 8) p[i] = NAN;
		if (odd_too && op_klass[s->op] == MOVE && !rows && s->op != OP_place && i % 31 == 8)
			p[i] = NAN;
	}
}

struct held { float *x[OP_INPUTS], *y; };

static void hold(struct held *h, const struct sample *s, bool odd_too)
{
	struct rng r = rng_at(1, (uint64_t)s->op);

	h->y = guarded(shape_count(s->y));
	for (int k = 0; k < OP_INPUTS; k++) h->x[k] = guarded(shape_count(s->x[k]));
	for (int k = 0; k < op_inputs[s->op]; k++) fill(h->x[k], s, k, odd_too, &r);
}

static void let_go(struct held *h)
{
	for (int k = 0; k < OP_INPUTS; k++) guarded_free(h->x[k]);
	guarded_free(h->y);
}

/* The inputs as an op is given them; NULL where there is none. */
static void views(struct view *in, const struct sample *s, unsigned bf16, float *const *x)
{
	for (int k = 0; k < OP_INPUTS; k++)
		in[k] = (struct view){ shape_count(s->x[k]) ? x[k] : NULL, s->x[k],
				bf16 >> k & 1 };
}

/* Which views of an op are of bf16: bit k for x[k], Y for y. */
enum { Y = 1 << OP_INPUTS };

static float from_bf16(uint16_t half)
{
	uint32_t bits = (uint32_t)half << 16;
	float x;

	memcpy(&x, &bits, sizeof x);
	return x;
}

/* The nearest number of bf16, ties to even. */
static uint16_t to_bf16(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	return isnan(x) ? 0x7fc0 : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* The floats that count numbers take. */
static size_t room(size_t count, bool bf16)
{
	return bf16 ? (count + 1) / 2 : count;
}

/* The numbers where the backend computes, between guards; p NULL: guards. */
static float *sent(struct backend *b, const float *p, size_t count, bool bf16)
{
	size_t n = room(count, bf16), bytes = (n + 2 * GUARD) * sizeof *p;
	float *copy = guarded(n), *there = backend_take(b, bytes);

	if (!there) abort();
	for (size_t i = 0; p && bf16 && i < count; i++) ((uint16_t *)copy)[i] = to_bf16(p[i]);
	if (p && !bf16) memcpy(copy, p, count * sizeof *p);
	backend_put(b, there, copy - GUARD, bytes);
	guarded_free(copy);
	return there + GUARD;
}

/* ... from there, if p is not NULL; false when guards were written. */
static bool fetched(struct backend *b, float *p, float *there, size_t count, bool bf16)
{
	size_t n = room(count, bf16);
	float *copy = guarded(n);
	const uint16_t *half = (const uint16_t *)copy;

	backend_get(b, copy - GUARD, there - GUARD, (n + 2 * GUARD) * sizeof *p);
	backend_give(b, there - GUARD);
	bool held = guards_hold(copy, n) &&
		    (!bf16 || count % 2 == 0 || half[count] == (uint16_t)guard_word);
	for (size_t i = 0; p && i < count; i++) p[i] = bf16 ? from_bf16(half[i]) : copy[i];
	guarded_free(copy);
	return held;
}

/* One call into a poisoned y; false when guards around y or the scratch were written. */
static bool call(struct backend *b, const struct sample *s, unsigned bf16, float *const *x,
		 float *y)
{
	struct view in[OP_INPUTS];
	size_t n = shape_count(s->y);

	float *there[OP_INPUTS], *y_there = sent(b, NULL, n, bf16 & Y);
	for (int k = 0; k < OP_INPUTS; k++)
		there[k] = sent(b, x[k], shape_count(s->x[k]), bf16 >> k & 1);
	views(in, s, bf16, there);
	struct view out = { y_there, s->y, bf16 & Y };
	size_t bytes = b->scratch[s->op] ? b->scratch[s->op](b, out, in, &s->a) : 0;
	size_t count = (bytes + 3) / 4;
	float *work = sent(b, NULL, count, false);
	b->work = work;
	b->work_bytes = bytes;
	b->op[s->op](b, out, in, &s->a);
	b->work = NULL;
	b->work_bytes = 0;
	bool held = fetched(b, y, y_there, n, bf16 & Y);
	held &= fetched(b, NULL, work, count, false);
	for (int k = 0; k < OP_INPUTS; k++) backend_give(b, there[k] - GUARD);
	if (backend_fault(b)) printf("# %s\n", backend_fault(b));
	return held && !backend_fault(b);
}

static bool by_cublas(const struct backend *b)
{
	return b && b->engine && !strncmp(b->engine, "cuBLASLt", 8);
}

/* Operands of the products of the op are rounded: those that are not yet, or an inner one. */
static bool rounds(enum op op, unsigned bf16)
{
	unsigned operands = bf16 & 3;

	return op_klass[op] == LINEAR && (is_attention(op) || operands != 3);
}

/* A convolution at the small side of a scale: sums of taps of w are rounded, whatever w is of. */
static bool sums_taps(const struct sample *s)
{
	return (s->op == OP_conv || s->op == OP_conv_dx) && s->a.i[7] != CONV_SAME &&
	       s->x[1].d[0] == 3;
}

/* Allowed error in units of 2^-23 of the size of the terms: what is not rounded, or rounded once,
 * must be exact. */
static double ulps_f32(const struct backend *b, const struct sample *s, unsigned bf16)
{
	enum op op = s->op;
	/* in a row */
	int products = op == OP_attention ? 2 : op == OP_attention_back ? 3 : 1;

	/* both operands of a product are rounded to 11 or 8 bits, by half a unit each; by a whole
	 * one where tensor cores are given f32 and look at its upper bits */
	if (strstr(b->name, "tf32") && op_klass[op] == LINEAR)
		return products * (by_cublas(b) ? 0x1p14 : 0x1p13);
	if (strstr(b->name, "bf16") && (rounds(op, bf16) || sums_taps(s))) return products * 0x1p16;
	switch (op) {
	/* CUDA's own may be off by 1 (erf: by 2), sigmoid and softplus are of two of them */
	case OP_exp: case OP_tanh: case OP_sigmoid: case OP_softplus: case OP_erf:
		return strstr(b->name, "cuda") ? 4 : 2;
	case OP_scale: return 1;             /* two roundings, or one when fused */
	case OP_softmax: return 8;
	case OP_place: return 2;
	case OP_power: return 16;            /* two products in a row */
	default: break;
	}
	if (op_klass[op] == REDUCE) return 4;
	return op_klass[op] == LINEAR ? products * 8 : 0;
}

/* ... of which a result of bf16 adds its own rounding, by half a unit of 8 bits; one that is summed
 * over 2x2 pixels, of a convolution that does not sum taps, is rounded before, too. */
static double ulps(const struct backend *b, const struct sample *s, unsigned bf16)
{
	bool conv = s->op == OP_conv || s->op == OP_conv_dx;
	int times = !(bf16 & Y) ? 0 : conv && s->a.i[7] != CONV_SAME && !sums_taps(s) ? 2 : 1;

	return ulps_f32(b, s, bf16) + times * 0x1p15;
}

/* The op is a sum of terms that are linear in input k: their size is the op on absolute values. */
static bool adds_up(enum op op, int k)
{
	if (op == OP_place) return k == 0;
	if (is_attention(op)) return op == OP_attention && k == 2;
	return op_klass[op] == REDUCE || op_klass[op] == LINEAR || op == OP_scale;
}

/* Gradients of attention are differences of numbers of which none is larger than the largest, and
 * so are numbers of vectors of unit length. */
static void spread_largest(float *size, size_t n)
{
	float most = 0;

	for (size_t i = 0; i < n; i++) most = fmaxf(most, fabsf(size[i]));
	for (size_t i = 0; i < n; i++) size[i] = most;
}

/* The size of the terms; the result itself where there are none. */
static void sizes(struct backend *ref, const struct sample *s, const struct held *h, float *size)
{
	struct sample t = *s;
	struct held m = { .y = size };

	for (int k = 0; k < OP_INPUTS; k++) {
		size_t n = shape_count(s->x[k]);
		bool absolute = adds_up(s->op, k);
		m.x[k] = guarded(n);
		for (size_t i = 0; i < n; i++)
			m.x[k][i] = absolute ? fabsf(h->x[k][i]) : h->x[k][i];
	}
	if (s->op == OP_scale) t.a.f[0] = fabsf(s->a.f[0]), t.a.f[1] = fabsf(s->a.f[1]);
	/* an error is made before the bounds */
	if (s->op == OP_conv_act || s->op == OP_dwconv_act) t.a.f[0] = 0, t.a.f[1] = INFINITY;
	call(ref, &t, 0, m.x, m.y);
	for (int k = 0; k < OP_INPUTS; k++) guarded_free(m.x[k]);
	if (s->op == OP_power) spread_largest(size, shape_count(s->y) - 1);   /* all but sigma */
	if (s->op == OP_attention_back) spread_largest(size, shape_count(s->y));
}

/* The largest error in the unit of ulps(); a lone NaN or infinity is infinitely wrong. */
static double worst(const float *got, const float *want, const float *size, size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++) {
		if (got[i] == want[i] || (isnan(got[i]) && isnan(want[i]))) continue;
		double unit = fmax(fabs((double)want[i]), fabs((double)size[i])) * 0x1p-23;
		double e = fabs((double)got[i] - (double)want[i]) / fmax(unit, 0x1p-149);
		if (!(e <= most)) most = isnan(e) ? INFINITY : e;
	}
	return most;
}

/* "conv [2,5,7,11] <- [2,5,7,3] [3,3,3,11]" */
static const char *title(const struct sample *s, unsigned bf16)
{
	static char text[240];
	int n = snprintf(text, sizeof text, "%s\t", op_name[s->op]);

	for (int k = -1; k < op_inputs[s->op]; k++) {
		if (k >= 0 && !shape_count(s->x[k])) break;
		const int *d = k < 0 ? s->y.d : s->x[k].d;
		n += snprintf(text + n, sizeof text - (size_t)n, "%s[%d,%d,%d,%d]",
			      k < 0 ? "" : " ", d[0], d[1], d[2], d[3]);
		if (k < 0 ? bf16 & Y : bf16 >> k & 1)
			n += snprintf(text + n, sizeof text - (size_t)n, "bf16");
	}
	return text;
}

/* A backend with each of several numbers of threads; opened once, for a device takes its time. */
enum { RUNS = 3 };
struct opened { const char *name; struct backend *b[RUNS]; };

/* One that has failed is no use any more.  NULL: see backend_why(). */
static struct backend *working(struct opened *o, int i)
{
	static const int threads[RUNS] = { 1, 2, 5 };

	if (o->b[i] && !backend_fault(o->b[i])) return o->b[i];
	backend_free(o->b[i]);
	return o->b[i] = backend_new(o->name, threads[i]);
}

static void check(struct backend *ref, struct opened *o, const struct sample *s, unsigned bf16)
{
	size_t n = shape_count(s->y);
	struct held h;
	bool whole = true, same = true;
	double far = 0, most = 0;

	hold(&h, s, true);
	for (int k = 0; k < OP_INPUTS; k++)
		for (size_t i = 0; bf16 >> k & 1 && i < shape_count(s->x[k]); i++)
			h.x[k][i] = from_bf16(to_bf16(h.x[k][i]));
	float *want = guarded(n), *size = guarded(n), *first = guarded(n);
	call(ref, s, 0, h.x, want);
	sizes(ref, s, &h, size);
	for (int i = 0; i < (bf16 ? 1 : RUNS); i++) {
		struct backend *b = working(o, i);
		if (!b) {
			ok(false, "%s: %s", o->name, backend_why());
			break;
		}
		whole &= call(b, s, bf16, h.x, h.y);
		far = fmax(far, worst(h.y, want, size, n));
		if (i == 0) memcpy(first, h.y, n * sizeof *first);
		same &= !memcmp(first, h.y, n * sizeof *first);
		most = ulps(b, s, bf16);
	}
	ok(far <= most && whole && same, "%s %s: off by %.2f of %g%s%s", o->name, title(s, bf16),
	   far, most, whole ? "" : ", wrote outside", same ? "" : ", depends on threads");
	guarded_free(want), guarded_free(size), guarded_free(first);
	let_go(&h);
}

/* All views of bf16, which sums are not, and those of f32 among them. */
static void check_bf16(struct backend *ref, struct opened *o, const struct sample *s)
{
	unsigned all = (1u << op_inputs[s->op]) - 1;
	bool sums = s->op == OP_sum_to || s->op == OP_moments || s->op == OP_power;

	check(ref, o, s, sums ? all : all | Y);
	if (!sums) check(ref, o, s, all > 1 ? (all & ~2u) | Y : Y);
	if (op_klass[s->op] == LINEAR) check(ref, o, s, all);
}

/* Products of matrices: what cuBLASLt may be asked for. */
static bool of_matrices(const struct sample *s)
{
	struct shape w = s->op == OP_conv_dw ? s->y : s->x[1];

	if (s->op == OP_matmul || is_attention(s->op)) return true;
	return op_klass[s->op] == LINEAR && w.d[0] * w.d[1] == 1 && s->op != OP_fir;
}

/* Other ops of the backend are those of cuda-f32; other products than cuBLASLt's those without it.
 */
static bool is_own(const struct backend *b, const struct sample *s)
{
	if (by_cublas(b)) return of_matrices(s);
	return !b || !b->engine || !strcmp(b->name, "cuda-f32") || op_klass[s->op] == LINEAR;
}

static int op_called(const char *name)
{
	int op = 0;

	while (op < OP_COUNT && strcmp(op_name[op], name)) op++;
	return op;
}

/* Ops that are named from the back, all when there are none; returns how many names are left. */
static int take_ops(char **names, int n, bool wanted[OP_COUNT])
{
	int left = n;

	while (left && op_called(names[left - 1]) < OP_COUNT) left--;
	for (int op = 0; op < OP_COUNT; op++) wanted[op] = left == n;
	for (int k = left; k < n; k++) wanted[op_called(names[k])] = true;
	return left;
}

/* Without names of backends: those that run everywhere. */
static int check_all(char **names, int n)
{
	static char *everywhere[] = { "ref", "cpu" };
	struct backend *ref = backend_new("ref", 1);
	bool sampled[OP_COUNT] = { false }, wanted[OP_COUNT];

	n = take_ops(names, n, wanted);
	if (!n) names = everywhere, n = LEN(everywhere);
	for (int k = 0; k < n; k++) {
		struct opened o = { .name = names[k] };
		for (size_t i = 0; i < LEN(samples); i++) {
			const struct sample *s = &samples[i];
			const struct backend *b = working(&o, 0);
			if (!wanted[s->op]) continue;
			if (is_own(b, s)) check(ref, &o, s, 0);
			if (b && b->bf16 && (!by_cublas(b) || of_matrices(s)))
				check_bf16(ref, &o, s);
		}
		if (o.b[0] && o.b[0]->engine)
			printf("# %s: products by %s\n", o.name, o.b[0]->engine);
		for (int i = 0; i < RUNS; i++) backend_free(o.b[i]);
	}
	for (size_t i = 0; i < LEN(samples); i++) sampled[samples[i].op] = true;
	for (int op = 0; op < OP_COUNT; op++)
		if (!sampled[op]) ok(false, "%s has a sample", op_name[op]);
	ok(!backend_new("abacus", 1) && strstr(backend_why(), "abacus"), "an unknown backend");
	backend_free(ref);
	return done_testing();
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Multiply-adds count two; 0: not a product. */
static double flops(const struct sample *s)
{
	double y = (double)shape_count(s->y), x = (double)shape_count(s->x[0]);
	double w = (double)shape_count(s->x[1]);
	const int *f = s->x[1].d;

	switch (s->op) {
	case OP_attention: return 2 * (x + y) * f[2];
	case OP_attention_back: return 4 * (x + (double)shape_count(s->x[3])) * f[2];
	case OP_matmul:  return 2 * y * (s->a.i[0] ? s->x[0].d[2] : s->x[0].d[3]);
	case OP_conv: case OP_conv_act: return 2 * y * f[0] * f[1] * f[2];
	case OP_conv_dx: return 2 * x * f[0] * f[1] * f[2];
	case OP_conv_dw: return 2 * w * s->y.d[0] * s->y.d[1] * s->y.d[2];
	case OP_dwconv_act: return 2 * y * f[0] * f[1];
	default:         return 0;
	}
}

static void bench(struct backend *b, const struct sample *s)
{
	struct held h;
	double best = INFINITY, bytes = 4.0 * (double)shape_count(s->y);

	hold(&h, s, false);
	struct view in[OP_INPUTS];
	views(in, s, 0, h.x);
	struct view out = { .p = h.y, .s = s->y };
	if (backend_reserve(b, b->scratch[s->op] ? b->scratch[s->op](b, out, in, &s->a) : 0))
		abort();
	for (double start = seconds(); seconds() - start < 0.25;) {
		double from = seconds();
		b->op[s->op](b, out, in, &s->a);
		best = fmin(best, seconds() - from);
	}
	for (int k = 0; k < op_inputs[s->op]; k++) bytes += 4.0 * (double)shape_count(s->x[k]);
	double work = flops(s);
	printf("%s\t%s\t%.4f\t%.1f\t%s\n", b->name, title(s, 0), best * 1e3,
	       (work ? work : bytes) / best * 1e-9, work ? "GFLOP/s" : "GB/s");
	fflush(stdout);
	let_go(&h);
}

static int bench_all(const char *name, const char *op)
{
	struct backend *b = backend_new(name, 0);

	if (!b) {
		fprintf(stderr, "check-ops: no backend %s: expected %s\n", name, backend_names());
		return 2;
	}
	printf("#backend\top\tshapes\tms\trate\tunit\n");
	for (size_t i = 0; i < LEN(benches); i++)
		if (!op || !strcmp(op, op_name[benches[i].op])) bench(b, &benches[i]);
	backend_free(b);
	return 0;
}

int main(int argc, char **argv)
{
	blas_start(argv);
	if (argc > 1 && !strcmp(argv[1], "--bench"))
		return bench_all(argc > 2 ? argv[2] : "cpu", argc > 3 ? argv[3] : NULL);
	return check_all(argv + 1, argc - 1);
}
