/* named: networks in files by their published names. */
#include "lib/gan/named.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tensors by which networks are known. */
#define BIGGAN_G "output_layer.2.weight"
#define BIGGAN_D "blocks.0.0.conv1.weight"
#define STYLEGAN2_G "synthesis.b4.const"
#define STYLEGAN2_D "b4.out.weight"

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

int named_check(const struct tensors *t, const struct named *w)
{
	for (int i = 0; i < w->ps->n; i++) {
		const struct param *p = &w->ps->p[i];
		if ((p->trained || w->buffers) && !find(t, w->prefix, p)) return -1;
	}
	return 0;
}

int named_strangers(const struct tensors *t, const struct named *w, int n)
{
	for (int i = 0; i < t->n; i++) {
		const char *name = t->t[i].name;
		bool prefixed = false, known = false;
		for (int k = 0; k < n && !known; k++) {
			size_t length = strlen(w[k].prefix);
			if (strncmp(name, w[k].prefix, length)) continue;
			prefixed = true;
			int at = param_find(w[k].ps, name + length);
			known = at >= 0 && (w[k].ps->p[at].trained || w[k].buffers);
		}
		if (prefixed && !known)
			return fail("%s: found tensor %.200s, which a network of these shapes has "
				    "not",
				    t->path, name);
	}
	return 0;
}

struct taking { const struct param **p; const struct tensor **x; real *data; };

static void take_one(void *ctx, int64_t i, int worker)
{
	const struct taking *k = ctx;

	(void)worker;
	param_import(k->p[i], k->x[i]->data, k->data);
}

/* By way of memory of its own. */
static int take_widened(const char *path, const struct param *p, const struct tensor *x,
			real *data)
{
	float *v = mem_big((size_t)x->count, sizeof *v, p->name);
	int bad = !v || tensor_floats(path, x, v);

	if (!bad) param_import(p, v, data);
	free(v);
	return bad ? -1 : 0;
}

/* Floats go straight from the file's map into place, by all threads. */
int named_take(const struct tensors *t, const struct named *w, real *data)
{
	size_t most = (size_t)w->ps->n;
	struct taking k = { mem_new(most, sizeof *k.p), mem_new(most, sizeof *k.x), data };
	int64_t n = 0;
	int bad = 0;

	for (int i = 0; i < w->ps->n && !bad; i++) {
		const struct param *p = &w->ps->p[i];
		if (!p->trained && !w->buffers) continue;
		const struct tensor *x = find(t, w->prefix, p);
		if (x && x->type == DT_F32 && (uintptr_t)x->data % _Alignof(float) == 0)
			k.p[n] = p, k.x[n++] = x;
		else
			bad = x ? take_widened(t->path, p, x, data) : -1;
	}
	if (!bad) par_for(n, &k, take_one);
	free(k.p);
	free(k.x);
	return bad;
}

/* A size of a tensor; 0 for what is not there or so large that sums of a few would not fit an
 * int. */
static int64_t dim(const struct tensors *t, const char *prefix, const char *leaf, int axis)
{
	char name[96];
	snprintf(name, sizeof name, "%s%s", prefix, leaf);
	const struct tensor *x = tensors_find(t, name);

	return !x || axis >= x->rank || x->shape[axis] > 1 << 24 ? 0 : x->shape[axis];
}

static int blocks(const struct tensors *t, const char *prefix)
{
	char name[64];
	int n = 0;

	while (snprintf(name, sizeof name, "blocks.%d.0.conv1.weight", n),
	       dim(t, prefix, name, 0) > 0)
		n++;
	return n;
}

static int not_a_generator(const struct tensors *t, const char *prefix)
{
	return fail("%s: the shapes under \"%s\" are not those of a generator", t->path, prefix);
}

/* Spec biggan 1.8: blocks give the resolution, rows of the first layer ch, widths the
 * conditions. */
static int biggan_of(const struct tensors *t, const char *prefix, struct biggan *c)
{
	int n = blocks(t, prefix);
	int64_t rows = dim(t, prefix, "linear.weight", 0),
		chunk = dim(t, prefix, "linear.weight", 1);
	int64_t width = dim(t, prefix, "blocks.0.0.bn1.gain.weight", 1),
		feat = dim(t, prefix, "shared_feat.weight", 0);

	*c = biggan_default();
	if (n < 3 || n > 7)
		return fail("%s: %d generator blocks under \"%s\", expected 3 (32 pixels) to 7 "
			    "(512)",
			    t->path, n, prefix);
	c->resolution = 4 << n;
	c->g_ch = (int)(rows / (n == 3 ? 64 : 256));
	c->dim_z = (int)chunk * (n + 1);
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
		return not_a_generator(t, prefix);
	return 0;
}

static int layer_dim(const struct tensors *t, const char *prefix, const char *fmt, int k, int axis)
{
	char name[64];

	snprintf(name, sizeof name, fmt, k);
	return (int)dim(t, prefix, name, axis);
}

/* A number that a snapshot of PyTorch's has among the attributes of a module (ic-weights(5)), where
 * null is none. */
static void take_attribute(const struct tensors *t, const char *prefix, const char *module,
			   const char *name, double *to)
{
	char key[64], field[32];

	snprintf(key, sizeof key, "%s%s", prefix, module);
	snprintf(field, sizeof field, "\"%s\":", name);
	const char *at = tensors_meta(t, key), *last = NULL;
	while (at && (at = strstr(at, field))) last = at += strlen(field);
	if (last) *to = strncmp(last, "null", 4) ? strtod(last, NULL) : INFINITY;
}

static void take_number(const struct tensors *t, const char *name, double *to)
{
	const char *s = tensors_meta(t, name);
	if (s) *to = strtod(s, NULL);
}

/* What shapes do not say, where a file does: a snapshot, what was exported from one, a
 * checkpoint. */
static void take_g_meta(const struct tensors *t, const char *prefix, struct stylegan2 *c)
{
	const char *const of[] = { "G.", "G_ema.", prefix };

	for (size_t i = 0; i < LEN(of); i++)
		take_attribute(t, of[i], "synthesis.b4.conv1", "conv_clamp", &c->g_clamp);
	take_number(t, "clamp_g", &c->g_clamp);
}

static void take_d_meta(const struct tensors *t, const char *prefix, struct stylegan2 *c)
{
	const char *const of[] = { "D.", prefix };
	double group = c->group;

	for (size_t i = 0; i < LEN(of); i++) {
		take_attribute(t, of[i], "b4.conv", "conv_clamp", &c->d_clamp);
		take_attribute(t, of[i], "b4.mbstd", "group_size", &group);
	}
	take_number(t, "clamp_d", &c->d_clamp);
	take_number(t, "group", &group);
	c->group = group >= 1 && group < 1 << 24 ? (int)group : 0;
}

/* Channels are the lesser of base / side and a bound, which is what the smallest side has.  Of the
 * bases that give a side its channels, channels times side is the least; what is not of this form
 * has other shapes than expected somewhere. */
static int channels_of(const struct tensors *t, const char *prefix, struct stylegan2 *c)
{
	static const char conv[] = "synthesis.b%d.conv1.weight";
	int64_t base = 0;
	int n, side = 4;

	c->channel_max = layer_dim(t, prefix, conv, side, 0);
	for (; side <= STYLEGAN2_SIDE && (n = layer_dim(t, prefix, conv, side, 0)) > 0; side *= 2)
		if (n * (int64_t)side > base) base = n * (int64_t)side;
	c->resolution = side / 2;
	c->channel_base = base <= INT_MAX ? (int)base : 0;
	return c->channel_base;
}

static int stylegan2_of(const struct tensors *t, const char *prefix, struct stylegan2 *c)
{
	static const char fc[] = "mapping.fc%d.weight";
	int embedded = 0;

	*c = stylegan2_default();
	for (c->g_layers = 0; layer_dim(t, prefix, fc, c->g_layers, 0) > 0;) c->g_layers++;
	c->dim_w = (int)dim(t, prefix, "mapping.w_avg", 0);
	c->n_classes = (int)dim(t, prefix, "mapping.embed.weight", 1);
	c->features = (int)dim(t, prefix, "mapping.embed_feats.weight", 1);
	c->class_cond = c->n_classes > 0;
	c->instance_cond = c->features > 0;
	embedded = (c->class_cond + c->instance_cond) * c->dim_w;
	c->dim_z = layer_dim(t, prefix, fc, 0, 1) - embedded;
	take_g_meta(t, prefix, c);
	if (channels_of(t, prefix, c) < 1 || c->g_layers < 1 || c->dim_w < 1 || c->dim_z < 1)
		return not_a_generator(t, prefix);
	return 0;
}

bool named_has_generator(const struct tensors *t, const char *prefix)
{
	return dim(t, prefix, BIGGAN_G, 0) || dim(t, prefix, STYLEGAN2_G, 0);
}

bool named_has_discriminator(const struct tensors *t, const char *prefix)
{
	return dim(t, prefix, BIGGAN_D, 0) || dim(t, prefix, STYLEGAN2_D, 0);
}

int named_generator(const struct tensors *t, const char *prefix, struct model *m)
{
	if (!named_has_generator(t, prefix))
		return fail("%s: found no tensor %s" BIGGAN_G " or %s" STYLEGAN2_G
			    ", expected a generator", t->path, prefix, prefix);
	*m = (struct model){ .backbone = dim(t, prefix, STYLEGAN2_G, 0) ? STYLEGAN2 : BIGGAN };
	if (m->backbone == BIGGAN ? biggan_of(t, prefix, &m->biggan)
				  : stylegan2_of(t, prefix, &m->stylegan2))
		return -1;
	return model_check(m) ? fail("%s: %s", t->path, why()) : 0;
}

int named_discriminator(const struct tensors *t, const char *prefix, struct model *m)
{
	if (m->backbone == BIGGAN)
		m->biggan.d_ch = (int)dim(t, prefix, BIGGAN_D, 0) /
				 (m->resolution == 32 ? 4 : 1);
	else take_d_meta(t, prefix, &m->stylegan2);
	return model_check_d(m) ? fail("%s: %s", t->path, why()) : 0;
}
