/* tap: results of C test programs in the Test Anything Protocol on stdout. */
#ifndef IC_TAP_H
#define IC_TAP_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_ran, tap_failed, tap_planned;

/* How many results will come; optional, done_testing() prints the plan otherwise. */
__attribute__((unused)) static void plan(int n)
{
	printf("1..%d\n", tap_planned = n);
}

__attribute__((format(printf, 4, 5)))
static bool tap_result(bool good, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	tap_ran++;
	if (!good) tap_failed++;
	printf("%sok %d - ", good ? "" : "not ", tap_ran);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (!good) printf("#   at %s:%d\n", file, line);
	fflush(stdout);
	return good;
}

/* ok(condition, "what %s", ...): true when it holds. */
#define ok(cond, ...) tap_result(cond, __FILE__, __LINE__, __VA_ARGS__)

/* |got - want| <= tol; NaN never is. */
#define is_near(got, want, tol, ...) \
	tap_near(got, want, tol, ok(fabs((double)(got) - (double)(want)) <= (tol), __VA_ARGS__))
__attribute__((unused)) static bool tap_near(double got, double want, double tol, bool good)
{
	if (!good) printf("#   got %.17g, expected %.17g within %g\n", got, want, tol);
	return good;
}

/* The last line of main: return done_testing(); */
__attribute__((unused)) static int done_testing(void)
{
	if (!tap_planned) printf("1..%d\n", tap_ran);
	return tap_failed || !tap_ran || (tap_planned && tap_planned != tap_ran);
}

#endif
