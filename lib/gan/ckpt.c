/* ckpt: checkpoints as safetensors with published names (ic-ckpt(5)). */
#include "lib/gan/state.h"
#include "lib/gan/sentinel.h"
#include "formats/weights.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/gan/named.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The parts of a checkpoint and where their values are. */
struct part { struct named named; real *data; };
enum { PARTS = 7 };

static void list_parts(const struct gan *s, struct part out[PARTS])
{
	const struct part all[PARTS] = {
		{ { "G.", &s->gp, true }, s->g },
		{ { "D.", &s->dp, true }, s->d },
		{ { "G_ema.", &s->gp, true }, s->ema },
		{ { "adam.G.m.", &s->gp, false }, s->gm },
		{ { "adam.G.v.", &s->gp, false }, s->gv },
		{ { "adam.D.m.", &s->dp, false }, s->dm },
		{ { "adam.D.v.", &s->dp, false }, s->dv },
	};
	memcpy(out, all, sizeof all);
}

static void add_meta(struct tensors *t, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void add_meta(struct tensors *t, const char *name, const char *fmt, ...)
{
	char text[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	tensors_add_meta(t, name, text);
}

/* A tensor to be brought into the published order when it is written. */
struct export { const struct param *p; const real *data; float *out; };

static const void *export(void *ctx)
{
	const struct export *e = ctx;

	param_export(e->p, e->data, e->out);
	return e->out;
}

static float *largest(const struct gan *s)
{
	const struct params *ps[] = { &s->gp, &s->dp };
	size_t n = 0;

	for (size_t k = 0; k < LEN(ps); k++)
		for (int i = 0; i < ps[k]->n; i++)
			if (shape_count(ps[k]->p[i].s) > n) n = shape_count(ps[k]->p[i].s);
	return mem_new(n, sizeof(float));
}

/* What is there once a score was measured, once the run went back, and where it was stopped. */
static void add_history(struct tensors *t, const struct gan *s)
{
	if (s->best.real) {
		add_meta(t, "best", "%.17g", s->best.score);
		add_meta(t, "best_step", "%" PRId64, s->best.step);
		add_meta(t, "best_real", "%016" PRIx64, s->best.real);
		add_meta(t, "best_samples", "%d", s->best.samples);
	}
	if (s->setback.count) {
		add_meta(t, "returns", "%d", s->setback.count);
		add_meta(t, "return_from", "%" PRId64, s->setback.from);
		add_meta(t, "return_to", "%" PRId64, s->setback.to);
		add_meta(t, "return_why", "%s", sentinel_word((enum collapse)s->setback.how));
	}
	if (s->due) add_meta(t, "look", "due");
}

/* What the shapes do not say, and what goes on beside the weights. */
static void add_stylegan2(struct tensors *t, const struct gan *s)
{
	const struct stylegan2 *c = &s->c.stylegan2;

	add_meta(t, "clamp_g", "%.17g", c->g_clamp);
	add_meta(t, "clamp_d", "%.17g", c->d_clamp);
	add_meta(t, "group", "%d", c->group);
	add_meta(t, "path_mean", "%.9g", (double)*s->path);
	add_meta(t, "last_r1", "%.9g", (double)s->penalty[0]);
	add_meta(t, "last_path", "%.9g", (double)s->penalty[1]);
}

int gan_save(const struct gan *s, const char *path)
{
	struct part part[PARTS];
	struct tensors t = { 0 };
	int made = 0, bad;
	struct export *tensor = mem_new(PARTS * (size_t)(s->gp.n + s->dp.n), sizeof *tensor);
	float *out = largest(s);

	add_meta(&t, "format", "ic-ckpt 1");
	add_meta(&t, "step", "%" PRId64, s->step);
	add_meta(&t, "seed", "%" PRIu64, s->seed);
	add_meta(&t, "images", "%016" PRIx64, s->from.images);
	add_meta(&t, "features", "%016" PRIx64, s->from.features);
	add_meta(&t, "neighbours", "%016" PRIx64, s->from.neighbours);
	tensors_add_meta(&t, "options", s->options ? s->options : "");
	if (s->features_meta) tensors_add_meta(&t, "features_meta", s->features_meta);
	if (s->c.backbone == STYLEGAN2) add_stylegan2(&t, s);
	add_history(&t, s);
	list_parts(s, part);
	for (int k = 0; k < PARTS; k++)
		for (int i = 0; i < part[k].named.ps->n; i++) {
			const struct named *w = &part[k].named;
			const struct param *p = &w->ps->p[i];
			char name[96];
			if (!p->trained && !w->buffers) continue;
			snprintf(name, sizeof name, "%s%s", w->prefix, p->name);
			tensor[made] = (struct export){ p, part[k].data, out };
			tensors_add_made(&t, name, DT_F32, p->rank, p->shape, export,
					 &tensor[made++]);
		}
	bad = tensors_save(&t, path, true);
	free(tensor);
	free(out);
	tensors_close(&t);
	return bad;
}

static uint64_t meta_number(const struct tensors *t, const char *name, int base)
{
	const char *s = tensors_meta(t, name);
	return s ? strtoull(s, NULL, base) : 0;
}

/* What is not there stays as it is. */
static int take_real(const struct tensors *t, const char *name, real *to)
{
	const char *s = tensors_meta(t, name);

	if (s) *to = (real)strtod(s, NULL);
	return isfinite(*to) ? 0 : fail("%s: found %s %.40s, expected a finite number", t->path,
					name, s);
}

static int64_t meta_step(const struct tensors *t, const char *name)
{
	return (int64_t)(meta_number(t, name, 10) & INT64_MAX);
}

static void read_history(struct gan *s, const struct tensors *t)
{
	const char *best = tensors_meta(t, "best"), *how = tensors_meta(t, "return_why");

	if (best) {
		s->best.score = strtod(best, NULL);
		s->best.step = meta_step(t, "best_step");
		s->best.real = meta_number(t, "best_real", 16);
		s->best.samples = (int)(meta_number(t, "best_samples", 10) & INT_MAX);
	}
	s->setback.count = (int)(meta_number(t, "returns", 10) & INT_MAX);
	s->setback.from = meta_step(t, "return_from");
	s->setback.to = meta_step(t, "return_to");
	s->setback.how = (int)sentinel_named(how ? how : "");
	s->due = tensors_meta(t, "look") != NULL;
}

static void read_meta(struct gan *s, const struct tensors *t)
{
	const char *options = tensors_meta(t, "options"), *made = tensors_meta(t, "features_meta");

	s->id = tensors_id(t);
	s->step = meta_step(t, "step");
	s->seed = meta_number(t, "seed", 10);
	s->from.images = meta_number(t, "images", 16);
	s->from.features = meta_number(t, "features", 16);
	s->from.neighbours = meta_number(t, "neighbours", 16);
	s->options = options ? mem_text("%s", options) : NULL;
	s->features_meta = made ? mem_text("%s", made) : NULL;
	read_history(s, t);
}

/* Every part, and nothing else. */
static int check_parts(const struct tensors *t, const struct model *c)
{
	struct gan s;
	struct part part[PARTS];
	struct named all[PARTS + 1];
	int bad = gan_shape(&s, c);

	list_parts(&s, part);
	for (int k = 0; k < PARTS && !bad; k++) {
		all[k] = part[k].named;
		bad = named_check(t, &all[k]);
	}
	all[PARTS] = (struct named){ .prefix = "", .ps = &(struct params){ 0 } };
	bad = bad || named_strangers(t, all, PARTS + 1);
	gan_free(&s);
	return bad;
}

int gan_load(struct gan *s, const char *path)
{
	struct tensors t = { 0 };
	struct part part[PARTS];
	struct model c;
	const char *format;

	*s = (struct gan){ 0 };
	if (tensors_open(&t, path)) return -1;
	format = tensors_meta(&t, "format");
	if (!format || strcmp(format, "ic-ckpt 1")) {
		fail("%s: format \"%s\", expected a checkpoint of ic-train, \"ic-ckpt 1\"", path,
		     format ? format : "");
		goto fail;
	}
	if (named_generator(&t, "G.", &c) || named_discriminator(&t, "D.", &c) ||
	    check_parts(&t, &c) || gan_alloc(s, &c))
		goto fail;
	read_meta(s, &t);
	if (take_real(&t, "path_mean", s->path) || take_real(&t, "last_r1", &s->penalty[0]) ||
	    take_real(&t, "last_path", &s->penalty[1]))
		goto fail;
	list_parts(s, part);
	for (int k = 0; k < PARTS; k++)
		if (named_take(&t, &part[k].named, part[k].data)) goto fail;
	tensors_close(&t);
	return 0;
fail:
	tensors_close(&t);
	gan_free(s);
	return -1;
}

int gan_load_sampler(struct gan *s, const char *path)
{
	struct tensors t = { 0 };

	*s = (struct gan){ 0 };
	if (weights_open(&t, path)) return -1;
	struct named w = { named_has_generator(&t, "G_ema.") ? "G_ema." : "", &s->gp, true };
	if (named_generator(&t, w.prefix, &s->c)) goto fail;
	model_g_params(&s->c, &s->gp);
	if (named_check(&t, &w) || named_strangers(&t, &w, 1) || param_check(&s->gp)) goto fail;
	if (!(s->ema = param_buffer(&s->gp))) goto fail;
	read_meta(s, &t);
	if (named_take(&t, &w, s->ema)) goto fail;
	tensors_close(&t);
	return 0;
fail:
	tensors_close(&t);
	gan_free(s);
	return -1;
}
