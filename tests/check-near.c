/* check-near: the integer loops of every instruction set of this CPU against the plain ones. */
#include "kernels/cpu/near.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "tests/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { M = 2 * NEAR_LEFT, N = 3 * NEAR_RIGHT, WIDE = 4160 };

/* The extremes now and then, whose products would be the first to overflow. */
static int value(struct rng *r, int most)
{
	uint32_t kind = rng_below(r, 4);
	return kind == 0    ? most
		: kind == 1 ? -most
			    : (int)rng_below(r, 2 * (uint32_t)most + 1) - most;
}

static void check_products(const struct near_set *near, int width, bool extreme)
{
	uint8_t *left = mem_big(M, (size_t)width, "left");
	int8_t *right = mem_big(N, (size_t)width, "right");
	int32_t sum[N] = { 0 }, want[M * N], got[M * (N + 1)];
	struct rng r = rng_at(1, (uint64_t)width);
	int bad = 0;

	for (int i = 0; i < M * width; i++)
		left[i] = (uint8_t)(128 + (extreme ? 127 : value(&r, 127)));
	for (int i = 0; i < N * width; i++) right[i] = (int8_t)(extreme ? -127 : value(&r, 127));
	for (int i = 0; i < N * width; i++)
		sum[i / (NEAR_RIGHT * width) * NEAR_RIGHT + i / 4 % NEAR_RIGHT] += right[i];
	near_base.products(left, M, right, sum, N, width, want, N, right, 0);
	near->products(left, M, right, sum, N, width, got, N + 1, right, 3 * (size_t)N * 64);
	for (int i = 0; i < M; i++)
		bad += memcmp(want + i * N, got + i * (N + 1), N * sizeof *want) != 0;
	ok(!bad, "%s: products of bytes, width %d%s", near->name, width,
		extreme ? ", all extreme" : "");
	ok(!extreme || want[0] == -127 * 127 * width, "%s: their value, width %d", near->name,
		width);
	free(left);
	free(right);
}

/* Pairs of some rows, in any order, and how many there are must not matter. */
static void check_dots(const struct near_set *near, int width, int n)
{
	enum { ROWS = 5 };
	uint8_t *low = mem_big(ROWS, (size_t)width, "low bytes");
	int8_t *high = mem_big(ROWS, (size_t)width, "high bytes");
	int32_t sum[ROWS] = { 0 };
	struct near_pair *want = mem_new((size_t)n + 1, sizeof *want);
	struct near_pair *got = mem_new((size_t)n + 1, sizeof *got);
	struct rng r = rng_at(2, (uint64_t)(width + n));
	int bad = 0;

	for (int i = 0; i < ROWS * width; i++) {
		low[i] = (uint8_t)(128 + (i < width ? -128 : value(&r, 127)));
		high[i] = (int8_t)(i < width ? -127 : value(&r, 127));
		sum[i / width] += high[i];
	}
	for (int i = 0; i <= n; i++) {
		int x = i ? (int)rng_below(&r, ROWS) : 0, y = i ? (int)rng_below(&r, ROWS) : 0;
		want[i] = got[i] = (struct near_pair){ low + x * width, high + y * width, sum[y],
			-7 };
	}
	near_base.dots(want, n, width);
	near->dots(got, n, width);
	for (int i = 0; i < n; i++) bad += want[i].dot != got[i].dot;
	ok(!bad && got[n].dot == -7, "%s: %d dots, width %d", near->name, n, width);
	ok(got[0].dot == 128 * 127 * width, "%s: a dot of extremes, width %d", near->name, width);
	free(low);
	free(high);
	free(want);
	free(got);
}

/* Every row within the bound is found, in order, and none that is far outside. */
static void check_scan(const struct near_set *near, int n)
{
	float p[5][N];
	int32_t c[N];
	uint32_t hit[N];
	struct rng r = rng_at(3, (uint64_t)n);
	int bad = 0, h = 0;
	struct near_row x = { .01f, 3, .02f, -.5f, 1 };
	struct near_rows y = { p[0], p[1], p[2], p[3], p[4] };

	for (int j = 0; j < N; j++) {
		c[j] = (int)rng_below(&r, 20001) - 10000;
		for (int i = 0; i < 5; i++)
			p[i][j] = (float)rng_uniform(&r) * (i == 2 ? .02f : i == 0 ? .05f : 1);
	}
	int found = near->scan(c, n, &x, &y, hit);
	for (int j = 0; j < n; j++) {
		double v = (double)c[j] * (double)x.step * (double)p[0][j] +
			(double)x.norm * (double)p[2][j] + (double)x.rest * (double)p[1][j];
		double left = v + (double)p[3][j] - (double)x.floor,
		       right = v + (double)x.bias - (double)p[4][j];
		uint32_t is = h < found && (int)(hit[h] >> 2) == j ? hit[h++] & 3 : 0;
		bad += (fabs(left) > 1e-5 && (is & 1) != (left > 0)) ||
			(fabs(right) > 1e-5 && is >> 1 != (right > 0));
	}
	ok(!bad && h == found && h > 0 && h < n, "%s: a scan of %d finds %d", near->name, n, found);
}

static void check(const struct near_set *near)
{
	static const int widths[] = { 64, 128, 192, 320, 2048, 2112, WIDE };

	for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
		check_products(near, widths[i], false);
		check_dots(near, widths[i], 1 + (int)i);
	}
	check_products(near, WIDE, true);
	check_dots(near, 1 << 17, 4);
	check_scan(near, N);
	check_scan(near, N - 5);
}

int main(void)
{
	check(&near_base);
#ifdef __x86_64__
	if (near_best() != &near_base) check(&near_avx2);
	if (near_best() == &near_avx512vnni) check(&near_avx512vnni);
#elif defined __aarch64__
	if (near_best() != &near_base) check(&near_dotprod);
#endif
	return done_testing();
}
