/* kid: U = sum_{i /= j} k(x_i, x_j) / (m (m-1)) + sum_{i /= j} k(y_i, y_j) / (n (n-1))
 * - 2 sum_{i, j} k(x_i, y_j) / (m n).
 *
 * To first order U is the sum of what each row has to do with it,
 * h(x_i) = mean_{j /= i} k(x_i, x_j) - mean_j k(x_i, y_j) and likewise for y, hence the standard
 * error 2 (var h(x) / m + var h(y) / n)^(1/2).  Where both sets come from one distribution, h is
 * constant in the limit, and the error is of the order of what is left, 1 / m. */
#include "lib/stat/kid.h"
#include "lib/base/mem.h"
#include "lib/stat/tiles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* rows[i]: the sum of k(a_i, b_j) over j, over j /= i when both sets are the same; columns[j]: over
 * i.  Bands add to their own lines of `banded`, which are joined in order. */
struct sums { double *rows, *columns, (*banded)[TILES_SIDE]; bool same; };

static void add_tile(void *ctx, const struct tile *t)
{
	struct sums *s = ctx;
	double *column = s->banded[t->band];

	for (int i = 0; i < t->m; i++) {
		double sum = 0;
		for (int j = 0; j < t->n; j++) {
			double k = t->dot[(size_t)i * (size_t)t->n + (size_t)j] / t->width + 1;
			if (s->same && t->row + i == t->column + j) continue;
			sum += k * k * k;
			column[j] += k * k * k;
		}
		s->rows[t->row + i] += sum;
	}
}

/* Within one set the blocks on the diagonal have all their sums in the rows. */
static void join(void *ctx, int64_t row, int64_t column, int n)
{
	struct sums *s = ctx;

	for (int b = 0; b < TILES_BANDS && !(s->same && row == column); b++)
		for (int j = 0; j < n; j++) s->columns[column + j] += s->banded[b][j];
	memset(s->banded, 0, TILES_BANDS * sizeof *s->banded);
}

static int add_all(double *rows, double *columns, const struct knn_set *a, const struct knn_set *b,
	bool same)
{
	struct sums s = { rows, columns, mem_new(TILES_BANDS, sizeof *s.banded), same };
	int bad = tiles_run(&(struct tiles){ .a = a, .b = b, .half = same, .visit = add_tile,
		.join = join, .ctx = &s, .what = "kernel distance" });

	free(s.banded);
	return bad;
}

/* The mean of own / (n - 1) and of other / m over the n rows; the variance of their difference
 * over n. */
static void project(const double *own, const double *other, int64_t n, int64_t m, double *own_mean,
	double *other_mean, double *variance)
{
	double a = 0, b = 0, square = 0;

	for (int64_t i = 0; i < n; i++) {
		a += own[i] / (double)(n - 1);
		b += other[i] / (double)m;
	}
	a /= (double)n;
	b /= (double)n;
	for (int64_t i = 0; i < n; i++) {
		double h = own[i] / (double)(n - 1) - other[i] / (double)m - (a - b);
		square += h * h;
	}
	*own_mean = a;
	*other_mean = b;
	*variance = square / (double)(n - 1) / (double)n;
}

/* sums[4][..]: within x, x to y, within y, y to x. */
static void conclude(struct kid *k, double *const sums[4], int64_t m, int64_t n)
{
	double within[2], across[2], variance[2];

	project(sums[0], sums[1], m, n, &within[0], &across[0], &variance[0]);
	project(sums[2], sums[3], n, m, &within[1], &across[1], &variance[1]);
	k->value = within[0] + within[1] - 2 * across[0];
	k->error = 2 * sqrt(variance[0] + variance[1]);
}

int kid_distance(struct kid *k, const struct knn_set *x, const struct knn_set *y)
{
	double *sums[4];

	for (int i = 0; i < 4; i++)
		sums[i] = mem_new((size_t)(i < 2 ? x : y)->count, sizeof *sums[i]);
	int bad = add_all(sums[0], sums[0], x, x, true) ||
		add_all(sums[1], sums[3], x, y, false) ||
		add_all(sums[2], sums[2], y, y, true) ? -1 : 0;
	if (!bad) conclude(k, sums, x->count, y->count);
	for (int i = 0; i < 4; i++) free(sums[i]);
	return bad;
}
