/* picked: rows are read through the set that has them; their norms are copied. */
#include "lib/stat/picked.h"
#include "lib/base/mem.h"

#include <stdlib.h>

static int fetch(const struct knn_set *s, int64_t first, int n, float *to)
{
	const struct picked *p = s->ctx;

	for (int i = 0; i < n; i++)
		if (p->of->fetch(p->of, p->at[first + i], 1, to + (size_t)i * (size_t)s->width))
			return -1;
	return 0;
}

static const float *row(const struct knn_set *s, int64_t i)
{
	const struct picked *p = s->ctx;

	return p->of->row(p->of, p->at[i]);
}

void picked_open(struct picked *p, const struct knn_set *of, const uint32_t *at, int64_t n)
{
	*p = (struct picked){ .set = *of, .of = of, .at = at };
	p->set.count = n;
	p->set.fetch = fetch;
	p->set.row = of->row ? row : NULL;
	p->set.ctx = p;
	p->set.keys = p->keys = mem_new((size_t)n, sizeof *p->keys);
	p->set.norm = mem_new((size_t)n, sizeof *p->set.norm);
	for (int64_t i = 0; i < n; i++) {
		p->keys[i] = knn_key(of, at[i]);
		p->set.norm[i] = of->norm[at[i]];
	}
}

void picked_close(struct picked *p)
{
	free(p->keys);
	free(p->set.norm);
	*p = (struct picked){ .of = NULL };
}
