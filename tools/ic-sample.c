/* ic-sample: checkpoint and instances -> pictures as a PAM stream. */
#include "formats/pam.h"
#include "formats/features.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/par.h"
#include "lib/base/rng.h"
#include "lib/base/say.h"
#include "lib/gan/sample.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_INSTANCE = 0x1A };

static int64_t count, each;
static int batch = 32, class_ = -1, device;
static int64_t seed;

static const struct opt opts[] = {
	{ 'n', "samples", "N", "samples in all, each of an instance drawn at random", OPT_LONG,
	  &count, 0, 1e12 },
	{ 0, "each", "K", "K samples of every instance, in order, instead", OPT_LONG, &each, 0,
	  1e9 },
	{ 0, "class", "C", "class label of every sample (-1: the instance's own)", OPT_INT, &class_,
	  -1, 1 << 24 },
	{ 's', "seed", "N", "seed of noise and of the drawing of instances", OPT_LONG, &seed, 0,
	  9e15 },
	{ 'b', "batch", "N", "samples computed together", OPT_INT, &batch, 1, 4096 },
	{ 'd', "device", "cpu|ref", "where to compute", OPT_WORD, &device, 0, 0 },
	OPT_COMMON
};

/* What sample number i is conditioned on: instance and label. */
static int64_t instance_of(int64_t i, int64_t instances)
{
	struct rng r = rng_at((uint64_t)seed, (uint64_t)i << 8 | STREAM_INSTANCE);
	return each ? i / each : rng_below(&r, (uint32_t)instances);
}

static int check_instances(const struct gan *g, const struct features *t, const char *path)
{
	if (!g->c.instance_cond) return 0;
	if (t->info.width != g->c.features)
		return fail("%s: rows of %d, expected %d as the model was trained with", path,
			    t->info.width, g->c.features);
	if (t->info.count < 1 || t->info.count > UINT32_MAX)
		return fail("%s: no instances, expected at least one", path);
	return 0;
}

static uint32_t label_of(const struct gan *g, const struct features *t, int64_t at, int64_t i)
{
	if (class_ >= 0) return (uint32_t)class_;
	if (t->labels) return t->labels[at];
	/* No instances, no labels: classes at random. */
	struct rng r = rng_at((uint64_t)seed, (uint64_t)i << 8 | STREAM_INSTANCE);
	return rng_below(&r, (uint32_t)g->c.n_classes);
}

/* Row `at` at unit length. */
static int fill_features(const struct features *t, int64_t at, real *f)
{
	double norm = 0;
	int w = t->info.width;

	if (features_get(t, at, 1, f)) return -1;
	for (int k = 0; k < w; k++) norm += (double)f[k] * (double)f[k];
	if (!(norm > 0) || !isfinite(norm))
		return fail("the instance of key %" PRIu64 " is %s", t->keys[at],
			    norm == 0 ? "all zero" : "not finite");
	for (int k = 0; k < w; k++) f[k] = (real)((double)f[k] / sqrt(norm));
	return 0;
}

static int fill(const struct gan *g, struct sampler *s, const struct features *t, int64_t i,
		int place, struct pam_head *h)
{
	int64_t at = t->info.count > 0 ? instance_of(i, t->info.count) : 0;

	*h = (struct pam_head){ .width = s->side,
				.height = s->side,
				.channels = 3,
				.key = (uint64_t)i,
				.at = i,
				.of = count };
	sampler_noise((uint64_t)seed, (uint64_t)i, s->dim_z, s->z + (size_t)place * (size_t)s->dim_z);
	if (t->info.count > 0) {
		h->instanced = true;
		h->instance = t->keys[at];
		h->root = rows_root(&t->info);
	}
	h->from = g->from.features;
	snprintf(h->seed, sizeof h->seed, "%" PRId64, seed);
	if (g->c.class_cond) {
		uint32_t y = label_of(g, t, at, i);
		if ((int64_t)y >= g->c.n_classes)
			return fail("label %u of sample %lld: the model knows %d classes", y,
				    (long long)i, g->c.n_classes);
		s->y[place] = (real)y;
		h->labelled = true;
		h->label = y;
	}
	return g->c.instance_cond
		       ? fill_features(t, at, s->f + (size_t)place * (size_t)g->c.features)
		       : 0;
}

/* Always whole batches (the last one filled up with its first sample again), so that a sample does not depend on how many follow. */
static int run(struct gan *g, struct sampler *s, const struct features *t)
{
	struct pam_head *h = mem_new((size_t)batch, sizeof *h);
	uint8_t *rgb = mem_new((size_t)s->side * (size_t)s->side, 3);
	int bad = 0;

	for (int64_t i = 0; i < count && !bad; i += batch) {
		int n = count - i < batch ? (int)(count - i) : batch;
		bad = stop_check();
		for (int k = 0; k < batch && !bad; k++)
			bad = fill(g, s, t, k < n ? i + k : i, k, &h[k]);
		if (bad) break;
		sampler_run(s);
		for (int k = 0; k < n && !bad; k++) {
			sampler_rgb(s, k, rgb);
			bad = pam_write(stdout, &h[k], rgb);
		}
		progress("sampling", i + n, count, "%s", "");
	}
	progress_end();
	free(h);
	free(rgb);
	return bad;
}

int main(int argc, char **argv)
{
	static const char *const devices[] = { "cpu", "ref" };
	struct gan g;
	struct sampler s;
	struct features t = { 0 };

	blas_start(argv);
	int i = opt_parse(argc, argv, "model [instances]", "pictures from a trained model", opts,
			  LEN(opts));
	if (i >= argc) misuse("no model given");
	if (argc - i > 2)
		misuse("%s: found a third operand, expected a model and instances", argv[i + 2]);
	if (!count == !each) misuse("expected one of -n and --each");
	if (binary_stdout() || gan_load_sampler(&g, argv[i])) die();
	const char *path = i + 1 < argc ? argv[i + 1] : g.c.instance_cond ? "-" : NULL;
	if (path && (features_open(&t, path) || check_instances(&g, &t, path))) die();
	if (each && !path) misuse("--each: this model takes no instances");
	if (each) count = each * t.info.count;
	struct backend *b = backend_new(devices[device], par_threads());
	if (sampler_open(&s, &g, batch, b) || run(&g, &s, &t)) die();
	sampler_close(&s);
	backend_free(b);
	features_close(&t);
	gan_free(&g);
	return done(count, "samples");
}
