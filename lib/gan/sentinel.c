/* sentinel: whether a run has collapsed. */
#include "lib/gan/sentinel.h"
#include "lib/base/fail.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const words[] = { "none", "not finite", "gap", "norm", "variance" };

const char *sentinel_word(enum collapse c)
{
	return words[(size_t)c < LEN(words) ? c : COLLAPSE_NONE];
}

enum collapse sentinel_named(const char *word)
{
	for (size_t i = 0; i < LEN(words); i++)
		if (!strcmp(word, words[i])) return (enum collapse)i;
	return COLLAPSE_NONE;
}

/* A sum is finite only when all its terms are: those that are make no more than 2^64 times 2^128,
 * which a double holds. */
static bool all_finite(const real *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) sum += (double)x[i];
	return isfinite(sum);
}

static double mean(const real *x, int n)
{
	double sum = 0;

	for (int i = 0; i < n; i++) sum += (double)x[i];
	return sum / n;
}

/* The spectral norms that the last forward pass divided by are buffers, "sv0" (spec biggan 1.6). */
static void largest_norm(struct vitals *v, const struct params *ps, const real *data)
{
	for (int i = 0; i < ps->n; i++) {
		const char *dot = strrchr(ps->p[i].name, '.');
		double norm = (double)data[ps->p[i].at];
		if (!dot || strcmp(dot, ".sv0") || norm <= v->norm) continue;
		v->norm = norm;
		v->where = ps->p[i].name;
	}
}

static double variance(const real *x, int batch, size_t each)
{
	double sum = 0;

	for (size_t i = 0; i < each; i++) {
		double s = 0, s2 = 0;
		for (int k = 0; k < batch; k++) {
			double a = (double)x[(size_t)k * each + i];
			s += a;
			s2 += a * a;
		}
		sum += fmax(0, s2 / batch - s / batch * (s / batch));
	}
	return sum / (double)each;
}

bool sentinel_finite(const struct gan *s)
{
	return all_finite(s->g, s->gp.total) && all_finite(s->d, s->dp.total) &&
	       all_finite(s->ema, s->gp.total);
}

struct vitals sentinel_read(const struct phases *p)
{
	const struct gan *s = p->s;
	size_t side = (size_t)s->c.resolution;
	int n = p->r.batch;
	const real *score = phase_scores(p);
	struct vitals v = { .finite = sentinel_finite(s), .where = "" };

	v.gap = mean(score + n, n) - mean(score, n);
	largest_norm(&v, &s->gp, s->g);
	largest_norm(&v, &s->dp, s->d);
	v.variance = variance(phase_fakes(p), n, side * side * 3);
	return v;
}

enum collapse sentinel_judge(const struct vitals *v)
{
	if (!v->finite) return COLLAPSE_NOT_FINITE;
	if (v->gap > SENTINEL_GAP || v->gap == 0) return COLLAPSE_GAP;
	if (v->norm > SENTINEL_NORM) return COLLAPSE_NORM;
	return v->variance < SENTINEL_VARIANCE ? COLLAPSE_VARIANCE : COLLAPSE_NONE;
}

void sentinel_say(const struct vitals *v, enum collapse c, char text[160])
{
	switch (c) {
	case COLLAPSE_NONE: *text = 0; break;
	case COLLAPSE_NOT_FINITE:
		snprintf(text, 160, "a weight is not finite");
		break;
	case COLLAPSE_GAP:
		snprintf(text, 160, "real images score %.4g above fakes, expected some, at most %g",
			 v->gap, SENTINEL_GAP);
		break;
	case COLLAPSE_NORM:
		snprintf(text, 160, "%s: the spectral norm is %.4g, expected at most %g", v->where,
			 v->norm, SENTINEL_NORM);
		break;
	case COLLAPSE_VARIANCE:
		snprintf(text, 160, "the generated pictures differ by a variance of %.2g, "
			 "expected at least %.2g", v->variance, SENTINEL_VARIANCE);
	}
}
