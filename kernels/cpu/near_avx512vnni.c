/* near_avx512vnni: the loops for AVX-512 with VNNI: four products of bytes a lane and
 * instruction. */
#include "kernels/cpu/near.h"

#include <immintrin.h>
#include <string.h>

enum { DOTS = 4 };                               /* pairs at once */
enum { AHEAD = 8 };                              /* cache lines in NEAR_DEEP columns at most */

static inline __m512i four(const uint8_t *left)
{
	int32_t four;
	memcpy(&four, left, sizeof four);
	return _mm512_set1_epi32(four);
}

/* One group by one group: 28 sums in registers.  The 128 too many in each left value are taken off
 * at the start.  `each` cache lines ahead are fetched for every NEAR_DEEP columns. */
static void block(const uint8_t *left, const int8_t *right, const int32_t *sum, int width,
	int32_t *c, ptrdiff_t ldc, const int8_t *ahead, int each)
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
		for (int i = 0; i < each && t % NEAR_DEEP == 0; i++, ahead += 64)
			_mm_prefetch(ahead, _MM_HINT_T1);
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
	int width, int32_t *c, ptrdiff_t ldc, const int8_t *ahead, size_t bytes)
{
	size_t blocks = (size_t)m / NEAR_LEFT * (size_t)n / NEAR_RIGHT;
	int each = (int)(bytes / (blocks * (size_t)width));

	each = each < AHEAD ? each : AHEAD;
	for (int j = 0; j < n; j += NEAR_RIGHT)
		for (int i = 0; i < m; i += NEAR_LEFT, ahead += each * width)
			block(left + (size_t)i * (size_t)width, right + (size_t)j * (size_t)width,
				sum + j, width, c + i * ldc + j, ldc, ahead, each);
}

/* Of each of four vectors the sum, by adding neighbours three times over. */
static inline __m128i sums(const __m512i s[DOTS])
{
	__m512i a = _mm512_add_epi32(
		_mm512_unpacklo_epi32(s[0], s[1]), _mm512_unpackhi_epi32(s[0], s[1]));
	__m512i b = _mm512_add_epi32(
		_mm512_unpacklo_epi32(s[2], s[3]), _mm512_unpackhi_epi32(s[2], s[3]));
	__m512i both = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
	__m256i half = _mm256_add_epi32(
		_mm512_castsi512_si256(both), _mm512_extracti64x4_epi64(both, 1));
	return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* Sums wrap, and the 128 too many in each low value bring them back. */
static void four_dots(struct near_pair *const p[DOTS], int width)
{
	__m512i s[DOTS];
	int32_t dot[DOTS];

	for (int i = 0; i < DOTS; i++) s[i] = _mm512_setzero_si512();
	for (int t = 0; t < width; t += 64)
#pragma GCC unroll 4
		for (int i = 0; i < DOTS; i++)
			s[i] = _mm512_dpbusd_epi32(s[i], _mm512_loadu_si512(p[i]->low + t),
				_mm512_loadu_si512(p[i]->high + t));
	_mm_storeu_si128((__m128i *)dot, sums(s));
	for (int i = 0; i < DOTS; i++)
		p[i]->dot = (int32_t)((uint32_t)dot[i] - 128 * (uint32_t)p[i]->sum);
}

static void dots(struct near_pair *pair, int n, int width)
{
	for (int i = 0; i < n; i += DOTS) {
		struct near_pair *p[DOTS];
		for (int l = 0; l < DOTS; l++) p[l] = pair + (i + l < n ? i + l : n - 1);
		four_dots(p, width);
	}
}

static int scan(const int32_t *c, int n, const struct near_row *x, const struct near_rows *y,
	uint32_t *hit)
{
	const __m512 step = _mm512_set1_ps(x->step), norm = _mm512_set1_ps(x->norm);
	const __m512 rest = _mm512_set1_ps(x->rest), bias = _mm512_set1_ps(x->bias);
	const __m512 floor = _mm512_set1_ps(x->floor);
	__m512i at = _mm512_setr_epi32(
		0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60);
	int hits = 0;

	for (int j = 0; j < n; j += 16, at = _mm512_add_epi32(at, _mm512_set1_epi32(64))) {
		__m512 by = _mm512_mul_ps(step, _mm512_loadu_ps(y->step + j));
		__m512 off = _mm512_fmadd_ps(norm, _mm512_loadu_ps(y->rest + j),
			_mm512_mul_ps(rest, _mm512_loadu_ps(y->norm + j)));
		__m512 v = _mm512_fmadd_ps(
			_mm512_cvtepi32_ps(_mm512_loadu_si512(c + j)), by, off);
		__mmask16 in = (__mmask16)(n - j < 16 ? (1 << (n - j)) - 1 : 0xffff);
		__mmask16 left = _mm512_mask_cmp_ps_mask(
			in, _mm512_add_ps(v, _mm512_loadu_ps(y->bias + j)), floor, _CMP_GE_OQ);
		__mmask16 right = _mm512_mask_cmp_ps_mask(
			in, _mm512_add_ps(v, bias), _mm512_loadu_ps(y->floor + j), _CMP_GE_OQ);
		__m512i code = _mm512_mask_add_epi32(at, left, at, _mm512_set1_epi32(1));
		code = _mm512_mask_add_epi32(code, right, code, _mm512_set1_epi32(2));
		_mm512_mask_compressstoreu_epi32(hit + hits, left | right, code);
		hits += __builtin_popcount(left | right);
	}
	return hits;
}

const struct near_set near_avx512vnni = {
	.name = "avx512vnni", .products = products, .dots = dots, .scan = scan
};
