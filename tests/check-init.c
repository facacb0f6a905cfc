/* check-init: random orthonormal rows against Gram and Schmidt on the same draws, and for any
 * number of threads. */
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/rng.h"
#include "lib/tape/ortho.h"
#include "tests/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double dot(const double *a, const double *b, int n)
{
	double sum = 0;

	for (int i = 0; i < n; i++) sum += a[i] * b[i];
	return sum;
}

/* Twice is enough (Giraud et al. 2005). */
static void gram_schmidt(double *v, int k, int n, uint64_t seed, uint64_t stream)
{
	struct rng r = rng_at(seed, stream);

	for (int64_t i = 0; i < (int64_t)k * n; i++) v[i] = rng_normal(&r);
	for (int i = 0; i < k; i++) {
		double *row = v + (int64_t)i * n;
		for (int pass = 0; pass < 2; pass++)
			for (int j = 0; j < i; j++) {
				const double *other = v + (int64_t)j * n;
				double along = dot(row, other, n);
				for (int c = 0; c < n; c++) row[c] -= along * other[c];
			}
		double part = 1 / sqrt(dot(row, row, n));
		for (int c = 0; c < n; c++) row[c] *= part;
	}
}

static void check(int k, int n)
{
	size_t count = (size_t)k * (size_t)n;
	double *a = mem_new(count, sizeof *a), *b = mem_new(count, sizeof *b);
	double *one = mem_new(count, sizeof *one), apart = 0, skew = 0;

	par_set_threads(2);
	int bad = ortho_random(a, k, n, 7, 0x1234567890ULL);
	par_set_threads(1);
	bad = bad || ortho_random(one, k, n, 7, 0x1234567890ULL);
	ok(!bad && !memcmp(a, one, count * sizeof *a),
		"%d rows of %d: the same bytes from one thread and from two", k, n);
	gram_schmidt(b, k, n, 7, 0x1234567890ULL);
	for (size_t i = 0; i < count; i++) apart = fmax(apart, fabs(a[i] - b[i]));
	for (int i = 0; i < k; i++)
		for (int j = 0; j <= i; j++) {
			double along = dot(a + (int64_t)i * n, a + (int64_t)j * n, n);
			skew = fmax(skew, fabs(along - (i == j)));
		}
	ok(skew < 1e-13, "orthonormal: %.1e", skew);
	ok(apart < 1e-9, "the rows of Gram and Schmidt: %.1e", apart);
	free(a);
	free(b);
	free(one);
}

int main(void)
{
	static const int shape[][2] = { { 1, 1 },   { 1, 40 },    { 3, 3 },     { 64, 64 },
					{ 30, 70 }, { 200, 391 }, { 260, 260 }, { 193, 2000 } };

	for (size_t i = 0; i < LEN(shape); i++) check(shape[i][0], shape[i][1]);
	return done_testing();
}
