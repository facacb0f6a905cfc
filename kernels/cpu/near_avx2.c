/* near_avx2: the loops for AVX2, which multiplies pairs of bytes only by unsigned ones: |y| times x
 * with y's sign. */
#include "kernels/cpu/near.h"

#include <immintrin.h>
#include <string.h>

enum { ROWS = 2, VECTORS = NEAR_RIGHT / 8 };

/* ROWS rows of a left group by one right group; 127 * 127 * 2 fits the 16 bits that maddubs adds
 * in. */
static void block(const uint8_t *left, const int8_t *right, int width, int32_t *c, ptrdiff_t ldc)
{
	const __m256i ones = _mm256_set1_epi16(1), bias = _mm256_set1_epi8(-128);
	__m256i s[ROWS][VECTORS];

	for (int i = 0; i < ROWS * VECTORS; i++)
		s[i / VECTORS][i % VECTORS] = _mm256_setzero_si256();
	for (int t = 0; t < width; t += 4, left += 4 * NEAR_LEFT, right += 4 * NEAR_RIGHT)
		for (int i = 0; i < ROWS; i++) {
			int32_t four;
			memcpy(&four, left + 4 * i, sizeof four);
			__m256i x = _mm256_xor_si256(_mm256_set1_epi32(four), bias);
			for (int v = 0; v < VECTORS; v++) {
				__m256i y = _mm256_loadu_si256((const __m256i *)(right + 32 * v));
				__m256i p = _mm256_maddubs_epi16(
					_mm256_abs_epi8(y), _mm256_sign_epi8(x, y));
				s[i][v] = _mm256_add_epi32(s[i][v], _mm256_madd_epi16(p, ones));
			}
		}
	for (int i = 0; i < ROWS; i++)
		for (int v = 0; v < VECTORS; v++)
			_mm256_storeu_si256((__m256i *)(c + i * ldc + 8 * v), s[i][v]);
}

static void products(const uint8_t *left, int m, const int8_t *right, const int32_t *sum, int n,
	int width, int32_t *c, ptrdiff_t ldc, const int8_t *ahead, size_t bytes)
{
	(void)sum, (void)ahead, (void)bytes;
	for (int j = 0; j < n; j += NEAR_RIGHT)
		for (int i = 0; i < m; i += ROWS) {
			int group = i / NEAR_LEFT * NEAR_LEFT;
			block(left + (size_t)group * (size_t)width + 4 * (i - group),
				right + (size_t)j * (size_t)width, width, c + i * ldc + j, ldc);
		}
}

/* 128 * 127 * 2 fits the 16 bits, too. */
static int32_t dot(const uint8_t *low, const int8_t *high, int width)
{
	const __m256i ones = _mm256_set1_epi16(1), bias = _mm256_set1_epi8(-128);
	__m256i s = _mm256_setzero_si256();
	int32_t lane[8], sum = 0;

	for (int t = 0; t < width; t += 32) {
		__m256i x = _mm256_xor_si256(
			_mm256_loadu_si256((const __m256i *)(low + t)), bias);
		__m256i y = _mm256_loadu_si256((const __m256i *)(high + t));
		__m256i p = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(y, x));
		s = _mm256_add_epi32(s, _mm256_madd_epi16(p, ones));
	}
	_mm256_storeu_si256((__m256i *)lane, s);
	for (int i = 0; i < 8; i++) sum += lane[i];
	return sum;
}

static void dots(struct near_pair *pair, int n, int width)
{
	for (int i = 0; i < n; i++) pair[i].dot = dot(pair[i].low, pair[i].high, width);
}

#include "kernels/cpu/near.inc"

const struct near_set near_avx2 = {
	.name = "avx2", .products = products, .dots = dots, .scan = scan
};
