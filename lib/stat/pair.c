/* pair: eight running sums, always the same eight, so that every vector width adds in the same
 * order; compiled so that no product is fused with a sum: by x - by x is 0. */
#include "lib/stat/pair.h"
#include "kernels/cpu/near.h"

#include <math.h>
#include <string.h>

/* One body, compiled several times and chosen when the program is loaded: before the sanitizers are
 * up, and by a name that clang 14 does not link. */
#if defined __x86_64__ && defined __linux__ && !defined __clang__ && !defined __SANITIZE_ADDRESS__
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

enum { LANES = 8, FEW = LANES / 2, ROUND_LANES = 16 };

/* Where the compiler finds no vectors by itself.  WIDEN: floats in double. */
typedef double few __attribute__((vector_size(FEW * sizeof(double))));
typedef float few_floats __attribute__((vector_size(FEW * sizeof(float))));
#define LOAD(type, from) (*(const type *)memcpy(&(type){ 0 }, from, sizeof(type)))
#define WIDEN(y, i) __builtin_convertvector(LOAD(few_floats, (y) + (i)), few)

static double sum8(const double *s)
{
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

WIDE void pair_scale(float *x, int n, double by)
{
	for (int i = 0; i < n; i++) x[i] = (float)((double)x[i] * by);
}

WIDE void pair_add(double *sum, const float *x, int n)
{
	for (int i = 0; i < n; i++) sum[i] += (double)x[i];
}

WIDE double pair_square(const float *x, int n)
{
	double s[LANES] = { 0 };
	int i = 0;

	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) s[l] += (double)x[i + l] * (double)x[i + l];
	for (int l = 0; i < n; i++, l++) s[l] += (double)x[i] * (double)x[i];
	return sum8(s);
}

WIDE double pair_dot(const double *x, const double *y, int n)
{
	double s[LANES] = { 0 };
	int i = 0;

	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) s[l] += x[i + l] * y[i + l];
	for (int l = 0; i < n; i++, l++) s[l] += x[i] * y[i];
	return sum8(s);
}

WIDE void pair_widen(double *to, const float *x, int n, double by)
{
	for (int i = 0; i < n; i++) to[i] = (double)x[i] * by;
}

WIDE double pair_distance2(const double *x, const double *y, int n)
{
	double s[LANES] = { 0 };
	int i = 0;

	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++)
			s[l] += (x[i + l] - y[i + l]) * (x[i + l] - y[i + l]);
	for (int l = 0; i < n; i++, l++) s[l] += (x[i] - y[i]) * (x[i] - y[i]);
	return sum8(s);
}

WIDE double pair_apart2(const double *x, const float *y, int n, double by, const float *y_next)
{
	few low = { 0 }, high = { 0 };
	double s[LANES];
	int i = 0;

	for (; i + LANES <= n; i += LANES) {
		few d = LOAD(few, x + i) - WIDEN(y, i) * by;
		few e = LOAD(few, x + i + FEW) - WIDEN(y, i + FEW) * by;
		low += d * d;
		high += e * e;
		__builtin_prefetch(y_next + i);
	}
	memcpy(s, &low, sizeof low);
	memcpy(s + FEW, &high, sizeof high);
	for (int l = 0; i < n; i++, l++) {
		double d = x[i] - (double)y[i] * by;
		s[l] += d * d;
	}
	return sum8(s);
}

WIDE double pair_along(const double *x, const float *y, int n, const float *y_next)
{
	few low = { 0 }, high = { 0 };
	double s[LANES];
	int i = 0;

	for (; i + LANES <= n; i += LANES) {
		low += LOAD(few, x + i) * WIDEN(y, i);
		high += LOAD(few, x + i + FEW) * WIDEN(y, i + FEW);
		__builtin_prefetch(y_next + i);
	}
	memcpy(s, &low, sizeof low);
	memcpy(s + FEW, &high, sizeof high);
	for (int l = 0; i < n; i++, l++) s[l] += x[i] * (double)y[i];
	return sum8(s);
}

static inline void centre_few(const float *x, const double *mean, double by, int n, float *to,
	double *square, double *dot)
{
	for (int l = 0; l < n; l++) {
		double d = (double)x[l] * by - mean[l];
		square[l] += d * d;
		dot[l] += d * mean[l];
		to[l] = (float)d;
	}
}

WIDE double pair_centre(const float *restrict x, const double *restrict mean, double by, int n,
	float *restrict to, double *dot)
{
	double s[LANES] = { 0 }, t[LANES] = { 0 };
	int i = 0;

	for (; i + LANES <= n; i += LANES) centre_few(x + i, mean + i, by, LANES, to + i, s, t);
	centre_few(x + i, mean + i, by, n - i, to + i, s, t);
	*dot = sum8(t);
	return sum8(s);
}

WIDE float pair_most(const float *x, int n)
{
	float most[ROUND_LANES] = { 0 };
	int i = 0;

	for (; i + ROUND_LANES <= n; i += ROUND_LANES)
		for (int l = 0; l < ROUND_LANES; l++) {
			float v = fabsf(x[i + l]);
			most[l] = v > most[l] ? v : most[l];
		}
	for (int l = 0; l < ROUND_LANES; l++) most[0] = most[l] > most[0] ? most[l] : most[0];
	for (; i < n; i++) most[0] = fabsf(x[i]) > most[0] ? fabsf(x[i]) : most[0];
	return most[0];
}

/* Adding and taking away 1.5 * 2^23 rounds to a whole number. */
static inline void round_few(const float *x, int n, float step, float inverse, int8_t *high,
	uint8_t *low, float *high_lost, float *both_lost)
{
	const float whole = 0x1.8p23f;

	for (int l = 0; l < n; l++) {
		float q = x[l] * inverse + whole - whole;
		int f = (int)q + NEAR_LOW / 2, h = f >> 8;
		float lost = x[l] - (float)h * (step * NEAR_LOW);
		high[l] = (int8_t)h;
		low[l] = (uint8_t)f;
		high_lost[l] += lost * lost;
		both_lost[l] += (x[l] - q * step) * (x[l] - q * step);
	}
}

WIDE void pair_round(const float *restrict x, int n, float step, int8_t *restrict high,
	uint8_t *restrict low, float lost[2])
{
	float one[ROUND_LANES] = { 0 }, both[ROUND_LANES] = { 0 }, inverse = 1 / step;
	int i = 0;

	for (; i + ROUND_LANES <= n; i += ROUND_LANES)
		round_few(x + i, ROUND_LANES, step, inverse, high + i, low + i, one, both);
	round_few(x + i, n - i, step, inverse, high + i, low + i, one, both);
	lost[0] = lost[1] = 0;
	for (int l = 0; l < ROUND_LANES; l++) {
		lost[0] += one[l];
		lost[1] += both[l];
	}
}
