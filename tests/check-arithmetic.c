/* check-arithmetic: what kernels compute without an instruction of their own for it: division by
 * multiplying, rounding to bf16. */
#include "kernels/cuda/place.h"
#include "tests/tap.h"

struct host_place host_at;

/* Around multiples of d, and at both ends. */
static int divided_by(unsigned d)
{
	struct divisor by = make_divisor(d);
	unsigned most = INT32_MAX / d * d;
	unsigned edge[] = { 0, d - 1, d, 2 * d - 1, most - 1, most, INT32_MAX - 1, INT32_MAX };
	int right = 1;

	for (unsigned i = 0; i < 2000; i++) {
		unsigned n = i < sizeof edge / sizeof *edge ? edge[i] : i * 2654435761u, rest;
		n &= INT32_MAX, rest = n;
		right &= divide(&rest, &by) == n / d && rest == n % d;
	}
	return right;
}

static void check_divide(void)
{
	int right = 1;

	for (unsigned d = 1; d < 3000; d++) right &= divided_by(d);
	for (int bit = 0; bit < 31; bit++)
		for (unsigned d = (1u << bit) - !!bit; d <= (1u << bit) + 1; d++)
			right &= divided_by(d);
	ok(right, "n / d and its rest, of any 31 bits");
}

/* Where a step of a strided convolution lands. */
static void check_strides(void)
{
	int right = 1;

	for (int stride = 1; stride < 20; stride++) {
		unsigned d = (unsigned)stride;
		struct gemm g = { .stride = stride, .per_stride = ((1u << 31) + d - 1) / d };
		for (int n = -40; n < 70000; n++) {
			int at = n;
			bool whole = divides(&g, &at);
			if (n < 0) right &= !whole || at < 0 || at > 100000;
			else right &= at == n / stride && whole == (n % stride == 0);
		}
	}
	ok(right, "pixels by strides; a negative one is outside");
}

static void check_rounding(void)
{
	static const uint32_t low[] = { 0, 1, 0x7fff, 0x8000, 0x8001, 0xffff };
	int right = 1;

	for (uint32_t high = 0; high < 0x10000; high++)
		for (int i = 0; i < 6; i++) {
			float x = bits_float(high << 16 | low[i]), back = from_bf16(round_bf16(x));
			uint32_t up = low[i] > 0x8000 || (low[i] == 0x8000 && high & 1);
			if (x != x) right &= back != back;
			else right &= round_bf16(x) == high + up;
			right &= round_two(x, 1) == (round_bf16(x) | 0x3f800000u);
			right &= round_two(1, x) == (round_bf16(x) << 16 | 0x3f80u);
		}
	ok(right, "to the nearest of bf16, ties to even; infinity and NaN stay");
}

int main(void)
{
	check_divide();
	check_strides();
	check_rounding();
	return done_testing();
}
