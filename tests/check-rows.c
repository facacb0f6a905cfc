/* check-rows: the vector loops of each instruction set this CPU has, against ref, over floats of all sizes. */
#include "kernels/cpu/rows.h"
#include "lib/base/rng.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

enum { STEP = 65521, COUNT = (int)(0x100000000 / STEP) };   /* a prime step through all bit patterns */

static float a[COUNT], b[COUNT], got[COUNT + 1], want[COUNT];

static double worst_ulps(size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++) {
		if (got[i] == want[i] || (isnan(got[i]) && isnan(want[i]))) continue;
		float next = nextafterf(fabsf(want[i]), INFINITY);
		double ulp = isinf(next) ? 0x1p104 : (double)next - fabs((double)want[i]);
		double off = fabs((double)got[i] - (double)want[i]) / ulp;
		if (!(off <= most)) most = isnan(off) ? INFINITY : off;
	}
	return most;
}

static double allowed(enum op op)
{
	switch (op) {
	case OP_exp: return 1;
	case OP_tanh: case OP_sigmoid: case OP_softplus: return 2;
	default: return 0;
	}
}

static void check_op(struct backend *ref, const struct rows *r, const char *set, enum op op)
{
	struct shape s = { { 1, 1, 1, COUNT } };
	struct view in[2] = { { a, s }, { b, s } };
	struct attr at = { .f = { op == OP_clamp || op == OP_clamp_g ? -0.5f : 0.25f, op == OP_scale ? 0 : 3 } };

	ref->op[op](ref, (struct view){ want, s }, in, &at);
	got[COUNT] = 42;
	r->ew[op](got, a, b, COUNT, at.f[0], at.f[1]);
	double off = worst_ulps(COUNT);
	ok(off <= allowed(op) && got[COUNT] == 42, "%s %s: off by %.3f ulp of %g", set, op_name[op], off, allowed(op));
	memset(got, 0, sizeof got);
	for (size_t n = 0, i = 0; i + n <= 1000; i += n++) r->ew[op](got + i, a + i, b + i, n, at.f[0], at.f[1]);
	ok(worst_ulps(900) <= allowed(op), "%s %s: in parts of all lengths", set, op_name[op]);
}

static double down(const float *x, const float *mean, size_t rows, size_t width, size_t at)
{
	double sum = 0;

	for (size_t i = 0; i < rows; i++) {
		double v = (double)x[i * width + at];
		sum += mean ? (v - (double)mean[at]) * (v - (double)mean[at]) : v;
	}
	return sum;
}

static void check_sums(const struct rows *r, const char *set)
{
	static float x[50 * 83], zero[83], mean[83];
	struct rng g = rng_at(1, 2);
	size_t rows = 50, width = 83;
	double off = 0, all = 0;
	float largest = -INFINITY;

	for (size_t i = 0; i < rows * width; i++) {
		x[i] = (float)rng_normal(&g) + 1;
		all += (double)x[i];
		if (x[i] > largest) largest = x[i];
	}
	for (size_t i = 0; i < width; i++) mean[i] = x[i] / 2;
	is_near(r->sum(x, rows * width), all, 1e-10, "%s sum", set);
	ok(r->most(x, rows * width) == largest && r->most(x + 7, 1) == x[7], "%s most", set);
	memcpy(got, zero, sizeof zero);
	r->sum_down(got, x, rows, width);
	for (size_t i = 0; i < width; i++) off = fmax(off, fabs((double)got[i] - down(x, NULL, rows, width, i)));
	is_near(off, 0, 1e-4, "%s sum_down", set);
	memcpy(got, zero, sizeof zero);
	r->spread_down(got, x, mean, rows, width);
	off = 0;
	for (size_t i = 0; i < width; i++) off = fmax(off, fabs((double)got[i] - down(x, mean, rows, width, i)));
	is_near(off, 0, 1e-3, "%s spread_down", set);
	r->blend(got, (const float *const[]){ x, NULL, x + width }, (const float[]){ 0.5f, 9, -2 }, 3, width);
	off = 0;
	for (size_t i = 0; i < width; i++)
		off = fmax(off, fabs((double)got[i] - (0.5 * (double)x[i] - 2 * (double)x[width + i])));
	is_near(off, 0, 1e-6, "%s blend", set);
}

static void check_table(const struct rows *r, const char *set, bool here)
{
	struct backend *ref = backend_new("ref", 1);

	if (!here) {
		ok(true, "%s # SKIP this CPU lacks it", set);
	} else {
		for (int op = 0; op < OP_COUNT; op++)
			if (op_klass[op] == EW) check_op(ref, r, set, (enum op)op);
		check_sums(r, set);
	}
	backend_free(ref);
}

int main(void)
{
	struct rng g = rng_at(1, 1);

	for (uint32_t i = 0; i < COUNT; i++) {
		uint32_t bits = i * STEP;
		memcpy(&a[i], &bits, 4);
		b[i] = (float)rng_normal(&g);
	}
	check_table(&rows_base, "base", true);
#ifdef __x86_64__
	check_table(&rows_avx2, "avx2", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
	check_table(&rows_avx512, "avx512", cpu_rows() == &rows_avx512);
#endif
	return done_testing();
}
