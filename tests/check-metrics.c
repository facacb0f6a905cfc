/* check-metrics: standard errors, extrapolations, kernel distances, counts of balls and
 * Inception Scores against reference values (tests/golden/make/metrics.py; the rows of the
 * first are in stat.safetensors). */
#include "formats/safetensors.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/rng.h"
#include "lib/stat/influence.h"
#include "lib/stat/iscore.h"
#include "lib/stat/kid.h"
#include "lib/stat/prdc.h"
#include "lib/stat/stats.h"
#include "lib/stat/subset.h"
#include "lib/stat/tiles.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

static struct tensors golden, sets;

static const struct tensor *need(const struct tensors *file, const char *name, enum dtype type)
{
	const struct tensor *t = tensors_find(file, name);
	must(t && t->type == type);
	return t;
}

/* A copy of a tensor's elements, owned by the caller. */
static void *copy(const char *name, enum dtype type, int64_t *count)
{
	const struct tensor *t = need(&golden, name, type);
	size_t size = dtype_size(type);
	void *to = mem_new((size_t)t->count, size);

	memcpy(to, t->data, (size_t)t->count * size);
	if (count) *count = t->count;
	return to;
}

/* The rows named, measured; set_free() frees it. */
static struct knn_set set_of(const struct tensors *file, const char *name)
{
	const struct tensor *t = need(file, name, DT_F32);
	float *x = mem_new((size_t)t->count, sizeof *x);

	memcpy(x, t->data, (size_t)t->count * sizeof *x);
	struct knn_set s = knn_rows(t->name, x, t->shape[0], (int)t->shape[1]);
	must(!knn_measure(&s, KNN_L2));
	return s;
}

/* Rows at[n] of a set. */
static struct knn_set chosen(const struct knn_set *from, const uint32_t *at, int64_t n)
{
	size_t width = (size_t)from->width;
	float *x = mem_new((size_t)n * width, sizeof *x);

	for (int64_t i = 0; i < n; i++) must(!from->fetch(from, at[i], 1, x + (size_t)i * width));
	return knn_rows("chosen", x, n, from->width);
}

static void set_free(struct knn_set *s)
{
	free((void *)(uintptr_t)s->ctx);
	free(s->norm);
}

/* Rows in other blocks have the same influence. */
static void check_repeated(const struct influence *f, const struct knn_set *a, const double *phi,
	const char *name)
{
	int64_t n = 3 * a->count;
	uint32_t *at = mem_new((size_t)n, sizeof *at);
	double *again = mem_new((size_t)n, sizeof *again);
	int same = 0;

	for (int64_t i = 0; i < n; i++) at[i] = (uint32_t)(i % a->count);
	struct knn_set repeated = chosen(a, at, n);
	must(!influence_rows(f, &repeated, again));
	for (int64_t i = 0; i < n; i++)
		same += fabs(again[i] - phi[at[i]]) <= 1e-13 * (fabs(phi[at[i]]) + 1);
	ok(same == n, "%s: the same for rows in other blocks", name);
	set_free(&repeated);
	free(at);
	free(again);
}

/* phi of set a against b, and its standard error. */
static void check_influence(const struct knn_set *a, const struct stats *of_a,
	const struct stats *of_b, const char *name, double want_error)
{
	struct influence f;
	double *want = copy(name, DT_F64, NULL), *phi = mem_new((size_t)a->count, sizeof *phi);
	double worst = 0, variance;

	must(!influence_open(&f, a->width, of_a->mean, of_a->cov, of_b->mean, of_b->cov));
	must(!influence_rows(&f, a, phi));
	for (int64_t i = 0; i < a->count; i++)
		worst = fmax(worst, fabs(phi[i] - want[i]) / (fabs(want[i]) + 1));
	is_near(worst, 0, 1e-9, "%s: influence of each row", name);
	must(!influence_variance(&f, a, &variance));
	is_near(sqrt(variance) / want_error, 1, 1e-9, "%s: standard error", name);
	check_repeated(&f, a, phi, name);
	influence_close(&f);
	free(want);
	free(phi);
}

static void check_parts(const struct knn_set *a, const struct stats *of_b)
{
	double *half = copy("half", DT_F64, NULL), *want = copy("infinity.fd", DT_F64, NULL);
	double *intercept = copy("infinity", DT_F64, NULL), corrected;
	uint32_t *order = copy("half.order", DT_U32, NULL);
	uint32_t *size = copy("infinity.size", DT_U32, NULL);
	int64_t sizes[6];
	char name[64];

	must(!stats_halves(&corrected, of_b, a, order, half[0]));
	is_near(corrected / half[1], 1, 1e-9, "twice the distance less that of two halves");
	for (int i = 0; i < 6; i++) {
		struct subset rows;
		struct stats part;
		struct frechet f;
		snprintf(name, sizeof name, "infinity.rows%u", (unsigned)size[i]);
		uint32_t *at = copy(name, DT_U32, &sizes[i]);
		must(!subset_open(&rows, a, at, sizes[i]));
		must(!stats_of(&part, &rows.set) && !stats_distance(&f, &part, of_b));
		is_near(f.distance / want[i], 1, 1e-9, "the distance of %d rows", (int)sizes[i]);
		stats_close(&part);
		subset_close(&rows);
		free(at);
	}
	is_near(stats_intercept(want, sizes, 6) / intercept[0], 1, 1e-9, "a line in 1 / rows");
	free(half);
	free(want);
	free(intercept);
	free(order);
	free(size);
}

/* Rows of N(0, 1) of two equal distributions: their distance is all bias, which both
 * extrapolations take away. */
static void check_bias(void)
{
	enum { ROWS = 3000, WIDTH = 24 };
	float *x = mem_new(2 * ROWS * WIDTH, sizeof *x);
	struct rng r = rng_at(7, 0);
	struct stats of_a, of_b;
	struct frechet f;
	double half, endless, again;

	for (int i = 0; i < 2 * ROWS * WIDTH; i++) x[i] = (float)rng_normal(&r);
	struct knn_set a = knn_rows("a", x, ROWS, WIDTH);
	struct knn_set b = knn_rows("b", x + ROWS * WIDTH, ROWS, WIDTH);
	must(!stats_of(&of_a, &a) && !stats_of(&of_b, &b));
	must(!stats_distance(&f, &of_a, &of_b));
	uint32_t *order = stats_order(ROWS, 1, 0);
	must(!stats_halves(&half, &of_a, &b, order, f.distance));
	must(!stats_infinity(&endless, &of_a, &b, 1) && !stats_infinity(&again, &of_a, &b, 1));
	/* Half of the bias is of the real rows and stays. */
	is_near(half / f.distance, 0.5, 0.2, "halves: the bias of these rows is gone");
	is_near(endless / f.distance, 0.5, 0.2, "FID infinity: the bias of these rows is gone");
	ok(endless == again, "FID infinity: the same seed draws the same parts");
	must(!stats_infinity(&again, &of_a, &b, 2));
	ok(endless != again, "FID infinity: another seed draws others");
	b.count = 2;
	ok(stats_infinity(&again, &of_a, &b, 1), "FID infinity: two rows have no parts");
	ok(stats_halves(&again, &of_a, &b, order, 1), "two rows have no halves");
	stats_close(&of_a);
	stats_close(&of_b);
	free(order);
	free(x);
}

static void check_errors(void)
{
	struct knn_set a = set_of(&sets, "frechet.set_A"), b = set_of(&sets, "frechet.set_B");
	struct stats of_a, of_b;
	double *want = copy("se", DT_F64, NULL);

	must(!stats_of(&of_a, &a) && !stats_of(&of_b, &b));
	check_influence(&a, &of_a, &of_b, "se.phi_A", want[1]);
	check_influence(&b, &of_b, &of_a, "se.phi_B", want[2]);
	check_parts(&a, &of_b);
	stats_close(&of_a);
	stats_close(&of_b);
	set_free(&a);
	set_free(&b);
	free(want);
}

/* Where a covariance has lost rank, or is zero, the error stays a number. */
static void check_lost_rank(const char *x, const char *y)
{
	struct knn_set a = set_of(&sets, x), b = set_of(&sets, y);
	struct stats of_a, of_b;
	struct influence f;
	double variance;

	must(!stats_of(&of_a, &a) && !stats_of(&of_b, &b));
	must(!influence_open(&f, a.width, of_a.mean, of_a.cov, of_b.mean, of_b.cov));
	must(!influence_variance(&f, &a, &variance));
	ok(isfinite(variance) && variance > 0, "%s against %s: a finite standard error", x, y);
	influence_close(&f);
	stats_close(&of_a);
	stats_close(&of_b);
	set_free(&a);
	set_free(&b);
}

static void check_kid(void)
{
	struct knn_set a = set_of(&sets, "frechet.set_A"), b = set_of(&sets, "frechet.set_B");
	uint32_t *x = copy("kid.x", DT_U32, NULL), *y = copy("kid.y", DT_U32, NULL);
	double *value = copy("kid.values", DT_F64, NULL), *whole = copy("kid", DT_F64, NULL);
	struct kid k, one;

	for (int i = 0; i < 10; i++) {
		struct knn_set s = chosen(&a, x + 100 * i, 100), t = chosen(&b, y + 100 * i, 100);
		must(!kid_distance(&k, &s, &t));
		is_near(k.value, value[i], 1e-14, "kernel distance of subset %d", i);
		set_free(&s);
		set_free(&t);
	}
	must(!kid_distance(&k, &a, &b));
	is_near(k.value, whole[0], 1e-14, "kernel distance of all rows");
	par_set_threads(1);
	must(!kid_distance(&one, &a, &b));
	par_set_threads(0);
	ok(!memcmp(&one, &k, sizeof k), "kernel distance: the same for one thread");
	const float *middle = (const float *)a.ctx + 250 * (size_t)a.width;
	struct knn_set first = a, second = knn_rows("half", middle, 250, a.width);
	first.count = 250;
	must(!kid_distance(&k, &first, &second));
	is_near(k.value, whole[1], 1e-14, "kernel distance of two halves, negative");
	set_free(&a);
	set_free(&b);
	free(x);
	free(y);
	free(value);
	free(whole);
}

/* The spread of the kernel distance over draws is its standard error. */
static void check_kid_error(void)
{
	enum { DRAWS = 200, ROWS = 100, WIDTH = 4 };
	static float x[2 * ROWS * WIDTH];
	double mean = 0, square = 0, error = 0;
	struct kid k;

	for (int i = 0; i < DRAWS; i++) {
		struct rng r = rng_at(11, (uint64_t)i);
		for (int j = 0; j < 2 * ROWS * WIDTH; j++)
			x[j] = (float)(rng_normal(&r) + (j < ROWS * WIDTH ? 0.7 : 0));
		struct knn_set a = knn_rows("a", x, ROWS, WIDTH);
		struct knn_set b = knn_rows("b", x + ROWS * WIDTH, ROWS, WIDTH);
		must(!kid_distance(&k, &a, &b));
		mean += k.value / DRAWS;
		square += k.value * k.value / DRAWS;
		error += k.error / DRAWS;
	}
	is_near(sqrt(square - mean * mean) / error, 1, 0.15,
		"kernel distance: the error it states is its spread");
}

/* "prdc.CASE.REAL.FAKE": k, closed, and the four counts. */
static void check_prdc_case(const char *name)
{
	char id[32], of[2][48] = { "prdc.", "prdc." };
	uint32_t *want = copy(name, DT_U32, NULL);

	must(sscanf(name, "prdc.%31[^.].%32[^.].%32s", id, of[0] + 5, of[1] + 5) == 3);
	struct knn_set x = set_of(&golden, of[0]), y = set_of(&golden, of[1]);
	struct prdc p = { .k = (int)want[0], .closed = want[1] };
	must(!prdc_count(&p, &x, &y));
	ok(p.precise == want[2] && p.recalled == want[3] && p.inside == want[4] &&
		p.covered == want[5],
		"balls, %s: %d precise, %d recalled, %d inside, %d covered", id, (int)p.precise,
		(int)p.recalled, (int)p.inside, (int)p.covered);
	set_free(&x);
	set_free(&y);
	free(want);
}

static void check_prdc(void)
{
	for (int threads = 1; threads <= 3; threads += 2) {
		par_set_threads(threads);
		for (int i = 0; i < golden.n; i++)
			if (!strncmp(golden.t[i].name, "prdc.", 5) && golden.t[i].type == DT_U32)
				check_prdc_case(golden.t[i].name);
	}
	par_set_threads(0);
	struct knn_set s = set_of(&golden, "prdc.same_x");
	struct prdc p = { .k = (int)s.count };
	ok(prdc_count(&p, &s, &s) && strstr(why(), "40 rows, expected more than 40"),
		"as many neighbours as rows");
	set_free(&s);
}

/* Ten parts in order; then parts of other rules by their ranges. */
static void check_iscore_case(const char *id, const char *logits, int parts)
{
	struct knn_set s = set_of(&golden, logits);
	char name[64];
	int64_t count;

	snprintf(name, sizeof name, "is.case.%s", id);
	double *want = copy(name, DT_F64, &count);
	struct iscore got;
	must(count == parts + 2 && !iscore_parts(&got, &s, parts));
	is_near(got.mean, want[parts], 1e-12 * want[parts], "Inception Score, %s", id);
	is_near(got.deviation, want[parts + 1], 1e-12, "Inception Score, %s: deviation", id);
	free(want);
	set_free(&s);
}

static void check_iscore_ranges(const char *id, int parts, int64_t rows)
{
	struct knn_set s = set_of(&golden, "is.normal");
	char name[64];

	snprintf(name, sizeof name, "is.case.%s", id);
	double *want = copy(name, DT_F64, NULL), got;
	for (int i = 0; i < parts; i++) {
		int64_t first = i * rows, n = s.count - first < rows ? s.count - first : rows;
		must(!iscore_range(&got, &s, first, n));
		is_near(got, want[i], 1e-12, "Inception Score, %s, part %d", id, i);
	}
	free(want);
	set_free(&s);
}

static void check_iscore(void)
{
	struct knn_set s = set_of(&golden, "is.normal");
	uint32_t *order = copy("is.shuffle", DT_U32, NULL);
	struct knn_set shuffled = chosen(&s, order, s.count);
	double *want = copy("is.case.normal_even_shuffled", DT_F64, NULL);
	struct iscore got;

	must(!iscore_parts(&got, &shuffled, 10));
	is_near(got.mean, want[10], 1e-12, "Inception Score of shuffled rows");
	is_near(got.deviation, want[11], 1e-12, "Inception Score of shuffled rows: deviation");
	s.count = 9;
	ok(iscore_parts(&got, &s, 10) && strstr(why(), "9 rows"), "fewer rows than parts");
	check_iscore_case("normal_even", "is.normal", 10);
	check_iscore_case("normal_one", "is.normal", 1);
	check_iscore_case("extreme_even", "is.extreme", 10);
	check_iscore_case("onehot_one", "is.onehot", 1);
	check_iscore_case("onehot_even", "is.onehot", 10);
	check_iscore_case("same_one", "is.same", 1);
	check_iscore_ranges("normal_floor_drop", 10, 103);
	check_iscore_ranges("normal_chunk250", 5, 250);
	set_free(&s);
	set_free(&shuffled);
	free(order);
	free(want);
}

struct seen { int64_t n; int *times; int wrong; };

/* Rows (i, 1): products i j + 1, exactly. */
static void see_tile(void *ctx, const struct tile *t)
{
	struct seen *s = ctx;

	for (int i = 0; i < t->m; i++)
		for (int j = 0; j < t->n; j++) {
			int64_t row = t->row + i, column = t->column + j;
			double dot = t->dot[(size_t)i * (size_t)t->n + (size_t)j];
			if (dot == (double)(row * column + 1)) s->times[row * s->n + column]++;
		}
}

static void check_tiles(void)
{
	enum { M = 1300, N = 2100 };
	static float x[N][2];
	struct seen s = { N, mem_new(N, N * sizeof(int)), 0 };

	for (int i = 0; i < N; i++) {
		x[i][0] = (float)i;
		x[i][1] = 1;
	}
	struct knn_set a = knn_rows("a", x[0], M, 2), b = knn_rows("b", x[0], N, 2);
	struct tiles all = { .a = &a, .b = &b, .visit = see_tile, .ctx = &s, .what = "tiles" };
	must(!tiles_run(&all));
	for (int i = 0; i < M * N; i++) s.wrong += s.times[i] != 1;
	ok(!s.wrong, "tiles: every product once");
	memset(s.times, 0, N * N * sizeof *s.times);
	all.a = &b;
	all.half = true;
	must(!tiles_run(&all));
	for (int i = 0; i < N * N; i++)
		s.wrong += s.times[i] != (i % N / TILES_SIDE >= i / N / TILES_SIDE);
	ok(!s.wrong, "half of the tiles: those not below the diagonal");
	free(s.times);
}

enum { MANY = 1300, LINE = 3 };              /* more rows than a tile has */

static double kernel(const float *a, const float *b)
{
	double k = 1;

	for (int c = 0; c < LINE; c++) k += (double)a[c] * (double)b[c] / LINE;
	return k * k * k;
}

/* h(a_i) = mean_{j /= i} k(a_i, a_j) - mean_j k(a_i, b_j): adds the means of both parts over i to
 * *own and *other; returns the variance of h over MANY. */
static double projected(float (*a)[LINE], float (*b)[LINE], double *own, double *other)
{
	double h[MANY], mean = 0, square = 0;

	for (int i = 0; i < MANY; i++) {
		double within = 0, across = 0;
		for (int j = 0; j < MANY; j++) {
			if (i != j) within += kernel(a[i], a[j]) / (MANY - 1);
			across += kernel(a[i], b[j]) / MANY;
		}
		h[i] = within - across;
		mean += h[i] / MANY;
		*own += within / MANY;
		*other += across / MANY;
	}
	for (int i = 0; i < MANY; i++) square += (h[i] - mean) * (h[i] - mean);
	return square / (MANY - 1) / MANY;
}

/* Balls of k = 1 around x = 2 i and y = 2 i + 1/2 have radius 2: each y is in those of the two x
 * beside it, the last in one. */
static void check_many(void)
{
	static float x[MANY][LINE], y[MANY][LINE];
	struct rng r = rng_at(5, 0);
	double own = 0, other = 0, variance;
	struct kid k;

	for (int i = 0; i < MANY; i++)
		for (int c = 0; c < LINE; c++) {
			x[i][c] = (float)rng_normal(&r);
			y[i][c] = (float)rng_normal(&r) + 1;
		}
	struct knn_set a = knn_rows("a", x[0], MANY, LINE), b = knn_rows("b", y[0], MANY, LINE);
	variance = projected(x, y, &own, &other) + projected(y, x, &own, &other);
	must(!kid_distance(&k, &a, &b));
	is_near(k.value / (own - other), 1, 1e-12, "kernel distance over several tiles");
	is_near(k.error / (2 * sqrt(variance)), 1, 1e-10, "its standard error over several tiles");
	memset(x, 0, sizeof x);
	memset(y, 0, sizeof y);
	for (int i = 0; i < MANY; i++) {
		x[i][0] = (float)(2 * i);
		y[i][0] = x[i][0] + 0.5f;
	}
	must(!knn_measure(&a, KNN_L2) && !knn_measure(&b, KNN_L2));
	struct prdc p = { .k = 1 };
	must(!prdc_count(&p, &a, &b));
	ok(p.precise == MANY && p.recalled == MANY && p.covered == MANY && p.inside == 2 * MANY - 1,
		"balls over several tiles: %d inside", (int)p.inside);
	free(a.norm);
	free(b.norm);
}

int main(void)
{
	must(!tensors_open(&golden, "tests/golden/metrics.safetensors"));
	must(!tensors_open(&sets, "tests/golden/stat.safetensors"));
	check_tiles();
	check_many();
	check_errors();
	check_lost_rank("frechet.set_C", "frechet.set_D");
	check_lost_rank("frechet.set_Ac", "frechet.set_Bc");
	check_lost_rank("frechet.set_T2a", "frechet.set_T2b");
	check_bias();
	check_kid();
	check_kid_error();
	check_prdc();
	check_iscore();
	tensors_close(&golden);
	tensors_close(&sets);
	return done_testing();
}
