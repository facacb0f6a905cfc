/* check-rows: the vector loops of each instruction set this CPU has, against ref, over floats of
 * all sizes. */
#include "kernels/cpu/rows.h"
#include "lib/base/rng.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

enum { STEP = 65521, COUNT = (int)(0x100000000 / STEP) };   /* a prime step through all patterns */

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
	case OP_tanh: case OP_sigmoid: case OP_softplus: case OP_erf: return 2;
	default: return 0;
	}
}

static void check_op(struct backend *ref, const struct rows *r, const char *set, enum op op)
{
	struct shape s = { { 1, 1, 1, COUNT } };
	struct view in[2] = { { .p = a, .s = s }, { .p = b, .s = s } };
	bool clamps = op == OP_clamp || op == OP_clamp_g;
	struct attr at = { .f = { clamps ? -0.5f : 0.25f, op == OP_scale ? 0 : 3 } };

	ref->op[op](ref, (struct view){ .p = want, .s = s }, in, &at);
	got[COUNT] = 42;
	r->ew[op](got, a, b, COUNT, at.f[0], at.f[1]);
	double off = worst_ulps(COUNT);
	ok(off <= allowed(op) && got[COUNT] == 42, "%s %s: off by %.3f ulp of %g", set, op_name[op],
	   off, allowed(op));
	memset(got, 0, sizeof got);
	for (size_t n = 0, i = 0; i + n <= 1000; i += n++)
		r->ew[op](got + i, a + i, b + i, n, at.f[0], at.f[1]);
	ok(worst_ulps(900) <= allowed(op), "%s %s: in parts of all lengths", set, op_name[op]);
}

/* Down column `at` of x[rows][width]: the sum of (x - from)^power. */
static double down(const float *x, double from, int power, size_t rows, size_t width, size_t at)
{
	double sum = 0;

	for (size_t i = 0; i < rows; i++) sum += pow((double)x[i * width + at] - from, power);
	return sum;
}

enum { ROWS = 50, WIDTH = 83 };

static void check_down(const struct rows *r, const char *set, const float *x, const float *from)
{
	static float sum[WIDTH], first[WIDTH], second[WIDTH];
	double off = 0;

	memset(sum, 0, sizeof sum);
	memset(first, 0, sizeof first);
	memset(second, 0, sizeof second);
	r->sum_down(sum, x, ROWS, WIDTH);
	r->spread_down(first, second, x, from, ROWS, WIDTH);
	for (size_t i = 0; i < WIDTH; i++) {
		off = fmax(off, fabs((double)sum[i] - down(x, 0, 1, ROWS, WIDTH, i)));
		double origin = (double)from[i];
		off = fmax(off, fabs((double)first[i] - down(x, origin, 1, ROWS, WIDTH, i)));
		off = fmax(off, fabs((double)second[i] - down(x, origin, 2, ROWS, WIDTH, i)));
	}
	is_near(off, 0, 2e-4, "%s sums down", set);
}

static void check_sums(const struct rows *r, const char *set)
{
	static float x[ROWS * WIDTH], y[WIDTH];
	struct rng g = rng_at(1, 2);
	double all = 0, off = 0;

	for (size_t i = 0; i < ROWS * WIDTH; i++) {
		x[i] = (float)rng_normal(&g) + 1;
		all += (double)x[i];
	}
	is_near(r->sum(x, ROWS * WIDTH), all, 1e-3, "%s sum", set);
	check_down(r, set, x, x + 5 * WIDTH);
	r->blend(y, (const float *const[]){ x, x + WIDTH }, (const float[]){ 0.5f, -2 }, 2, WIDTH);
	for (size_t i = 0; i < WIDTH; i++) {
		double want = 0.5 * (double)x[i] - 2 * (double)x[WIDTH + i];
		off = fmax(off, fabs((double)y[i] - want));
	}
	is_near(off, 0, 1e-6, "%s blend", set);
	r->softmax(y, x, WIDTH);
	is_near(r->sum(y, WIDTH), 1, 1e-6, "%s softmax adds to 1", set);
	off = (double)y[1] / (double)y[0] - exp((double)x[1] - (double)x[0]);
	is_near(off, 0, 1e-5, "%s softmax", set);
	r->softmax(y, x, 1);
	ok(y[0] == 1, "%s softmax of one", set);
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
	check_table(&rows_avx2, "avx2",
		    __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
	check_table(&rows_avx512, "avx512", cpu_rows() == &rows_avx512);
#endif
	return done_testing();
}
