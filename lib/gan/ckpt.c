/* ckpt: checkpoints as safetensors with published names (ic-ckpt(5)). */
#include "lib/gan/state.h"
#include "formats/weights.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The parts of a checkpoint: a prefix of names, where the values are, whether buffers (u0, stored_*) belong to it. */
struct part_of { const char *prefix; const struct params *ps; real *data; bool buffers; };

static int list_parts(const struct gan *s, struct part_of out[7])
{
	const struct part_of all[] = {
		{ "G.", &s->gp, s->g, true },             { "D.", &s->dp, s->d, true },
		{ "G_ema.", &s->gp, s->ema, true },       { "adam.G.m.", &s->gp, s->gm, false },
		{ "adam.G.v.", &s->gp, s->gv, false },    { "adam.D.m.", &s->dp, s->dm, false },
		{ "adam.D.v.", &s->dp, s->dv, false },
	};
	memcpy(out, all, sizeof all);
	return LEN(all);
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

int gan_save(const struct gan *s, const char *path)
{
	struct part_of part[7];
	struct tensors t = { 0 };
	int n = list_parts(s, part), made = 0, bad;
	float **copy = mem_new(7 * (size_t)(s->gp.n + s->dp.n), sizeof *copy);

	add_meta(&t, "format", "ic-ckpt 1");
	add_meta(&t, "step", "%" PRId64, s->step);
	add_meta(&t, "seed", "%" PRIu64, s->seed);
	add_meta(&t, "images", "%016" PRIx64, s->from.images);
	add_meta(&t, "features", "%016" PRIx64, s->from.features);
	add_meta(&t, "neighbours", "%016" PRIx64, s->from.neighbours);
	tensors_add_meta(&t, "options", s->options ? s->options : "");
	for (int k = 0; k < n; k++)
		for (int i = 0; i < part[k].ps->n; i++) {
			const struct param *p = &part[k].ps->p[i];
			char name[96];
			if (!p->trained && !part[k].buffers) continue;
			snprintf(name, sizeof name, "%s%s", part[k].prefix, p->name);
			copy[made] = mem_new(shape_count(p->s), sizeof **copy);
			param_export(p, part[k].data, copy[made]);
			tensors_add(&t, name, DT_F32, p->rank, p->shape, copy[made++]);
		}
	bad = tensors_save(&t, path, true);
	while (made) free(copy[--made]);
	free(copy);
	tensors_close(&t);
	return bad;
}

/* The tensor of a parameter, with its shape; NULL after fail(). */
static const struct tensor *find(const struct tensors *t, const char *prefix, const struct param *p)
{
	char name[96];
	snprintf(name, sizeof name, "%s%s", prefix, p->name);
	const struct tensor *x = tensors_find(t, name);
	bool same = x && x->rank == p->rank;

	for (int k = 0; same && k < p->rank; k++) same = x->shape[k] == p->shape[k];
	if (!x) fail("%s: no tensor %s", t->path, name);
	else if (!same)
		fail("%s: tensor %s has another shape than the others ask for", t->path, name);
	return same ? x : NULL;
}

/* Shapes first, so that nothing is allocated that the file does not hold. */
static int check_part(const struct tensors *t, const char *prefix, const struct params *ps,
		      bool buffers)
{
	for (int i = 0; i < ps->n; i++)
		if ((ps->p[i].trained || buffers) && !find(t, prefix, &ps->p[i])) return -1;
	return 0;
}

static int take_part(const struct tensors *t, const char *prefix, const struct params *ps,
		     real *data, bool buffers)
{
	for (int i = 0; i < ps->n; i++) {
		const struct param *p = &ps->p[i];
		if (!p->trained && !buffers) continue;
		const struct tensor *x = find(t, prefix, p);
		float *v = x ? mem_big((size_t)x->count, sizeof *v, p->name) : NULL;
		int bad = !v || tensor_floats(x, v);
		if (!bad) param_import(p, v, data);
		free(v);
		if (bad) return -1;
	}
	return 0;
}

/* A size of a tensor; 0 for what is not there or so large that sums of a few would not fit an int. */
static int64_t dim(const struct tensors *t, const char *prefix, const char *leaf, int axis)
{
	char name[96];
	snprintf(name, sizeof name, "%s%s", prefix, leaf);
	const struct tensor *x = tensors_find(t, name);

	return !x || axis >= x->rank || x->shape[axis] > 1 << 24 ? 0 : x->shape[axis];
}

/* Spec biggan 1.8: blocks give the resolution, rows of the first layer ch, widths the conditions. */
static int read_generator(const struct tensors *t, const char *prefix, struct biggan *c)
{
	char name[64];
	int blocks = 0;

	*c = biggan_default();
	while (snprintf(name, sizeof name, "blocks.%d.0.conv1.weight", blocks),
	       dim(t, prefix, name, 0) > 0)
		blocks++;
	int64_t rows = dim(t, prefix, "linear.weight", 0), chunk = dim(t, prefix, "linear.weight", 1);
	int64_t width = dim(t, prefix, "blocks.0.0.bn1.gain.weight", 1),
		feat = dim(t, prefix, "shared_feat.weight", 0);
	if (blocks < 3 || blocks > 7)
		return fail("%s: %d generator blocks under \"%s\", expected 3 (32 pixels) to 7 (512)",
			    t->path, blocks, prefix);
	c->resolution = 4 << blocks;
	c->g_ch = (int)(rows / (blocks == 3 ? 64 : 256));
	c->dim_z = (int)chunk * (blocks + 1);
	c->n_classes = (int)dim(t, prefix, "shared.weight", 0);
	c->shared_dim = (int)dim(t, prefix, "shared.weight", 1);
	c->instance_cond = feat > 0;
	if (feat) {
		c->shared_dim_feat = (int)feat;
		c->features = (int)dim(t, prefix, "shared_feat.weight", 1);
	}
	c->class_cond = width == chunk + feat + c->shared_dim;
	if (c->g_ch < 1 || chunk < 1 || c->n_classes < 1 || c->shared_dim < 1 ||
	    (!c->class_cond && width != chunk + feat))
		return fail("%s: the shapes under \"%s\" are not those of a generator", t->path,
			    prefix);
	return biggan_check(c);
}

static uint64_t meta_number(const struct tensors *t, const char *name, int base)
{
	const char *s = tensors_meta(t, name);
	return s ? strtoull(s, NULL, base) : 0;
}

static void read_meta(struct gan *s, const struct tensors *t)
{
	const char *options = tensors_meta(t, "options");

	s->step = (int64_t)(meta_number(t, "step", 10) & INT64_MAX);
	s->seed = meta_number(t, "seed", 10);
	s->from.images = meta_number(t, "images", 16);
	s->from.features = meta_number(t, "features", 16);
	s->from.neighbours = meta_number(t, "neighbours", 16);
	s->options = options ? mem_text("%s", options) : NULL;
}

static int check_shapes(const struct tensors *t, const struct biggan *c)
{
	struct gan s = { 0 };                /* no buffers yet */
	struct part_of part[7];
	int bad = 0;

	biggan_g_params(c, &s.gp);
	biggan_d_params(c, &s.dp);
	int n = list_parts(&s, part);
	for (int k = 0; k < n && !bad; k++)
		bad = check_part(t, part[k].prefix, part[k].ps, part[k].buffers);
	gan_free(&s);
	return bad;
}

int gan_load(struct gan *s, const char *path)
{
	struct tensors t = { 0 };
	struct part_of part[7];
	struct biggan c;
	const char *format;

	*s = (struct gan){ 0 };
	if (tensors_open(&t, path)) return -1;
	format = tensors_meta(&t, "format");
	if (!format || strcmp(format, "ic-ckpt 1")) {
		fail("%s: format \"%s\", expected a checkpoint of ic-train, \"ic-ckpt 1\"", path,
		     format ? format : "");
		goto fail;
	}
	if (read_generator(&t, "G.", &c)) goto fail;
	c.d_ch = (int)dim(&t, "D.", "blocks.0.0.conv1.weight", 0) / (c.resolution == 32 ? 4 : 1);
	if (biggan_check_d(&c) || check_shapes(&t, &c) || gan_alloc(s, &c)) goto fail;
	read_meta(s, &t);
	int n = list_parts(s, part);
	for (int k = 0; k < n; k++)
		if (take_part(&t, part[k].prefix, part[k].ps, part[k].data, part[k].buffers))
			goto fail;
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
	const char *prefix = tensors_find(&t, "G_ema.linear.weight") ? "G_ema." : "";
	if (read_generator(&t, prefix, &s->c)) goto fail;
	biggan_g_params(&s->c, &s->gp);
	if (check_part(&t, prefix, &s->gp, true) || !(s->ema = param_buffer(&s->gp))) goto fail;
	read_meta(s, &t);
	if (take_part(&t, prefix, &s->gp, s->ema, true)) goto fail;
	tensors_close(&t);
	return 0;
fail:
	tensors_close(&t);
	gan_free(s);
	return -1;
}
