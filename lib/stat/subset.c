/* subset: rows by position in a larger set; those side by side there are fetched together. */
#include "lib/stat/subset.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdlib.h>

/* Rows first .. first+n-1 of the subset. */
static int fetch(const struct knn_set *set, int64_t first, int n, float *to)
{
	const struct subset *s = set->ctx;
	const uint32_t *at = s->at + first;

	for (int i = 0, run; i < n; i += run) {
		for (run = 1; i + run < n && at[i + run] == at[i] + (uint32_t)run;) run++;
		if (s->of->fetch(s->of, at[i], run, to + (size_t)i * (size_t)set->width)) return -1;
	}
	return 0;
}

static const float *row(const struct knn_set *set, int64_t i)
{
	const struct subset *s = set->ctx;

	return s->of->row(s->of, s->at[i]);
}

int subset_open(struct subset *s, const struct knn_set *of, const uint32_t *at, int64_t n)
{
	*s = (struct subset){ .of = of, .at = at };
	s->set = (struct knn_set){ .name = of->name, .count = n, .width = of->width,
		.fetch = fetch, .row = of->row ? row : NULL, .ctx = s };
	s->keys = mem_big((size_t)n, sizeof *s->keys, "keys");
	if (of->norm) s->set.norm = mem_big((size_t)n, sizeof *s->set.norm, "norms");
	if (!s->keys || (of->norm && !s->set.norm)) {
		subset_close(s);
		return -1;
	}
	s->set.keys = s->keys;
	for (int64_t i = 0; i < n; i++) {
		s->keys[i] = knn_key(of, at[i]);
		if (!of->norm) continue;
		s->set.norm[i] = of->norm[at[i]];
		s->set.longest = fmax(s->set.longest, s->set.norm[i]);
	}
	return 0;
}

void subset_close(struct subset *s)
{
	free(s->keys);
	free(s->set.norm);
	*s = (struct subset){ .of = NULL };
}
