/* ic-sample: checkpoint and instances -> pictures as a PAM stream. */
#include "formats/pam.h"
#include "formats/features.h"
#include "formats/labels.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/par.h"
#include "lib/base/rng.h"
#include "lib/base/say.h"
#include "lib/gan/closest.h"
#include "lib/gan/data.h"
#include "lib/gan/sample.h"
#include "lib/tape/device.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_CLASS = 0xC1, STREAM_NEIGHBOUR = 0xB1, MOST_SEEDS = 1000000 };
#define LARGEST_SEED 9e15                    /* options are checked as doubles, which hold it */

static int64_t count, each, seed;
static const char *model, *seeds, *noise, *weights, *neighbours;
static int between, between_noises, times, batch = 32, class_ = -1, device, precision;
static bool clamped, stored, compat;
static double truncation = INFINITY, class_temperature = 1;

static const struct opt opts[] = {
	{ 'm', "model", "FILE", "the model; the operand is the instances then", OPT_STR, &model, 0,
	  0 },
	{ 'n', "samples", "N", "samples in all, each of an instance drawn at random", OPT_LONG,
	  &count, 0, 1e12 },
	{ 0, "each", "K", "K samples of every instance, in order, instead", OPT_LONG, &each, 0,
	  1e9 },
	{ 0, "seeds", "LIST", "a sample of every instance with each seed, as 0-7,42, instead",
	  OPT_STR, &seeds, 0, 0 },
	{ 0, "noise", "FILE", "a sample of every instance with each row of noise, instead", OPT_STR,
	  &noise, 0, 0 },
	{ 0, "between", "N", "N more between each instance and the next", OPT_INT, &between, 0,
	  10000 },
	{ 0, "between-noises", "N", "N more between each seed or noise row and the next", OPT_INT,
	  &between_noises, 0, 10000 },
	{ 0, "truncation", "T",
	  "draw noise outside +-T again; StyleGAN2: move styles to their mean", OPT_REAL,
	  &truncation, 0, 100 },
	{ 0, "clamp", NULL, "--truncation: move it to the nearer of -T and T instead", OPT_FLAG,
	  &clamped, 0, 0 },
	{ 0, "stored-planes", NULL, "StyleGAN2: every sample with the planes of the weights",
	  OPT_FLAG, &stored, 0, 0 },
	{ 0, "closest", "N", "--each: make N times as many, keep those closest to their instance",
	  OPT_INT, &times, 0, 10000 },
	{ 'w', "weights", "FILE", "--closest: weights of the network that made the instances",
	  OPT_STR, &weights, 0, 0 },
	{ 0, "class", "C", "class label of every sample (-1: the instance's own)", OPT_INT, &class_,
	  -1, 1 << 24 },
	{ 0, "class-temperature", "T",
	  "with -n, draw classes of instances as count^(1/T), 0: evenly", OPT_REAL,
	  &class_temperature, 0, 1e6 },
	{ 0, "neighbours", "FILE", "with -n, a row drawn gives the class, a neighbour the features",
	  OPT_STR, &neighbours, 0, 0 },
	{ 0, "compat", NULL, "cut bytes off as the published scripts do, instead of rounding",
	  OPT_FLAG, &compat, 0, 0 },
	{ 's', "seed", "N", "seed of noise and of the drawing of instances", OPT_LONG, &seed, 0,
	  LARGEST_SEED },
	{ 'b', "batch", "N", "samples computed together", OPT_INT, &batch, 1, 4096 },
	{ 'd', "device", DEVICES, "where to compute", OPT_WORD, &device, 0, 0 },
	{ 0, "precision", PRECISIONS, "of the factors in products on a GPU", OPT_WORD, &precision,
	  0, 0 },
	OPT_COMMON
};

struct job {
	struct gan g;
	struct sampler s;
	double bound;                        /* of noise */
	struct styling styling;
	const char *instances;               /* their file, or NULL */
	struct features t;                   /* they; count 0: none */
	struct balance classes;              /* of their labels, when drawn by temperature */
	struct rows near;                    /* --neighbours of the instances, in their order */
	uint64_t *seed;                      /* --seeds */
	struct features rows;                /* --noise */
	int64_t noises;                      /* of every instance; 0: each sample has its own */
	real *room;                          /* a second vector, when between two */
	struct closest c;                    /* --closest */
	int64_t written;
};

/* Number `at` of a list, or at a fraction t > 0 of the way from it to the next. */
struct spot { int64_t at; double t; };

static struct spot spot_of(int64_t place, int steps)
{
	return (struct spot){ place / (steps + 1), (double)(place % (steps + 1)) / (steps + 1) };
}

static int64_t nearer(struct spot p)
{
	return p.t > 0.5 ? p.at + 1 : p.at;
}

/* What sample i is conditioned on. */
static struct spot instance_of(const struct job *j, int64_t i)
{
	if (j->t.info.count < 1) return (struct spot){ 0, 0 };
	if (j->noises) return spot_of(i / j->noises, between);
	if (each) return (struct spot){ i / each, 0 };
	return (struct spot){ sampler_instance((uint64_t)seed, (uint64_t)i, j->t.info.count,
					       class_temperature == 1 ? NULL : &j->classes),
			      0 };
}

/* From the row that gives the class to one of its neighbours, all alike. */
static int move_to_neighbour(struct job *j, int64_t i, struct spot *p)
{
	struct rng r = rng_at((uint64_t)seed, (uint64_t)i << 8 | STREAM_NEIGHBOUR);
	uint64_t key = j->t.keys[p->at];
	struct block b;

	if (rows_at(&j->near, p->at, &b)) return -1;
	if (b.keys[0] == key) {
		key = ((const uint32_t *)b.data)[rng_below(&r, (uint32_t)j->near.info.width)];
		if ((p->at = rows_find(&j->near, key)) < 0) return -1;
		if (j->t.keys[p->at] == key) return 0;
	}
	return fail("%s: key %" PRIu64 " is not at the same place as in the instances", neighbours,
		    key);
}

static uint32_t label_of(const struct job *j, struct spot p, int64_t i)
{
	if (class_ >= 0) return (uint32_t)class_;
	if (j->t.labels) return j->t.labels[nearer(p)];
	/* No labels: classes at random. */
	struct rng r = rng_at((uint64_t)seed, (uint64_t)i << 8 | STREAM_CLASS);
	return rng_below(&r, (uint32_t)j->g.c.n_classes);
}

/* Row `at` of the instances at unit length. */
static int unit_features(const struct job *j, int64_t at, real *f)
{
	features_get(&j->t, at, 1, f);
	return data_unit(j->instances, j->t.keys[at], f, j->t.info.width, f);
}

static int fill_features(const struct job *j, struct spot p, real *f)
{
	const struct features *t = &j->t;
	double product = 0;

	if (unit_features(j, p.at, f)) return -1;
	if (!(p.t > 0)) return 0;
	if (unit_features(j, p.at + 1, j->room)) return -1;
	for (int k = 0; k < t->info.width; k++) product += (double)f[k] * (double)j->room[k];
	if (product < -1 + 1e-9)
		return fail("%s: the rows of keys %" PRIu64 " and %" PRIu64
			    " are opposite: no way between them is the shortest", j->instances,
			    t->keys[p.at], t->keys[p.at + 1]);
	sampler_between(f, j->room, p.t, t->info.width, f);
	return 0;
}

static void draw_noise(const struct job *j, uint64_t drawn, uint64_t number, real *z)
{
	if (clamped) sampler_noise_clamped(j->bound, drawn, number, j->s.dim_z, z);
	else sampler_noise_within(j->bound, drawn, number, j->s.dim_z, z);
}

/* Number `at` of the noises of --seeds or --noise. */
static int listed_noise(const struct job *j, int64_t at, real *z)
{
	if (seeds) {
		draw_noise(j, j->seed[at], 0, z);
		return 0;
	}
	features_get(&j->rows, at, 1, z);
	for (int k = 0; k < j->s.dim_z; k++)
		if (!isfinite(z[k]))
			return fail("%s: the row of key %" PRIu64 " is not finite", noise,
				    j->rows.keys[at]);
	return 0;
}

/* The noise of a sample, and its planes, which go the same way. */
static int fill_noise(const struct job *j, int64_t i, int place, struct pam_head *h)
{
	const struct sampler *s = &j->s;
	struct spot p = j->noises ? spot_of(i % j->noises, between_noises) : (struct spot){ 0, 0 };
	uint64_t drawn = j->seed ? j->seed[p.at] : (uint64_t)seed;
	uint64_t number = j->noises ? 0 : (uint64_t)i;
	real *z = s->z + (size_t)place * (size_t)s->dim_z;

	if (!noise && !(p.t > 0)) snprintf(h->seed, sizeof h->seed, "%" PRIu64, drawn);
	if (!j->noises) draw_noise(j, drawn, number, z);
	else if (listed_noise(j, p.at, z)) return -1;
	sampler_planes(s, place, drawn, number);
	if (!(p.t > 0)) return 0;
	if (listed_noise(j, p.at + 1, j->room)) return -1;
	sampler_between(z, j->room, p.t, s->dim_z, z);
	if (seeds) sampler_planes_towards(s, place, j->seed[p.at + 1], 0, p.t);
	return 0;
}

static int fill(struct job *j, int64_t i, int place, struct pam_head *h)
{
	const struct sampler *s = &j->s;
	struct spot p = instance_of(j, i), classed = p;

	if (neighbours && move_to_neighbour(j, i, &p)) return -1;
	*h = (struct pam_head){ .width = s->side,
				.height = s->side,
				.channels = 3,
				.key = (uint64_t)i,
				.at = i,
				.of = count,
				.from = j->g.id };
	if (j->t.info.count > 0) {
		h->root = rows_root(&j->t.info);
		h->instanced = !(p.t > 0);
		h->instance = j->t.keys[p.at];
	}
	/* A label that the model does not see is still what its instance was. */
	h->labelled = model_by_class(&j->g.c) || (j->g.c.instance_cond && j->t.labels);
	if (h->labelled) h->label = label_of(j, classed, i);
	if (j->g.c.class_cond) {
		if ((int64_t)h->label >= j->g.c.n_classes)
			return fail("%s: knows %d classes, and sample %" PRId64 " has label %u",
				    model, j->g.c.n_classes, i, h->label);
		s->y[place] = (real)h->label;
	}
	if (fill_noise(j, i, place, h)) return -1;
	return j->g.c.instance_cond
		       ? fill_features(j, p, s->f + (size_t)place * (size_t)j->g.c.features)
		       : 0;
}

/* The closest of an instance that has had all its samples, in their order. */
static int write_closest(struct job *j)
{
	int bad = 0;

	closest_sort(&j->c);
	for (int k = 0; k < j->c.n && !bad; k++) {
		struct pam_head *h = &j->c.one[k].head;
		h->at = j->written++;
		h->of = count / times;
		bad = pam_write(stdout, "standard output", h, j->c.one[k].rgb);
	}
	closest_clear(&j->c);
	return bad;
}

/* Samples i to i + n - 1. */
static int write_batch(struct job *j, int64_t i, int n, const struct pam_head *h,
		       const struct image *picture)
{
	int bad = times ? closest_embed(&j->c, n, picture) : 0;

	for (int k = 0; k < n && !bad; k++)
		if (times) {
			closest_offer(&j->c, k, &h[k], picture,
				      j->s.f + (size_t)k * (size_t)j->g.c.features);
			if (!((i + k + 1) % each)) bad = write_closest(j);
		} else
			bad = pam_write(stdout, "standard output", &h[k], picture[k].rgb);
	return bad;
}

/* Samples i to i + n - 1 as bytes. */
static int take_batch(struct job *j, int64_t i, int n, const struct image *picture)
{
	for (int k = 0; k < n; k++) {
		if (!sampler_finite(&j->s, k))
			return fail("%s: sample %" PRId64 " is not finite: weights are damaged, or "
				    "too large", model, i + k);
		sampler_rgb(&j->s, k, picture[k].rgb);
	}
	return 0;
}

/* The tape computes whole batches: the last one is filled up with its first sample again. */
static int run(struct job *j)
{
	struct pam_head *h = mem_new((size_t)batch, sizeof *h);
	struct image *picture = mem_new((size_t)batch, sizeof *picture);
	size_t bytes = (size_t)j->s.side * (size_t)j->s.side * 3;
	uint8_t *rgb = mem_new((size_t)batch, bytes);
	int bad = 0;

	for (int k = 0; k < batch; k++)
		picture[k] = (struct image){ j->s.side, j->s.side, rgb + (size_t)k * bytes };

	for (int64_t i = 0; i < count && !bad; i += batch) {
		int n = count - i < batch ? (int)(count - i) : batch;
		bad = stop_check();
		for (int k = 0; k < batch && !bad; k++)
			bad = fill(j, k < n ? i + k : i, k, &h[k]);
		if (bad) break;
		bad = sampler_run(&j->s) || take_batch(j, i, n, picture) ||
		      write_batch(j, i, n, h, picture);
		progress("sampling", i + n, count, "%s", "");
	}
	progress_end();
	free(h);
	free(picture);
	free(rgb);
	return bad;
}

static _Noreturn void misuse_seeds(void)
{
	misuse("--seeds: found '%s', expected numbers and ranges, as 0-7,42", seeds);
}

static uint64_t take_seed(const char **s)
{
	char *end = NULL;
	uint64_t n = isdigit((unsigned char)**s) ? strtoull(*s, &end, 10) : 0;

	if (!end || (double)n > LARGEST_SEED) misuse_seeds();
	*s = end;
	return n;
}

static void parse_seeds(struct job *j)
{
	const char *s = seeds;
	uint64_t n = 0;

	do {
		uint64_t first = take_seed(&s), last = first;
		if (*s == '-') s++, last = take_seed(&s);
		if (last < first || (*s && *s != ',')) misuse_seeds();
		if (last - first >= MOST_SEEDS - n)
			misuse("--seeds: found more than %d seeds", MOST_SEEDS);
		j->seed = mem_grow(j->seed, n + last - first + 1, sizeof *j->seed);
		while (first <= last) j->seed[n++] = first++;
	} while (*s++);
	j->noises = (int64_t)n;
}

static void check_options(void)
{
	bool list = seeds || noise;

	if ((count > 0) + (each > 0) + !!seeds + !!noise != 1)
		misuse("expected one of -n, --each, --seeds and --noise");
	if ((between || between_noises) && !list)
		misuse("--between and --between-noises: expected --seeds or --noise");
	if (seed && list) misuse("--seed: not with --seeds or --noise, which it would not change");
	if ((class_temperature != 1 || neighbours) && (count < 1 || class_ >= 0))
		misuse("--class-temperature and --neighbours: only with -n, and without --class");
	if (clamped && !isfinite(truncation)) misuse("--clamp: expected --truncation");
	if (times && !each) misuse("--closest: expected --each");
	if (times > 0 && each > 1000000 / times)
		misuse("--closest: found %" PRId64 " times %d samples, expected at most 1000000",
		       each, times);
	if (weights && !times) misuse("--weights: expected --closest");
}

/* Where classes alone condition any labelled rows do: only their keys and labels are taken. */
static int open_instances(struct job *j)
{
	struct labels l;

	if (j->g.c.instance_cond) return features_open(&j->t, j->instances);
	if (labels_open(&l, j->instances)) return -1;
	j->t = (struct features){ .info = l.info, .keys = l.keys, .labels = l.labels };
	return 0;
}

static int open_classes(struct job *j)
{
	if (class_temperature == 1) return 0;
	if (!j->instances || !j->t.labels)
		return fail("%s: no labels, expected some for --class-temperature",
			    j->instances ? j->instances : "no instances");
	return balance_open(&j->classes, j->instances, j->t.labels, (size_t)j->t.info.count,
			    class_temperature);
}

static int open_neighbours(struct job *j)
{
	const struct rows_info *n = &j->near.info;

	if (!j->g.c.instance_cond || !j->g.c.class_cond)
		return fail("%s: not of classes and instances, which --neighbours draws", model);
	if (!j->t.labels)
		return fail("%s: no labels, expected some for --neighbours", j->instances);
	if (rows_open(&j->near, neighbours)) return -1;
	if (!rows_is_store(&j->near) || n->type != ROWS_NEAR)
		return fail("%s: expected a store of neighbours", neighbours);
	if (n->from != j->t.info.id || n->count != j->t.info.count)
		return fail("%s: %" PRId64 " neighbours by features %016" PRIx64
			    ", expected %" PRId64 " by %016" PRIx64 " as in %s",
			    neighbours, n->count, n->from, j->t.info.count, j->t.info.id,
			    j->instances);
	return 0;
}

static int check_instances(const struct job *j)
{
	const struct features *t = &j->t;

	if (t->info.count < 1 || t->info.count > UINT32_MAX)
		return fail("%s: no instances, expected at least one", j->instances);
	if (!j->g.c.instance_cond) return 0;
	struct rows_info trained = gan_features(&j->g);
	if (features_alike(j->instances, &t->info, model, &trained)) return -1;
	if (features_handled_alike(j->instances, &t->info, model, &trained)) warn("%s", why());
	return 0;
}

static int open_noise(struct job *j)
{
	int dim_z = model_dim_z(&j->g.c);

	if (features_open(&j->rows, noise)) return -1;
	if (j->rows.info.width != dim_z)
		return fail("%s: rows of %d, expected %d as the model's noise", noise,
			    j->rows.info.width, dim_z);
	if (j->rows.info.count < 1) return fail("%s: no rows, expected noise", noise);
	j->noises = j->rows.info.count;
	return 0;
}

/* How many of a list there are, with `steps` more between each and the next. */
static int with_steps(const char *what, int64_t n, int steps, int64_t *out)
{
	if (n < (steps ? 2 : 1))
		return fail("found %" PRId64 " %s, expected at least %d", n, what, steps ? 2 : 1);
	*out = n + (n - 1) * steps;
	return 0;
}

/* Instances in order, and for each all noises. */
static int count_samples(struct job *j)
{
	int64_t places = j->t.info.count > 0 ? j->t.info.count : 1;

	if (times) each *= times;
	if (each) count = each * places;
	if (!j->noises) return 0;
	if (model_by_class(&j->g.c) && j->g.c.n_classes > 1 && !j->t.labels && class_ < 0)
		return fail("%s: has classes, expected --class, or instances with labels", model);
	if (with_steps("instances", places, between, &places) ||
	    with_steps("noises", j->noises, between_noises, &j->noises))
		return -1;
	if (places > INT64_MAX / j->noises) return fail("found more samples than can be counted");
	count = places * j->noises;
	return 0;
}

static int open_closest(struct job *j)
{
	if (!j->g.c.instance_cond)
		return fail("%s: takes no instances, expected one that does for --closest", model);
	return closest_open(&j->c, j->instances, &j->t.info, weights, (int)each);
}

/* What truncation bounds, and whose planes of noise there are: rows of noise bring none. */
static void open_styling(struct job *j)
{
	bool style = j->g.c.backbone == STYLEGAN2;

	if (stored && !style)
		misuse("--stored-planes: %s has none, expected a StyleGAN2", model);
	if (clamped && style)
		misuse("--clamp: not with %s, a StyleGAN2, which truncates styles", model);
	if (truncation < 0.01 && !style)
		misuse("--truncation: found %g, expected 0.01 and more for %s, a BigGAN",
		       truncation, model);
	if (noise && isfinite(truncation) && !style)
		misuse("--truncation: not with --noise, whose rows are used as they are");
	j->bound = style ? INFINITY : truncation;
	j->styling = (struct styling){ isfinite(truncation) ? truncation : 1, stored || noise };
}

static int job_open(struct job *j)
{
	if (binary_stdout() || gan_load_sampler(&j->g, model)) return -1;
	open_styling(j);
	if (class_ >= 0 && !model_by_class(&j->g.c))
		return fail("%s: knows no classes, expected some for --class", model);
	if (!j->instances && j->g.c.instance_cond) j->instances = "-";
	if (!j->instances && (each || between))
		misuse("--each and --between: this model takes no instances");
	if (j->instances && !j->g.c.instance_cond && !model_by_class(&j->g.c))
		return fail("%s: conditioned on nothing, takes no instances: found %s", model,
			    j->instances);
	if (j->instances && noise && !strcmp(j->instances, "-") && !strcmp(noise, "-"))
		misuse("standard input can be read once");
	if (j->instances && (open_instances(j) || check_instances(j))) return -1;
	if (neighbours && open_neighbours(j)) return -1;
	if (open_classes(j) || (noise && open_noise(j))) return -1;
	if (times && open_closest(j)) return -1;
	if (count_samples(j)) return -1;
	int dim_z = model_dim_z(&j->g.c);
	j->room = mem_new((size_t)(j->g.c.features > dim_z ? j->g.c.features : dim_z),
			  sizeof *j->room);
	if (count < batch) batch = (int)count;
	return 0;
}

static void job_close(struct job *j)
{
	sampler_close(&j->s);
	closest_close(&j->c);
	features_close(&j->t);
	balance_close(&j->classes);
	rows_close(&j->near);
	features_close(&j->rows);
	gan_free(&j->g);
	free(j->seed);
	free(j->room);
}

int main(int argc, char **argv)
{
	struct job j = { .noises = 0 };

	blas_start(argv);
	int i = opt_parse(argc, argv, "model [instances]", "pictures from a trained model", opts,
			  LEN(opts));
	if (!model && i < argc) model = argv[i++];
	if (!model) misuse("no model given");
	if (argc - i > 1) misuse("%s: found after the instances, expected no more", argv[i + 1]);
	if (i < argc) j.instances = argv[i];
	check_options();
	if (seeds) parse_seeds(&j);
	if (job_open(&j)) die();
	struct backend *b = device_open(device, precision, par_threads());
	if (!b || sampler_open(&j.s, &j.g, batch, &j.styling, b)) die();
	if (common.verbose && b->engine) note("products by %s", b->engine);
	/* the scripts of StyleGAN2 add a half first, which is rounding */
	j.s.truncate = compat && j.g.c.backbone == BIGGAN;
	if (run(&j)) die();
	count = times ? j.written : count;
	job_close(&j);
	backend_free(b);
	return done(count, "samples");
}
