/* state: what persists between training steps. */
#include "lib/gan/state.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

int gan_shape(struct gan *s, const struct model *c)
{
	*s = (struct gan){ .c = *c };
	if (model_check_d(c)) return -1;
	model_g_params(c, &s->gp);
	model_d_params(c, &s->dp);
	if (!param_check(&s->gp) && !param_check(&s->dp)) return 0;
	gan_free(s);
	return -1;
}

int gan_alloc(struct gan *s, const struct model *c)
{
	if (gan_shape(s, c)) return -1;
	real **const gs[] = { &s->g, &s->ema, &s->gm, &s->gv },
		     **const ds[] = { &s->d, &s->dm, &s->dv };
	bool good = true;
	for (size_t i = 0; i < LEN(gs); i++) good = good && (*gs[i] = param_buffer(&s->gp));
	for (size_t i = 0; i < LEN(ds); i++) good = good && (*ds[i] = param_buffer(&s->dp));
	s->path = mem_new(1, sizeof *s->path);
	if (!good) gan_free(s);
	return good ? 0 : -1;
}

int gan_new(struct gan *s, const struct model *c, uint64_t seed)
{
	if (gan_alloc(s, c)) return -1;
	s->seed = seed;
	if (param_init(&s->gp, s->g, seed) || param_init(&s->dp, s->d, ~seed)) {
		gan_free(s);
		return -1;
	}
	memcpy(s->ema, s->g, s->gp.total * sizeof *s->g);
	malloc_trim(0);                      /* what it took to make them goes back */
	return 0;
}

struct rows_info gan_features(const struct gan *s)
{
	struct rows_info info = { .kind = "features", .type = ROWS_F32, .width = s->c.features };

	if (s->features_meta)
		snprintf(info.meta, sizeof info.meta, "%s", s->features_meta);
	return info;
}

uint64_t gan_run(const struct gan *s)
{
	struct hash h;

	hash_start(&h);
	hash_add(&h, &s->from, sizeof s->from);
	hash_add(&h, &s->seed, sizeof s->seed);
	hash_add(&h, s->options, strlen(s->options));
	return hash_end(&h);
}

void gan_free(struct gan *s)
{
	real *const all[] = { s->g, s->d, s->ema, s->gm, s->gv, s->dm, s->dv, s->path };

	for (size_t i = 0; i < LEN(all); i++) free(all[i]);
	param_free(&s->gp);
	param_free(&s->dp);
	free(s->options);
	free(s->features_meta);
	*s = (struct gan){ 0 };
}

int gan_restore(struct gan *s, const struct gan *from)
{
	real *const to[] = { s->g, s->ema, s->gm, s->gv, s->d, s->dm, s->dv };
	real *const of[] = { from->g,  from->ema, from->gm, from->gv,
			     from->d, from->dm,  from->dv };

	if (s->gp.total != from->gp.total || s->dp.total != from->dp.total)
		return fail("a state of networks of another size");
	for (size_t i = 0; i < LEN(to); i++)
		memcpy(to[i], of[i], (i < 4 ? s->gp.total : s->dp.total) * sizeof **to);
	*s->path = *from->path;
	memcpy(s->penalty, from->penalty, sizeof s->penalty);
	s->step = from->step;
	s->due = from->due;
	return 0;
}
