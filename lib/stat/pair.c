/* pair: eight running sums, always the same eight, so that every vector width adds in the same order. */
#include "lib/stat/pair.h"

/* One body, compiled several times and chosen when the program is loaded: before the sanitizers are up, and by a
 * name that clang 14 does not link. */
#if defined __x86_64__ && defined __linux__ && !defined __clang__ && !defined __SANITIZE_ADDRESS__
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

enum { LANES = 8, CHUNK = 64 };

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

/* Apart from the difference that follows, or that would be fused with one of the products: x - x must be 0. */
WIDE void pair_widen(double *to, const float *x, int n, double by)
{
	for (int i = 0; i < n; i++) to[i] = (double)x[i] * by;
}

WIDE double pair_distance2(const double *x, const double *y, int n)
{
	double s[LANES] = { 0 };
	int i = 0;

	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) s[l] += (x[i + l] - y[i + l]) * (x[i + l] - y[i + l]);
	for (int l = 0; i < n; i++, l++) s[l] += (x[i] - y[i]) * (x[i] - y[i]);
	return sum8(s);
}

WIDE int pair_reach(const float *s, int from, int n, float threshold)
{
	int i = from;

	for (; i + CHUNK <= n; i += CHUNK) {
		int any = 0;
		for (int j = 0; j < CHUNK; j++) any |= s[i + j] >= threshold;
		if (any) break;
	}
	while (i < n && !(s[i] >= threshold)) i++;
	return i;
}
