/* data: real images and conditioning for training steps. */
#include "lib/gan/data.h"
#include "formats/features.h"
#include "formats/text.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/gan/sample.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Streams of the generator; the number of the draw is above these bits. */
enum stream { STREAM_ORDER = 1, STREAM_REAL, STREAM_FAKE, STREAM_AUGMENT, STREAM_FLIP,
	STREAM_STYLE };

enum { WORKERS = 10 };                       /* loader processes of the published runs */

static struct rng draws(const struct data *d, enum stream s, int64_t number)
{
	return rng_at(d->seed, (uint64_t)number << 8 | s);
}

static int open_any_store(struct rows *r, const char *path)
{
	if (rows_open(r, path)) return -1;
	if (rows_is_store(r)) return 0;
	return fail("%s: a stream, expected a store, as ic-store cat makes one of it", path);
}

static int open_store(struct rows *r, const char *path, const char *kind, enum rows_type type)
{
	if (open_any_store(r, path)) return -1;
	if (strcmp(r->info.kind, kind) || r->info.type != type)
		return fail("%s: holds %s of %s, expected %s of %s", path, r->info.kind,
			    text_type(r->info.type), kind, text_type(type));
	return 0;
}

static int check_shape(const char *path, const struct rows_info *i)
{
	if (i->height == i->im_width && i->channels == 3) return 0;
	return fail("%s: found pictures of %dx%d in %d channels, expected squares in 3 (ic-pack "
		    "crops)", path, i->im_width, i->height, i->channels);
}

/* Derived rows belong to these images, one for one. */
static int check_rows(struct data *d, struct rows *r)
{
	const struct rows_info *a = &d->images.info, *b = &r->info;
	struct block x = { 0 }, y = { 0 };

	if (rows_root(b) != rows_root(a))
		return fail("%s: made from images %016llx, but %s is %016llx", rows_path(r),
			    (unsigned long long)rows_root(b), rows_path(&d->images),
			    (unsigned long long)rows_root(a));
	if (b->count != a->count)
		return fail("%s: %lld rows, expected %lld as in %s", rows_path(r),
			    (long long)b->count, (long long)a->count, rows_path(&d->images));
	for (int64_t i = 0; i < a->count; i++, x.keys++, y.keys++, x.n--, y.n--) {
		if (!x.n && rows_at(&d->images, i, &x)) return -1;
		if (!y.n && rows_at(r, i, &y)) return -1;
		if (*x.keys != *y.keys)
			return fail("%s: row %lld has key %llu, expected %llu as in %s",
				    rows_path(r), (long long)i, (unsigned long long)*y.keys,
				    (unsigned long long)*x.keys, rows_path(&d->images));
	}
	return 0;
}

/* Rows that name a network also say whether the pictures were mirrored. */
static int check_mirrored(const struct rows *r)
{
	char text[256];

	if (rows_meta(&r->info, "mirrored", text, sizeof text) ||
	    !rows_meta(&r->info, "net", text, sizeof text))
		return 0;
	return fail("%s: features of pictures as they are, expected those of ic-embed --flipped",
		    rows_path(r));
}

static int open_derived(struct data *d, const char *features, const char *near, const char *flipped)
{
	if (open_store(&d->features, features, "features", ROWS_F32) || check_rows(d, &d->features))
		return -1;
	if (open_store(&d->near, near, "neighbours", ROWS_NEAR) || check_rows(d, &d->near))
		return -1;
	if (d->near.info.from != d->features.info.id)
		return fail("%s: neighbours by features %016llx, but %s is %016llx", near,
			    (unsigned long long)d->near.info.from, features,
			    (unsigned long long)d->features.info.id);
	if (!flipped) return 0;
	if (open_store(&d->flipped, flipped, "features", ROWS_F32) || check_rows(d, &d->flipped))
		return -1;
	return check_mirrored(&d->flipped) ||
		features_alike(flipped, &d->flipped.info, features, &d->features.info) ? -1 : 0;
}

/* The label of every image: its own, or that of the row with its key. */
static int read_labels(struct data *d, struct rows *r)
{
	struct block b;

	if (!r->info.labelled)
		return fail("%s: has no labels, expected some to condition on", rows_path(r));
	if (!(d->label = mem_big((size_t)d->n, sizeof *d->label, "labels"))) return -1;
	for (int64_t i = 0; i < d->n; i += b.n) {
		if (rows_at(r, i, &b)) return -1;
		memcpy(d->label + i, b.labels, (size_t)b.n * sizeof *b.labels);
	}
	return 0;
}

int data_by_class(struct data *d, const char *labels, double temperature)
{
	struct rows other = { 0 }, *r = labels ? &other : &d->images;
	int bad = labels && open_any_store(r, labels) ? -1 : 0;

	bad = bad || (labels && check_rows(d, r)) || read_labels(d, r) ||
	      balance_open(&d->classes, rows_path(r), d->label, (size_t)d->n, temperature);
	if (!bad) d->labels_id = r->info.id;
	rows_close(&other);
	return bad ? -1 : 0;
}

int data_open(struct data *d, const char *images, const char *features, const char *near,
	      const char *flipped)
{
	*d = (struct data){ .instance_cond = features, .epoch = -1 };
	if (open_store(&d->images, images, "images", ROWS_U8)) goto fail;
	if (check_shape(images, &d->images.info)) goto fail;
	d->n = d->images.info.count;
	if (d->n < 1 || d->n > UINT32_MAX) {
		fail("%s: %" PRId64 " images, expected 1 to %" PRIu32, images, d->n, UINT32_MAX);
		goto fail;
	}
	if (features && open_derived(d, features, near, flipped)) goto fail;
	d->order = mem_new((size_t)d->n, sizeof *d->order);
	return 0;
fail:
	data_close(d);
	return -1;
}

void data_close(struct data *d)
{
	rows_close(&d->images);
	rows_close(&d->features);
	rows_close(&d->flipped);
	rows_close(&d->near);
	balance_close(&d->classes);
	free(d->label);
	free(d->order);
	*d = (struct data){ 0 };
}

void data_seed(struct data *d, uint64_t seed)
{
	d->seed = seed;
	d->epoch = -1;                       /* its order was another seed's */
}

int data_unit(const char *name, uint64_t key, const float *x, int width, real *f)
{
	double norm = 0;

	for (int k = 0; k < width; k++) norm += (double)x[k] * (double)x[k];
	if (!(norm > 0) || !isfinite(norm))
		return fail("%s: the row of key %" PRIu64 " is %s", name, key,
			    norm == 0 ? "all zero" : "not finite");
	norm = sqrt(norm);
	for (int k = 0; k < width; k++) f[k] = (real)((double)x[k] / norm);
	return 0;
}

/* Position of a uniformly drawn neighbour of i. */
static int64_t draw_neighbour(struct data *d, struct rng *r, int64_t i)
{
	struct block b;

	if (rows_at(&d->near, i, &b)) return -1;
	return rows_find(&d->images,
			 ((const uint32_t *)b.data)[rng_below(r, (uint32_t)d->near.info.width)]);
}

/* 0 for all where classes do not condition. */
static real label_of(const struct data *d, int64_t i)
{
	return d->label ? (real)d->label[i] : 0;
}

/* The image at position i in [-1,1], mirrored or not. */
static int take_image(struct data *d, int64_t i, bool mirrored, real *x)
{
	struct block b;
	int R = d->images.info.height;

	if (rows_at(&d->images, i, &b)) return -1;
	const uint8_t *from = b.data;
	for (int h = 0; h < R; h++)
		for (int w = 0; w < R; w++)
			for (int c = 0; c < 3; c++, x++) {
				int v = from[(h * R + (mirrored ? R - 1 - w : w)) * 3 + c];
				if (d->compat && v < 64 && v > 0) v--;
				*x = (real)v / (real)127.5 - 1;
			}
	return 0;
}

static int take_feature(struct data *d, struct rng *r, int64_t i, real *f)
{
	struct rows *from = d->flipped.s && (rng_u32(r) & 1) ? &d->flipped : &d->features;
	struct block b;

	if (rows_at(from, i, &b)) return -1;
	return data_unit(rows_path(from), b.keys[0], b.data, from->info.width, f);
}

static int64_t batches_per_epoch(const struct data *d, int batch)
{
	return d->n / batch ? d->n / batch : 1;
}

/* The permutation of the epoch that this place of the run is in; incomplete batches are dropped. */
static int64_t shuffled(struct data *d, int64_t batch_number, int batch, int k)
{
	int64_t per = batches_per_epoch(d, batch), epoch = batch_number / per;

	if (epoch != d->epoch) {
		struct rng r = draws(d, STREAM_ORDER, epoch);
		for (int64_t i = 0; i < d->n; i++) d->order[i] = (uint32_t)i;
		rng_shuffle(&r, d->order, (uint32_t)d->n);
		d->epoch = epoch;
	}
	return d->order[(batch_number % per * batch + k) % d->n];
}

/* The number whose draws choose neighbours and mirrored features.  In the reference worker i mod 10
 * loads what step i of an epoch needs, and all workers begin the epoch with the same random state:
 * ten steps in turn choose alike. */
static int64_t choices(const struct data *d, int64_t batch_number, int batch)
{
	int64_t per = batches_per_epoch(d, batch), at = batch_number % per;

	if (!d->compat) return batch_number;
	return batch_number - at + at / d->step_batches / WORKERS * d->step_batches +
	       at % d->step_batches;
}

int data_real(struct data *d, int64_t batch_number, int batch, real *x, real *y, real *f)
{
	struct rng choice = draws(d, STREAM_REAL, choices(d, batch_number, batch)),
		   coin = draws(d, STREAM_FLIP, batch_number);
	size_t pixels = (size_t)d->images.info.width, width = (size_t)d->features.info.width;

	for (int k = 0; k < batch; k++) {
		int64_t i = shuffled(d, batch_number, batch, k), j = i;
		if (f && take_feature(d, &choice, i, f + (size_t)k * width)) return -1;
		if (f && (j = draw_neighbour(d, &choice, i)) < 0) return -1;
		if (take_image(d, j, d->flip && (rng_u32(&coin) & 1), x + (size_t)k * pixels))
			return -1;
		if (y) y[k] = label_of(d, j);
	}
	return 0;
}

/* The conditioning of one fake picture on instances, and the label of a neighbour. */
static int fake_instance(struct data *d, struct rng *r, real *f, real *y)
{
	int64_t i = rng_below(r, (uint32_t)d->n);

	if (take_feature(d, r, i, f)) return -1;
	if (!y) return 0;
	if ((i = draw_neighbour(d, r, i)) < 0) return -1;
	*y = label_of(d, i);
	return 0;
}

int data_fake(struct data *d, int64_t draw, int batch, int dim_z, real *z, real *y, real *f)
{
	struct rng r = draws(d, STREAM_FAKE, draw);
	size_t width = (size_t)d->features.info.width;

	for (int k = 0; k < batch; k++) {
		real *label = y ? y + k : NULL;
		sampler_normal(&r, (size_t)dim_z, z + k * dim_z);
		if (f && fake_instance(d, &r, f + (size_t)k * width, label)) return -1;
		if (!f && y) *label = d->label ? (real)balance_draw(&d->classes, &r) : 0;
	}
	return 0;
}

void data_style(const struct data *d, int64_t draw, const struct phases *p, bool probe)
{
	struct rng r = draws(d, STREAM_STYLE, draw);
	const struct stylegan2 *c = &p->s->c.stylegan2;
	size_t n = (size_t)p->r.batch, side = (size_t)c->resolution;
	int styles = stylegan2_styles(c);
	int cutoff = 1 + (int)rng_below(&r, (uint32_t)styles - 1);

	if (rng_uniform(&r) >= p->r.style.mixing) cutoff = styles;
	for (int k = 0; k < styles; k++) p->in.mix[k] = k >= cutoff;
	sampler_normal(&r, n * (size_t)c->dim_z, p->in.z2);
	for (int k = 0; k < styles - 1; k++)
		sampler_normal(&r, n * stylegan2_noise_size(k), p->in.plane[k]);
	if (probe)
		sampler_normal(&r, (size_t)phase_path_batch(&p->r) * side * side * 3, p->in.probe);
}

void data_augment(const struct data *d, int64_t draw, struct diffaug *a)
{
	struct rng r = draws(d, STREAM_AUGMENT, draw);

	for (int i = 0; i < a->batch; i++) {
		struct diffaug_draw one = diffaug_random(&r, a->side);
		diffaug_set(a, i, &one);
	}
}
