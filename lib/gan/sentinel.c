/* sentinel: whether a run has collapsed. */
#include "lib/gan/sentinel.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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

static double mean(const real *x, int n)
{
	double sum = 0;

	for (int i = 0; i < n; i++) sum += (double)x[i];
	return sum / n;
}

bool sentinel_finite(const struct gan *s)
{
	return tape_finite(s->g, s->gp.total) && tape_finite(s->d, s->dp.total) &&
	       tape_finite(s->ema, s->gp.total) && tape_finite(s->path, 1) &&
	       tape_finite(s->penalty, LEN(s->penalty));
}

/* A number of the state, or all of a part of it: read in place. */
static val state(struct sentinel *s, const real *at, size_t n)
{
	return leaf(s->t, shape4(1, 1, 1, (int)n), at);
}

/* Over the pictures x[N,R,R,3], mean over their values. */
static val variance(struct tape *t, val x)
{
	struct shape all = tape_shape(t, x), one = all;
	double n = all.d[0];

	one.d[0] = 1;
	val apart = sub(t, x, scale(t, sum_to(t, x, one), 1 / n, 0));
	return scale(t, sum(t, mul(t, apart, apart)), 1 / (double)shape_count(all), 0);
}

/* The spectral norms that the last forward pass divided by are buffers, "sv0" (spec biggan 1.6). */
static void add_norms(struct sentinel *s, const struct params *ps, const real *data)
{
	for (int i = 0; i < ps->n; i++) {
		const char *dot = strrchr(ps->p[i].name, '.');
		if (!dot || strcmp(dot, ".sv0")) continue;
		s->seen = concat(s->t, s->seen, state(s, data + ps->p[i].at, 1), 3);
		s->norm[s->norms++] = i;
	}
}

enum { SUMS = 3, VARIANCE = SUMS, NORMS };   /* places in seen */

int sentinel_open(struct sentinel *s, const struct phases *p)
{
	const struct params *g = &p->s->gp, *d = &p->s->dp;
	int R = p->s->c.resolution;

	*s = (struct sentinel){ .t = tape_new(), .p = p };
	s->norm = mem_new((size_t)(g->n + d->n), sizeof *s->norm);
	s->seen = concat(s->t, sum(s->t, state(s, p->at.g, g->total)),
			 sum(s->t, state(s, p->at.d, d->total)), 3);
	s->seen = concat(s->t, s->seen, sum(s->t, state(s, p->at.ema, g->total)), 3);
	val x = leaf(s->t, shape4(p->r.batch, R, R, 3), p->pictures);
	s->seen = concat(s->t, s->seen, variance(s->t, x), 3);
	add_norms(s, g, p->at.g);
	s->norms_g = s->norms;
	add_norms(s, d, p->at.d);
	keep(s->t, s->seen);
	s->read = mem_new((size_t)(NORMS + s->norms), sizeof *s->read);
	return tape_plan(s->t, p->b, true);
}

void sentinel_close(struct sentinel *s)
{
	tape_free(s->t);
	free(s->norm);
	free(s->read);
	*s = (struct sentinel){ 0 };
}

/* A sum is finite only when all its terms are. */
int sentinel_read(struct sentinel *s, struct vitals *v)
{
	const real *seen = s->read, *score = phase_scores(s->p);
	int n = s->p->r.batch;

	if (tape_run(s->t)) return -1;
	tape_read(s->t, s->seen, s->read);
	*v = (struct vitals){ .finite = true, .variance = (double)seen[VARIANCE], .where = "" };
	for (int i = 0; i < SUMS; i++) v->finite &= isfinite(seen[i]) != 0;
	v->gap = mean(score + n, n) - mean(score, n);
	for (int i = 0; i < s->norms; i++) {
		const struct params *ps = i < s->norms_g ? &s->p->s->gp : &s->p->s->dp;
		if ((double)seen[NORMS + i] <= v->norm) continue;
		v->norm = (double)seen[NORMS + i];
		v->where = ps->p[s->norm[i]].name;
	}
	return 0;
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
