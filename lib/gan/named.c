/* named: networks in files by their published names. */
#include "lib/gan/named.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
static int take_widened(const struct param *p, const struct tensor *x, real *data)
{
	float *v = mem_big((size_t)x->count, sizeof *v, p->name);
	int bad = !v || tensor_floats(x, v);

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
			bad = x ? take_widened(p, x, data) : -1;
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

/* Spec biggan 1.8: blocks give the resolution, rows of the first layer ch, widths the
 * conditions. */
int named_generator(const struct tensors *t, const char *prefix, struct biggan *c)
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
		return fail("%s: the shapes under \"%s\" are not those of a generator", t->path,
			    prefix);
	return biggan_check(c) ? fail("%s: %s", t->path, why()) : 0;
}

int named_discriminator(const struct tensors *t, const char *prefix, struct biggan *c)
{
	c->d_ch = (int)dim(t, prefix, "blocks.0.0.conv1.weight", 0) / (c->resolution == 32 ? 4 : 1);
	return biggan_check_d(c) ? fail("%s: %s", t->path, why()) : 0;
}
