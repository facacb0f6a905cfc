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
	int width, int32_t *c, ptrdiff_t ldc, const int8_t *ahead, size_t bytes)
{
	(void)sum, (void)ahead, (void)bytes;
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++) {
			int32_t s = 0;
			for (int t = 0; t < width; t++)
				s += left_at(left, i, t, width) * right_at(right, j, t, width);
			c[i * ldc + j] = s;
		}
}

static void dots(struct near_pair *pair, int n, int width)
{
	for (struct near_pair *p = pair; p < pair + n; p++) {
		p->dot = 0;
		for (int t = 0; t < width; t++) p->dot += (p->low[t] - 128) * p->high[t];
	}
}

#include "kernels/cpu/near.inc"

const struct near_set near_base = {
	.name = "plain", .products = products, .dots = dots, .scan = scan
};
