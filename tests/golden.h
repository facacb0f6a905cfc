/* golden: what the goldens of both backbones have in common: numbers in published order. */
#ifndef IC_TESTS_GOLDEN_H
#define IC_TESTS_GOLDEN_H

#include "lib/tape/param.h"
#include "tests/formula.h"
#include "tests/tap.h"

static inline bool ends(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);
	return n >= m && !strcmp(s + n - m, tail);
}

/* Where number i of a published array [N,C,H,W] is in ours. */
static inline size_t golden_spot(struct shape s, size_t i)
{
	size_t w = i % (size_t)s.d[2], h = i / (size_t)s.d[2] % (size_t)s.d[1];
	size_t pixels = (size_t)s.d[1] * (size_t)s.d[2], c = i / pixels % (size_t)s.d[3];
	size_t n = i / pixels / (size_t)s.d[3];

	return ((n * (size_t)s.d[1] + h) * (size_t)s.d[2] + w) * (size_t)s.d[3] + c;
}

/* Where number i of a parameter in published order is in ours. */
static inline size_t golden_place(const struct param *p, size_t i)
{
	size_t at[4], place = 0;

	for (int k = 3; k >= 0; k--) at[k] = i % (size_t)p->view.d[k], i /= (size_t)p->view.d[k];
	for (int k = 0; k < 4; k++) place = place * (size_t)p->view.d[p->perm[k]] + at[p->perm[k]];
	return place;
}

/* How far a parameter's values are from [sum, norm, first four, middle, last], in units of a
 * scale. */
static inline double golden_off(const struct param *p, const real *data, const double *w,
				double scale)
{
	size_t n = shape_count(p->s), first = n < 4 ? n : 4;
	double sum = 0, norm = 0, worst, *v = mem_new(n, sizeof *v);

	for (size_t i = 0; i < n; i++) v[i] = (double)data[golden_place(p, i)];
	for (size_t i = 0; i < n; i++) sum += v[i], norm += v[i] * v[i];
	norm = sqrt(norm);
	worst = fmax(fabs(norm - w[1]), fabs(sum - w[0]) / sqrt((double)n));
	for (size_t i = 0; i < first; i++) worst = fmax(worst, fabs(v[i] - w[2 + i]));
	worst = fmax(worst, fabs(v[n / 2] - w[2 + first]));
	worst = fmax(worst, fabs(v[n - 1] - w[3 + first]));
	free(v);
	return isnan(norm) ? INFINITY : worst / scale;
}

/* The tensors of a net, G or D, have the names and shapes that a case lists; ordered: it says
 * first which of Adam's parameters each is, of a buffer -1. */
static inline void golden_shapes(const struct tensors *t, const char *name,
				 const struct params *ps, char net, bool ordered)
{
	int found = 0, listed = 0, order = 0;
	char prefix[16];

	snprintf(prefix, sizeof prefix, "shape.%c.", net);
	for (int i = 0; i < ps->n; i++) {
		char key[96];
		const struct param *p = &ps->p[i];
		snprintf(key, sizeof key, "%s%s", prefix, p->name);
		const struct tensor *x = tensors_find(t, key);
		const double *d = x ? x->data : NULL;
		bool same = x && x->rank == 1 && x->count == p->rank + ordered;
		if (same && ordered) same = *d++ == (p->trained ? order++ : -1);
		for (int k = 0; same && k < p->rank; k++) same = d[k] == (double)p->shape[k];
		if (same) found++;
		else printf("# %s: no such tensor, or another shape or place\n", key);
	}
	for (int i = 0; i < t->n; i++) listed += !strncmp(t->t[i].name, prefix, strlen(prefix));
	ok(found == ps->n && found == listed,
	   "%s: %d tensors of %c have published names and shapes%s", name, listed, net,
	   ordered ? " in order" : "");
}

#endif
