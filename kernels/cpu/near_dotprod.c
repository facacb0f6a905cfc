/* near_dotprod: the loops for arm64 with its dot products: sixteen products of bytes an
 * instruction. */
#include "kernels/cpu/near.h"

#include <arm_neon.h>

enum { COLUMNS = 8 };                            /* of a block, in two vectors of sums */

/* Left values without their 128 too many. */
static inline int8x16_t signed_of(uint8x16_t left)
{
	return vreinterpretq_s8_u8(veorq_u8(left, vdupq_n_u8(128)));
}

/* One left group by COLUMNS rows of a right one: 28 sums in registers.  A lane of x is four columns
 * of one of four rows. */
static void block(const uint8_t *left, const int8_t *right, int width, int32_t *c, ptrdiff_t ldc)
{
	int32x4_t s[NEAR_LEFT][2];

#pragma GCC unroll 14
	for (int i = 0; i < NEAR_LEFT; i++) s[i][0] = s[i][1] = vdupq_n_s32(0);
	for (int t = 0; t < width; t += 4, left += 4 * NEAR_LEFT, right += 4 * NEAR_RIGHT) {
		int8x16_t y0 = vld1q_s8(right), y1 = vld1q_s8(right + 16), x;

#define ROW(i, lane) \
	s[i][0] = vdotq_laneq_s32(s[i][0], y0, x, lane), \
	s[i][1] = vdotq_laneq_s32(s[i][1], y1, x, lane)
		x = signed_of(vld1q_u8(left));
		ROW(0, 0), ROW(1, 1), ROW(2, 2), ROW(3, 3);
		x = signed_of(vld1q_u8(left + 16));
		ROW(4, 0), ROW(5, 1), ROW(6, 2), ROW(7, 3);
		x = signed_of(vld1q_u8(left + 32));
		ROW(8, 0), ROW(9, 1), ROW(10, 2), ROW(11, 3);
		x = signed_of(vcombine_u8(vld1_u8(left + 48), vdup_n_u8(0)));
		ROW(12, 0), ROW(13, 1);
#undef ROW
	}
#pragma GCC unroll 14
	for (int i = 0; i < NEAR_LEFT; i++) {
		vst1q_s32(c + i * ldc, s[i][0]);
		vst1q_s32(c + i * ldc + 4, s[i][1]);
	}
}

static void products(const uint8_t *left, int m, const int8_t *right, const int32_t *sum, int n,
	int width, int32_t *c, ptrdiff_t ldc, const int8_t *ahead, size_t bytes)
{
	(void)sum, (void)ahead, (void)bytes;
	for (int j = 0; j < n; j += NEAR_RIGHT)
		for (int i = 0; i < m; i += NEAR_LEFT)
			for (int k = 0; k < NEAR_RIGHT; k += COLUMNS)
				block(left + (size_t)i * (size_t)width,
					right + (size_t)j * (size_t)width + 4 * k, width,
					c + i * ldc + j + k, ldc);
}

/* Four sums hide the latency of the additions. */
static int32_t dot(const uint8_t *low, const int8_t *high, int width)
{
	int32x4_t s[4] = { 0 };

	for (int t = 0; t < width; t += 64)
#pragma GCC unroll 4
		for (int k = 0; k < 4; k++)
			s[k] = vdotq_s32(s[k], signed_of(vld1q_u8(low + t + 16 * k)),
				vld1q_s8(high + t + 16 * k));
	return vaddvq_s32((s[0] + s[1]) + (s[2] + s[3]));
}

static void dots(struct near_pair *pair, int n, int width)
{
	for (int i = 0; i < n; i++) pair[i].dot = dot(pair[i].low, pair[i].high, width);
}

#include "kernels/cpu/near.inc"

const struct near_set near_dotprod = {
	.name = "dotprod", .products = products, .dots = dots, .scan = scan
};
