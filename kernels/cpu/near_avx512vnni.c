/* near_avx512vnni: the loops for AVX-512 with VNNI: four products of bytes a lane and
 * instruction. */
#include "kernels/cpu/near.h"

#include <immintrin.h>
#include <string.h>

static inline __m512i four(const uint8_t *left)
{
	int32_t four;
	memcpy(&four, left, sizeof four);
	return _mm512_set1_epi32(four);
}

/* One group by one group: 28 sums in registers.  The 128 too many in each left value are taken off
 * at the start. */
static void block(const uint8_t *left, const int8_t *right, const int32_t *sum, int width,
	int32_t *c, ptrdiff_t ldc)
{
	const __m512i off0 = _mm512_mullo_epi32(_mm512_loadu_si512(sum), _mm512_set1_epi32(-128));
	const __m512i off1 =
		_mm512_mullo_epi32(_mm512_loadu_si512(sum + 16), _mm512_set1_epi32(-128));
	__m512i s[NEAR_LEFT][2];

#pragma GCC unroll 14
	for (int i = 0; i < NEAR_LEFT; i++) {
		s[i][0] = off0;
		s[i][1] = off1;
	}
	for (int t = 0; t < width; t += 4, left += 4 * NEAR_LEFT, right += 4 * NEAR_RIGHT) {
		__m512i y0 = _mm512_loadu_si512(right), y1 = _mm512_loadu_si512(right + 64);
#pragma GCC unroll 14
		for (int i = 0; i < NEAR_LEFT; i++) {
			__m512i x = four(left + 4 * i);
			s[i][0] = _mm512_dpbusd_epi32(s[i][0], x, y0);
			s[i][1] = _mm512_dpbusd_epi32(s[i][1], x, y1);
		}
	}
#pragma GCC unroll 14
	for (int i = 0; i < NEAR_LEFT; i++) {
		_mm512_storeu_si512(c + i * ldc, s[i][0]);
		_mm512_storeu_si512(c + i * ldc + 16, s[i][1]);
	}
}

static void products(const uint8_t *left, int m, const int8_t *right, const int32_t *sum, int n,
	int width, int32_t *c, ptrdiff_t ldc)
{
	for (int j = 0; j < n; j += NEAR_RIGHT)
		for (int i = 0; i < m; i += NEAR_LEFT)
			block(left + (size_t)i * (size_t)width, right + (size_t)j * (size_t)width,
				sum + j, width, c + i * ldc + j, ldc);
}

/* 2048 columns are 32 products a lane of each sum, of at most 2^26 each: they fit. */
static int64_t dot(const int16_t *x, const int16_t *y, int width)
{
	enum { CHUNK = 2048 };
	int64_t total = 0;

	for (int from = 0; from < width; from += CHUNK) {
		int end = width - from < CHUNK ? width : from + CHUNK, t = from;
		__m512i s[4] = { _mm512_setzero_si512(), s[0], s[0], s[0] };
		for (; t + 128 <= end; t += 128)
#pragma GCC unroll 4
			for (int i = 0; i < 4; i++)
				s[i] = _mm512_dpwssd_epi32(s[i], _mm512_loadu_si512(x + t + 32 * i),
					_mm512_loadu_si512(y + t + 32 * i));
		for (int i = 0; t < end; t += 32, i++)
			s[i] = _mm512_dpwssd_epi32(
				s[i], _mm512_loadu_si512(x + t), _mm512_loadu_si512(y + t));
		for (int i = 0; i < 4; i++) {
			__m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(s[i]));
			__m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(s[i], 1));
			total += _mm512_reduce_add_epi64(_mm512_add_epi64(low, high));
		}
	}
	return total;
}

#define NEAR near_avx512vnni
#define NAME "avx512vnni"
#include "kernels/cpu/near.inc"
