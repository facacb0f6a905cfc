/* near_base: the loops in plain C: the definition. */
#include "kernels/cpu/near.h"

/* Row i of a left operand, at column t. */
static int left_at(const uint8_t *left, int i, int t, int width)
{
	const uint8_t *group = left + (size_t)(i / NEAR_LEFT) * NEAR_LEFT * (size_t)width;
	return group[(t / 4 * NEAR_LEFT + i % NEAR_LEFT) * 4 + t % 4] - 128;
}

static int right_at(const int8_t *right, int j, int t, int width)
{
	const int8_t *group = right + (size_t)(j / NEAR_RIGHT) * NEAR_RIGHT * (size_t)width;
	return group[(t / 4 * NEAR_RIGHT + j % NEAR_RIGHT) * 4 + t % 4];
}

static void products(const uint8_t *left, int m, const int8_t *right, const int32_t *sum, int n,
	int width, int32_t *c, ptrdiff_t ldc)
{
	(void)sum;
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++) {
			int32_t s = 0;
			for (int t = 0; t < width; t++)
				s += left_at(left, i, t, width) * right_at(right, j, t, width);
			c[i * ldc + j] = s;
		}
}

static int64_t dot(const int16_t *x, const int16_t *y, int width)
{
	int64_t s = 0;

	for (int t = 0; t < width; t++) s += (int32_t)x[t] * y[t];
	return s;
}

#define NEAR near_base
#define NAME "plain"
#include "kernels/cpu/near.inc"
