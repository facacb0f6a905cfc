/* check-compare: rows chosen from a set, groups by labels and keys, and the sliced distance, by
 * definitions and against reference values (tests/golden/make/metrics.py). */
#include "formats/safetensors.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/rng.h"
#include "lib/stat/compare.h"
#include "lib/stat/groups.h"
#include "lib/stat/sliced.h"
#include "lib/stat/subset.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

/* Rows named x of a file, borrowed from it. */
static struct knn_set set_of(const struct tensors *file, const char *name)
{
	const struct tensor *t = tensors_find(file, name);

	must(t && t->type == DT_F32);
	return knn_rows(t->name, t->data, t->shape[0], (int)t->shape[1]);
}

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

/* Each x[i] times times, in order. */
static double *repeated(const double *x, int n, int times)
{
	double *to = mem_new((size_t)(n * times), sizeof *to);

	for (int i = 0; i < n * times; i++) to[i] = x[i / times];
	qsort(to, (size_t)(n * times), sizeof *to, ascending);
	return to;
}

/* Sets of unlike size are as if each row were repeated until they are alike. */
static void check_transport(void)
{
	static const int sizes[][2] = { { 1, 1 }, { 5, 5 }, { 1, 7 }, { 6, 4 }, { 13, 9 } };

	for (size_t s = 0; s < LEN(sizes); s++) {
		int n = sizes[s][0], m = sizes[s][1];
		struct rng r = rng_at(3, s);
		double x[16], y[16], want = 0;
		for (int i = 0; i < n; i++) x[i] = rng_normal(&r);
		for (int i = 0; i < m; i++) y[i] = 2 * rng_normal(&r) + 1;
		double *a = repeated(x, n, m), *b = repeated(y, m, n);
		for (int i = 0; i < n * m; i++) want += (a[i] - b[i]) * (a[i] - b[i]) / (n * m);
		qsort(x, (size_t)n, sizeof *x, ascending);
		qsort(y, (size_t)m, sizeof *y, ascending);
		is_near(sliced_transport(x, n, y, m) / want, 1, 1e-13,
			"moving %d values onto %d", n, m);
		free(a);
		free(b);
	}
}

static void check_directions(void)
{
	enum { WIDTH = 5, MANY = 4000 };
	double u[WIDTH], mean[WIDTH] = { 0 }, square[WIDTH] = { 0 }, worst = 0, off = 0;

	for (int i = 0; i < MANY; i++) {
		double length = 0;
		sliced_direction(1, i, WIDTH, u);
		for (int j = 0; j < WIDTH; j++) {
			length += u[j] * u[j];
			mean[j] += u[j] / MANY;
			square[j] += u[j] * u[j] / MANY;
		}
		worst = fmax(worst, fabs(length - 1));
	}
	ok(worst < 1e-14, "directions have length 1");
	for (int j = 0; j < WIDTH; j++)
		off = fmax(off, fmax(fabs(mean[j]), fabs(square[j] - 1.0 / WIDTH)));
	ok(off < 0.03, "directions are even over the sphere");
}

/* A set moved by d costs 3 width E (u.d)^2 = 3 |d|^2; a set to itself nothing. */
static void check_moved(void)
{
	enum { ROWS = 300, WIDTH = 6 };
	static float x[ROWS][WIDTH], y[ROWS][WIDTH], twice[2 * ROWS][WIDTH];
	struct rng r = rng_at(9, 0);
	double d, again, one;

	for (int i = 0; i < ROWS; i++)
		for (int j = 0; j < WIDTH; j++) {
			x[i][j] = (float)rng_normal(&r);
			y[ROWS - 1 - i][j] = x[i][j] + (j == 2 ? 4 : 0);
			twice[2 * i][j] = twice[2 * i + 1][j] = y[ROWS - 1 - i][j];
		}
	struct knn_set a = knn_rows("a", x[0], ROWS, WIDTH), b = knn_rows("b", y[0], ROWS, WIDTH);
	struct knn_set c = knn_rows("c", twice[0], 2 * ROWS, WIDTH);
	must(!sliced_distance(&d, &a, &a, 100, 1));
	ok(d == 0, "sliced distance of a set to itself");
	must(!sliced_distance(&d, &a, &b, 4000, 1));
	is_near(d / 48, 1, 0.05, "sliced distance of a set that is moved and in another order");
	must(!sliced_distance(&again, &a, &c, 4000, 1));
	is_near(again / d, 1, 1e-12, "sliced distance: a set of each row twice is the same set");
	must(!sliced_distance(&again, &a, &b, 4000, 2));
	ok(again != d, "sliced distance: another seed draws other directions");
	par_set_threads(1);
	must(!sliced_distance(&one, &a, &b, 4000, 1));
	par_set_threads(0);
	ok(one == d, "sliced distance: the same for one thread");
}

static void check_expected(const struct tensors *sets, const struct tensors *golden)
{
	const struct tensor *want = tensors_find(golden, "mind");
	struct knn_set a = set_of(sets, "frechet.set_A"), b = set_of(sets, "frechet.set_B");
	double d;

	must(want && want->type == DT_F64 && b.count == 300);
	const double *mean = want->data;
	a.count = b.count;
	must(!sliced_distance(&d, &a, &b, COMPARE_DIRECTIONS, 0));
	is_near(d, mean[0], 4 * mean[1], "sliced distance of reference sets");
}

/* So many rows that directions come in two passes: on the line every direction is the same. */
static void check_passes(void)
{
	enum { ROWS = 150000 };
	float *x = mem_new(ROWS, sizeof *x);
	double d;

	for (int i = 0; i < ROWS; i++) x[i] = (float)i;
	struct knn_set a = knn_rows("a", x, ROWS, 1), b = knn_rows("b", x + ROWS / 2, ROWS / 2, 1);
	/* Quantile u is at u and at (1 + u) / 2: the integral of ((1 - u) / 2)^2 is 1/12. */
	must(!sliced_distance(&d, &a, &b, 100, 1));
	is_near(d / (3.0 / 12 * ROWS * (double)ROWS), 1, 1e-4, "sliced distance in two passes");
	free(x);
}

static void check_subset(void)
{
	enum { ROWS = 9, WIDTH = 2 };
	static const uint32_t at[] = { 8, 2, 3, 4, 4, 0, 1 };
	float x[ROWS][WIDTH], got[LEN(at)][WIDTH];
	uint64_t keys[ROWS];
	struct subset s;
	int same = 0;

	for (int i = 0; i < ROWS; i++) {
		x[i][0] = (float)i;
		x[i][1] = 1;
		keys[i] = (uint64_t)(100 + i);
	}
	struct knn_set whole = knn_rows("rows", x[0], ROWS, WIDTH);
	whole.keys = keys;
	must(!knn_measure(&whole, KNN_L2) && !subset_open(&s, &whole, at, LEN(at)));
	must(!s.set.fetch(&s.set, 0, 5, got[0]) && !s.set.fetch(&s.set, 5, 2, got[5]));
	for (size_t i = 0; i < LEN(at); i++)
		same += got[i][0] == (float)at[i] && got[i][1] == 1 &&
			knn_key(&s.set, (int64_t)i) == 100 + at[i] &&
			s.set.norm[i] == whole.norm[at[i]];
	ok(same == LEN(at), "chosen rows, their keys and norms");
	ok(s.set.longest == whole.norm[8], "the longest of them");
	subset_close(&s);
	free(whole.norm);
}

static void check_parse(const char *list, int n, bool ranges, const char *text)
{
	struct groups s;
	int bad = groups_parse(&s, list);

	if (!bad && ranges) bad = groups_ranges(&s);
	ok(text ? bad && strstr(why(), text) : !bad && s.n == n, "groups '%s': %s", list,
		text ? text : "good");
	groups_close(&s);
}

/* Classes 7, 1 and 3 with 4, 2 and 1 rows. */
static void check_counts(void)
{
	static const uint32_t labels[] = { 7, 1, 7, 3, 7, 1, 7 };
	static const uint64_t keys[] = { 10, 11, 12, 13, 14, 15, 16 };
	uint32_t sorted[LEN(labels)], at[LEN(labels)];
	struct groups s;

	memcpy(sorted, labels, sizeof labels);
	must(!groups_parse(&s, "many:3-,two:2-2,few:-2,none:5-9") && !groups_ranges(&s));
	groups_by_count(&s, sorted, LEN(labels));
	ok(group_pick(&s.group[0], NULL, labels, LEN(labels), at) == 4 && at[0] == 0 && at[3] == 6,
		"classes of three rows or more");
	ok(group_pick(&s.group[1], NULL, labels, LEN(labels), at) == 2 && at[0] == 1 && at[1] == 5,
		"classes of two rows");
	ok(group_pick(&s.group[2], NULL, labels, LEN(labels), at) == 3 && at[1] == 3,
		"classes of up to two rows");
	ok(!group_pick(&s.group[3], NULL, labels, LEN(labels), at), "no class at all");
	groups_close(&s);
	groups_by_label(&s, sorted, LEN(labels));
	ok(s.n == 3 && !strcmp(s.group[0].name, "1") && !strcmp(s.group[2].name, "7"),
		"a group for each class");
	ok(group_pick(&s.group[1], NULL, labels, LEN(labels), at) == 1 && at[0] == 3,
		"and its row");
	groups_close(&s);
	must(!groups_parse(&s, "some:file"));
	uint64_t *list = mem_new(4, sizeof *list);
	memcpy(list, (const uint64_t[]){ 16, 10, 99, 16 }, 4 * sizeof *list);
	group_fill(&s.group[0], list, 4);
	ok(group_pick(&s.group[0], keys, NULL, LEN(keys), at) == 2 && at[0] == 0 && at[1] == 6,
		"a list of keys in any order, with one that is twice and one that is nowhere");
	groups_close(&s);
}

int main(void)
{
	struct tensors sets, golden;

	must(!tensors_open(&sets, "tests/golden/stat.safetensors"));
	must(!tensors_open(&golden, "tests/golden/metrics.safetensors"));
	check_transport();
	check_directions();
	check_moved();
	check_expected(&sets, &golden);
	check_passes();
	check_subset();
	check_parse("many:100-,medium:21-99,few:-20", 3, true, NULL);
	check_parse("a:0-0", 1, true, NULL);
	check_parse("a:some file,b:c:d", 2, false, NULL);
	check_parse("", 0, false, "found ''");
	check_parse("a:1-,", 0, false, "found ''");
	check_parse("many", 0, false, "found 'many'");
	check_parse(":1-2", 0, false, "found ':1-2'");
	check_parse("a:", 0, false, "found 'a:'");
	check_parse("a:1-,a:2-", 0, false, "found 'a' twice");
	check_parse("a\tb:1-", 0, false, "unprintable");
	check_parse("a:-", 0, true, "found 'a:-'");
	check_parse("a:5", 0, true, "found 'a:5'");
	check_parse("a:5-4", 0, true, "found 'a:5-4'");
	check_parse("a:1-2x", 0, true, "found 'a:1-2x'");
	check_parse("a:1-99999999999999999999", 0, true, "found 'a:1-9");
	check_counts();
	tensors_close(&sets);
	tensors_close(&golden);
	return done_testing();
}
