/* init: where the networks are in the files that are given, and whether they fit. */
#include "lib/gan/init.h"
#include "formats/weights.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/gan/named.h"

#include <stdlib.h>
#include <string.h>

enum { FILES = 3 };

/* Where each network comes from; t NULL: from nowhere. */
struct source { const struct tensors *t; const char *prefix; };

struct sources {
	const char *list;
	struct tensors file[FILES];
	int files;
	bool fresh;                          /* a new discriminator is wanted */
	struct source g, d, ema;
};

static int give(struct source *s, const struct tensors *t, const char *prefix, const char *what)
{
	if (s->t) return fail("%s: found %s, after %s, which is one", t->path, what, s->t->path);
	*s = (struct source){ t, prefix };
	return 0;
}

/* Networks tell themselves apart by their tensors; of two generators the first is G, as only the
 * order says. */
static int assign(struct sources *s, const struct tensors *t)
{
	if (named_has_generator(t, "G."))
		return give(&s->g, t, "G.", "a generator") ||
		       give(&s->d, t, "D.", "a discriminator") ||
		       give(&s->ema, t, "G_ema.", "an averaged generator") ? -1 : 0;
	if (named_has_generator(t, ""))
		return s->g.t ? give(&s->ema, t, "", "an averaged generator")
			      : give(&s->g, t, "", "a generator");
	if (named_has_discriminator(t, ""))
		return give(&s->d, t, "", "a discriminator");
	return fail("%s: found neither a checkpoint nor a generator or discriminator", t->path);
}

static int open_list(struct sources *s, char *names)
{
	char *save, *name = strtok_r(names, ",", &save);

	for (; name; name = strtok_r(NULL, ",", &save)) {
		if (!strcmp(name, "new")) {
			s->fresh = true;
			continue;
		}
		if (s->files == FILES) return fail("%s: more than %d files", s->list, FILES);
		if (weights_open(&s->file[s->files], name)) return -1;
		if (assign(s, &s->file[s->files++])) return -1;
	}
	if (!s->g.t) return fail("%s: found no generator, expected one", s->list);
	if (s->d.t && s->fresh)
		return fail("%s: found a discriminator and the word new, expected one of them",
			    s->list);
	return s->d.t || s->fresh ? 0
				  : fail("%s: found no discriminator, expected one, or the word "
					 "new for a fresh one",
					 s->list);
}

static int architecture(const struct sources *s, struct model *c)
{
	if (named_generator(s->g.t, s->g.prefix, c)) return -1;
	if (s->d.t) return named_discriminator(s->d.t, s->d.prefix, c);
	if (c->backbone == BIGGAN) c->biggan.d_ch = c->biggan.g_ch;
	return model_check_d(c);
}

static int check(const struct source *s, const struct params *ps)
{
	struct named w = { s->prefix, ps, true };
	return s->t && (named_check(s->t, &w) || named_strangers(s->t, &w, 1)) ? -1 : 0;
}

/* Shapes first, so that nothing is allocated that the files do not hold. */
static int check_all(const struct sources *s, const struct model *c)
{
	struct params gp, dp;

	model_g_params(c, &gp);
	model_d_params(c, &dp);
	int bad = check(&s->g, &gp) || check(&s->ema, &gp) || check(&s->d, &dp);
	param_free(&gp);
	param_free(&dp);
	return bad ? -1 : 0;
}

static int take(const struct source *s, const struct params *ps, real *data)
{
	return named_take(s->t, &(struct named){ s->prefix, ps, true }, data);
}

static int fill(struct gan *g, const struct sources *s)
{
	if (take(&s->g, &g->gp, g->g)) return -1;
	if (s->d.t ? take(&s->d, &g->dp, g->d) : param_init(&g->dp, g->d, ~g->seed)) return -1;
	if (s->ema.t) return take(&s->ema, &g->gp, g->ema);
	memcpy(g->ema, g->g, g->gp.total * sizeof *g->g);
	return 0;
}

int gan_init(struct gan *g, const char *list, uint64_t seed)
{
	struct sources s = { .list = list };
	struct model c;
	char *names = mem_text("%s", list);
	int bad = open_list(&s, names) || architecture(&s, &c) ||
		  check_all(&s, &c) || gan_alloc(g, &c);

	if (!bad) {
		g->seed = seed;
		bad = fill(g, &s);
		if (bad) gan_free(g);
	}
	while (s.files) tensors_close(&s.file[--s.files]);
	free(names);
	return bad ? -1 : 0;
}

static int check_channels(const struct stylegan2 *c, const struct stylegan2 *want)
{
	for (int side = 4; side <= c->resolution; side *= 2) {
		int n = stylegan2_channels(c, side), expected = stylegan2_channels(want, side);
		if (n != expected)
			return fail("--init: found networks of %d channels at %d pixels, expected "
				    "%d by --ch", n, side, expected);
	}
	return 0;
}

int init_check(const struct model *c, const struct model *want, const struct data *d, bool by_ch,
	bool by_layers)
{
	bool style = want->backbone == STYLEGAN2;

	if (c->backbone != want->backbone)
		return fail("--init: found networks of %s, expected %s's as --backbone says",
			    model_name(c), model_name(want));
	if (c->resolution != want->resolution)
		return fail("--init: found networks of %d pixels, expected %d as %s", c->resolution,
			    want->resolution, rows_path(&d->images));
	if (c->instance_cond != want->instance_cond || model_by_class(c) != model_by_class(want))
		return fail("--init: found networks conditioned on %s, expected on %s",
			    model_conditions(c), model_conditions(want));
	if (c->instance_cond && c->features != want->features)
		return fail("--init: found networks for rows of %d, expected %d as %s", c->features,
			    want->features, rows_path(&d->features));
	if (c->class_cond && c->n_classes < want->n_classes)
		return fail("--init: found networks of %d classes, expected %d as %s", c->n_classes,
			    want->n_classes,
			    d->labels_id != d->images.info.id ? "--labels" : rows_path(&d->images));
	if (by_ch && style && check_channels(&c->stylegan2, &want->stylegan2)) return -1;
	if (by_ch && !style && c->biggan.g_ch != want->biggan.g_ch)
		return fail("--init: found a generator of ch %d, expected %d by --ch",
			    c->biggan.g_ch, want->biggan.g_ch);
	if (by_layers && c->stylegan2.g_layers != want->stylegan2.g_layers)
		return fail("--init: found a generator of %d layers, expected %d by --layers",
			    c->stylegan2.g_layers, want->stylegan2.g_layers);
	return 0;
}
