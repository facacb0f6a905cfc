/* check-diffaug: the augmentation on the tape, in double, against its definition in plain C with
 * given draws, its derivative against differences, and the ranges of its draws. */
#include "tests/tap.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/gan/diffaug.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 3, R = 9, PIXELS = N * R * R, ALL = PIXELS * 3 };

static const struct diffaug_draw draws[N] = {
	{ 0.25, 1.5, 0.75, 1, -1, 2, 5 },
	{ -0.5, 0, 1.25, -1, 0, -2, -2 },
	{ 0.125, 0.5, 0.5, 0, 1, 6, 6 },
};

static double *at(double *x, int n, int h, int w)
{
	return x + ((n * R + h) * R + w) * 3;
}

static void plain_color(double *x)
{
	for (int n = 0; n < N; n++) {
		double whole = 0;
		for (int i = 0; i < R * R; i++) {
			double *p = at(x, n, 0, i), mean = 0;
			for (int c = 0; c < 3; c++) mean += (p[c] += draws[n].brightness) / 3;
			for (int c = 0; c < 3; c++)
				whole += p[c] = (p[c] - mean) * draws[n].saturation + mean;
		}
		whole /= R * R * 3;
		for (int i = 0; i < R * R * 3; i++) {
			double *p = at(x, n, 0, 0) + i;
			*p = (*p - whole) * draws[n].contrast + whole;
		}
	}
}

static void plain_translation(double *x)
{
	double *from = mem_new(ALL, sizeof *from);

	memcpy(from, x, ALL * sizeof *from);
	for (int i = 0; i < ALL; i++) {
		int c = i % 3, w = i / 3 % R, h = i / (3 * R) % R, n = i / (3 * R * R);
		int y = h + draws[n].down, v = w + draws[n].right;
		x[i] = y < 0 || y >= R || v < 0 || v >= R ? 0 : at(from, n, y, v)[c];
	}
	free(from);
}

/* As the reference has it: a square of 5, each row and column of it moved to the edge when outside.
 */
static void plain_cutout(double *x)
{
	for (int n = 0; n < N; n++)
		for (int i = 0; i < 25; i++) {
			int h = draws[n].top + i / 5, w = draws[n].left + i % 5;
			h = h < 0 ? 0 : h > R - 1 ? R - 1 : h;
			w = w < 0 ? 0 : w > R - 1 ? R - 1 : w;
			memset(at(x, n, h, w), 0, 3 * sizeof *x);
		}
}

static void plain(const char *policy, double *x)
{
	for (const char *p = policy; *p; p += strcspn(p, ","), p += *p == ',') {
		if (*p == 't') plain_translation(x);
		else if (p[1] == 'o') plain_color(x);
		else plain_cutout(x);
	}
}

static void noise(double *x, uint64_t stream)
{
	struct rng r = rng_at(5, stream);
	for (int i = 0; i < ALL; i++) x[i] = rng_normal(&r);
}

static double dot(const double *a, const double *b)
{
	double s = 0;
	for (int i = 0; i < ALL; i++) s += a[i] * b[i];
	return s;
}

/* The augmentation is affine: <f(x + d) - f(x), g> is exactly <d, derivative of <f(x), g>>. */
static void check_policy(const char *text)
{
	struct diffaug_policy p;
	struct diffaug a;
	struct tape *t = tape_new();
	struct backend *b = backend_new("ref", 1);
	double *x = mem_new(ALL, sizeof *x), *d = mem_new(ALL, sizeof *d),
	       *g = mem_new(ALL, sizeof *g), *want = mem_new(ALL, sizeof *want),
	       *moved = mem_new(ALL, sizeof *moved), worst = 0;

	noise(x, 1), noise(d, 2), noise(g, 3);
	must(!diffaug_parse(&p, text) && !diffaug_open(&a, &p, N, R) && !diffaug_reserve(&a));
	for (int i = 0; i < N; i++) diffaug_set(&a, i, &draws[i]);
	val in = leaf(t, shape4(N, R, R, 3), x), y = diffaug_build(&a, t, in), dx;
	val by = leaf(t, shape4(N, R, R, 3), g);
	grads(t, y, by, &in, &dx, 1);
	keep(t, y), keep(t, dx);
	must(!tape_plan(t, b, true));
	tape_run(t);
	memcpy(want, x, ALL * sizeof *want);
	plain(text, want);
	for (int i = 0; i < ALL; i++) worst = fmax(worst, fabs(tape_value(t, y)[i] - want[i]));
	ok(worst < 1e-12, "%s: %.2g from the definition", text, worst);
	for (int i = 0; i < ALL; i++) moved[i] = x[i] + d[i];
	plain(text, moved);
	double slope = dot(d, tape_value(t, dx)), change = dot(moved, g) - dot(want, g);
	is_near(slope, change, 1e-10, "%s: derivative", text);
	tape_free(t);
	diffaug_close(&a);
	backend_free(b);
	free(x), free(d), free(g), free(want), free(moved);
}

/* Draws fill their ranges, whole numbers with both ends. */
static void check_random(int side, int reach, int low, int high)
{
	struct rng r = rng_at(1, 2);
	int down[2] = { 99, -99 }, top[2] = { 99, -99 };
	double worst = 0;

	for (int i = 0; i < 5000; i++) {
		struct diffaug_draw d = diffaug_random(&r, side);
		down[0] = d.down < down[0] ? d.down : down[0];
		down[1] = d.down > down[1] ? d.down : down[1];
		top[0] = d.left < top[0] ? d.left : top[0];
		top[1] = d.left > top[1] ? d.left : top[1];
		worst = fmax(worst, fabs(d.brightness) / 0.5);
		worst = fmax(worst, fmax(fabs(d.saturation - 1), fabs(d.contrast - 1) / 0.5));
	}
	ok(down[0] == -reach && down[1] == reach && top[0] == low && top[1] == high,
	   "side %d: moves by %d to %d, squares from %d to %d", side, down[0], down[1], top[0],
	   top[1]);
	ok(worst <= 1 && worst > 0.99, "side %d: colours within their ranges: %.4g", side, worst);
}

static void check_words(void)
{
	static const char *const wrong[] = { "", "colour", "color,", ",color", "color,color",
					     "translation,color,cutout,translation" };
	struct diffaug_policy p;
	struct diffaug a;

	for (size_t i = 0; i < LEN(wrong); i++)
		ok(diffaug_parse(&p, wrong[i]), "'%s' is refused: %s", wrong[i], why());
	ok(!diffaug_parse(&p, NULL) && p.kind[0] == DIFFAUG_END, "nothing is no augmentation");
	must(!diffaug_parse(&p, "cutout"));
	ok(diffaug_open(&a, &p, 257, 256), "more pixels than floats can number: %s", why());
}

int main(void)
{
	check_policy("color");
	check_policy("translation");
	check_policy("cutout");
	check_policy("translation,color,cutout");
	check_policy("cutout,color,translation");
	check_random(9, 1, -2, 6);
	check_random(64, 8, -16, 48);
	check_words();
	return done_testing();
}
