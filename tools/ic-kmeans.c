/* ic-kmeans: feature rows -> the rows nearest to k centres, as stored instances; also the centres
 * and pseudo-labels. */
#include "formats/features.h"
#include "formats/rounds.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/par.h"
#include "lib/base/say.h"
#include "lib/stat/kmeans.h"
#include "lib/stat/pair.h"
#include "lib/stat/pick.h"
#include "lib/tape/device.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define METHODS "kmeans|random|balanced"         /* in the order of enum method */
enum method { KMEANS, RANDOM, BALANCED };
enum { KEEP_SECONDS = 10 };                      /* between two times that rounds are saved */

static const char *const method_name[] = { "kmeans", "random", "balanced" };
static int method;
static const char *out, *centres_path, *assign_path;
enum { ITERATIONS = 100, RESTARTS = 1, PER_CENTRE = 256 };
static int k = 1000, iterations = ITERATIONS, restarts = RESTARTS, per_centre = PER_CENTRE, device;
static int64_t seed = 1234;
static bool distinct, spherical;

static const struct opt opts[] = {
	{ 'k', "clusters", "N", "number of centres", OPT_INT, &k, 1, 1 << 20 },
	{ 'o', "output", "FILE", "store of the nearest rows; without it a row stream on stdout",
		OPT_OUT, &out, 0, 0 },
	{ 's', "seed", "N", "seed of the random choices", OPT_LONG, &seed, 0, UINT32_MAX },
	{ 0, "method", METHODS, "which rows stand for all", OPT_WORD, &method, 0, 0 },
	{ 0, "iterations", "N", "rounds at most", OPT_INT, &iterations, 1, 1000000 },
	{ 0, "restarts", "N", "runs from other first centres; the best is kept",
		OPT_INT, &restarts, 1, 1000 },
	{ 0, "per-centre", "N", "train on at most N rows per centre (0: all)",
		OPT_INT, &per_centre, 0, 1 << 30 },
	{ 0, "spherical", NULL, "centres of length 1, rows assigned by angle",
		OPT_FLAG, &spherical, 0, 0 },
	{ 0, "distinct", NULL, "no row twice: later centres take their nearest free row",
		OPT_FLAG, &distinct, 0, 0 },
	{ 0, "centres", "FILE", "also write the centres, as a store of rows",
		OPT_OUT, &centres_path, 0, 0 },
	{ 0, "assign", "FILE", "also write each row's centre, as a store of labels",
		OPT_OUT, &assign_path, 0, 0 },
	{ 'd', "device", DEVICES, "where to multiply; the results are the same", OPT_WORD,
		&device, 0, 0 },
	OPT_COMMON
};

struct job {
	const char *path;
	struct features from;
	struct knn_set raw, unit;            /* the rows, and the rows divided by their norms */
	struct kmeans kmeans;
	struct backend *device;
	float *train, *centres;              /* [trained][width], [k][width] */
	int64_t trained;
	struct rounds rounds;
	char *kept, *command;                /* where rounds are saved, or NULL, and for whom */
	int saved;                           /* how many were */
	double saved_seconds;                /* when */
	uint32_t *nearest;                   /* [k]: positions */
	int repeated;                        /* of these, how many were taken before */
	struct rows to, to_centres, to_assign;
};

static int fetch_raw(const struct knn_set *set, int64_t first, int n, float *to)
{
	features_get(set->ctx, first, n, to);
	return 0;
}

/* Floats lie in the store's map as they are. */
static const float *row_raw(const struct knn_set *set, int64_t i)
{
	return features_row(set->ctx, i);
}

/* ctx is the set of the raw rows, measured. */
static int fetch_unit(const struct knn_set *set, int64_t first, int n, float *to)
{
	const struct knn_set *raw = set->ctx;

	if (raw->fetch(raw, first, n, to)) return -1;
	for (int i = 0; i < n; i++)
		pair_scale(
			to + (size_t)i * (size_t)set->width, set->width, 1 / raw->norm[first + i]);
	return 0;
}

static int input_open(struct job *j)
{
	if (features_open(&j->from, j->path)) return -1;
	if (j->from.info.count < k)
		return fail("%s: %" PRId64 " rows, expected at least %d for -k %d", j->path,
			j->from.info.count, k, k);
	j->raw = (struct knn_set){ .name = j->path,
		.count = j->from.info.count,
		.width = j->from.info.width,
		.keys = j->from.keys,
		.fetch = fetch_raw,
		.row = j->from.info.type == ROWS_F32 ? row_raw : NULL,
		.ctx = &j->from };
	j->unit = j->raw;
	j->unit.fetch = fetch_unit;
	j->unit.row = NULL;
	j->unit.ctx = &j->raw;
	return 0;
}

static int describe(struct rows_info *info)
{
	if (method != KMEANS)
		return rows_meta_add(info, "instances", "%s", method_name[method]) ||
			rows_meta_add(info, "seed", "%" PRId64, seed) ? -1 : 0;
	return rows_meta_add(info, "kmeans", "%d", k) ||
			rows_meta_add(info, "seed", "%" PRId64, seed) ||
			rows_meta_add(info, "iterations", "%d", iterations) ||
			rows_meta_add(info, "restarts", "%d", restarts) ||
			rows_meta_add(info, "per_centre", "%d", per_centre) ||
			rows_meta_add(info, "spherical", "%d", spherical) ||
			rows_meta_add(info, "distinct", "%d", distinct)
		? -1
		: 0;
}

/* A run that writes a store saves its rounds beside it. */
static void name_rounds(struct job *j, const struct rows_info *info)
{
	struct stat st;

	if (method != KMEANS || !out || !strcmp(out, "-")) return;
	if (!stat(out, &st) && !S_ISREG(st.st_mode)) return;
	j->kept = mem_text("%s.part-rounds", out);
	j->command = mem_text("%sfrom=%016" PRIx64, info->meta, info->from);
}

/* All outputs, before the work: one that exists is refused now. */
static int outputs_open(struct job *j)
{
	struct rows_info info = j->from.info;
	struct rows_info centres = {
		.kind = "centres", .type = ROWS_F32, .width = info.width, .count = k
	};
	struct rows_info labels = { .kind = "labels",
		.type = ROWS_U32,
		.width = 1,
		.labelled = true,
		.count = info.count };

	centres.from = labels.from = info.id;
	labels.root = rows_root(&info);
	snprintf(centres.meta, sizeof centres.meta, "%s", info.meta);
	info.root = rows_root(&info);
	info.from = info.id;
	info.count = k;
	if (describe(&info) || describe(&centres) || describe(&labels)) return -1;
	name_rounds(j, &info);
	if (centres_path && rows_create(&j->to_centres, centres_path, &centres,
		common.force || rows_again(centres_path, &centres, out), NULL)) return -1;
	if (assign_path && rows_create(&j->to_assign, assign_path, &labels,
		common.force || rows_again(assign_path, &labels, out), NULL)) return -1;
	return rows_create(&j->to, out, &info, common.force, NULL);
}

/* The rows to train on, of length 1, in the order of the sample. */
static int load_training(struct job *j)
{
	size_t width = (size_t)j->unit.width;
	uint32_t *at = kmeans_sample(&j->kmeans, j->unit.count, per_centre, &j->trained);
	int bad = 0;

	if (!at) return -1;
	j->train = mem_big((size_t)j->trained, width * sizeof *j->train, "the rows to train on");
	for (int64_t i = 0; j->train && !bad && i < j->trained; i++) {
		bad = i % 1024 == 0 && stop_check()
			? -1
			: fetch_unit(&j->unit, at[i], 1, j->train + (size_t)i * width);
		progress("loading", i, j->trained, "%s", "");
	}
	free(at);
	return j->train ? bad : -1;
}

/* The order of a step in the file. */
static void pack_step(double v[ROUNDS_STEP], const struct kmeans_step *s)
{
	const double from[ROUNDS_STEP] = { s->run, s->iteration, s->objective, s->imbalance,
		(double)s->changed, s->splits, s->shift };

	memcpy(v, from, sizeof from);
}

static struct kmeans_step unpack_step(const double v[ROUNDS_STEP])
{
	return (struct kmeans_step){ (int)v[0], (int)v[1], v[2], v[3], (int64_t)v[4], (int)v[5],
		v[6] };
}

/* Saves the rounds now and then, and when stopped. */
static int keep(void *ctx, const struct kmeans_state *s)
{
	struct job *j = ctx;
	bool due = stop_asked() || say_seconds() - j->saved_seconds >= KEEP_SECONDS;

	if (!j->kept || !due || j->saved == j->rounds.count) return 0;
	j->saved = j->rounds.count;
	j->saved_seconds = say_seconds();
	j->rounds.centres = s->centres;
	j->rounds.best_centres = j->centres;
	j->rounds.assign = s->assign;
	pack_step(j->rounds.best, &s->best);
	return rounds_save(&j->rounds, j->kept, j->command);
}

/* On stdout when it is free, else as progress only. */
static void show(const struct job *j, const struct kmeans_step *s)
{
	progress("iterations", (int64_t)s->run * iterations + s->iteration + 1,
		(int64_t)restarts * iterations, "objective %.6g", s->objective);
	if (!out || !strcmp(out, "-")) return;
	struct record r = record_begin(stdout);
	record_int(&r, "run", s->run);
	record_int(&r, "iteration", s->iteration);
	record_real(&r, "objective", s->objective);
	record_real(&r, "objective_per_row", s->objective / (double)j->trained);
	record_real(&r, "imbalance", s->imbalance);
	record_int(&r, "changed", s->changed);
	record_int(&r, "splits", s->splits);
	record_real(&r, "shift", s->shift);
	record_end(&r);
}

static void step(void *ctx, const struct kmeans_step *s)
{
	struct job *j = ctx;
	double v[ROUNDS_STEP];

	pack_step(v, s);
	rounds_add(&j->rounds, v);
	show(j, s);
}

/* Trains, from the saved rounds where there are any; these are shown again. */
static int train(struct job *j)
{
	struct rounds *r = &j->rounds;
	struct kmeans_state from;

	r->k = k;
	r->width = j->unit.width;
	r->n = j->trained;
	j->saved_seconds = say_seconds();
	int got = j->kept ? rounds_load(r, j->kept, j->command, common.force) : 0;
	if (got < 0) return -1;
	if (got) {
		from = (struct kmeans_state){ unpack_step(r->step[r->count - 1]),
			unpack_step(r->best), r->centres, r->assign };
		memcpy(j->centres, r->best_centres, (size_t)k * (size_t)r->width * sizeof(float));
		j->kmeans.from = &from;
		j->saved = r->count;
		note("%s: going on after %d rounds", out, r->count);
	}
	for (int i = 0; i < r->count; i++) {
		struct kmeans_step s = unpack_step(r->step[i]);
		show(j, &s);
	}
	return kmeans_train(&j->kmeans, j->train, j->trained, r->width, j->centres);
}

static int write_nearest(struct job *j)
{
	bool *taken = mem_new((size_t)j->from.info.count, sizeof *taken);
	int bad = 0;

	for (int c = 0; c < k && !bad; c++) {
		uint32_t at = j->nearest[c];
		const void *row = features_row(&j->from, at);
		bad = rows_put(&j->to, j->from.keys[at],
			j->from.labels ? j->from.labels[at] : 0, row);
		j->repeated += taken[at];
		taken[at] = true;
	}
	free(taken);
	return bad;
}

static int write_centres(struct job *j)
{
	for (int c = 0; centres_path && c < k; c++)
		if (rows_put(&j->to_centres, (uint64_t)c, 0,
			    j->centres + (size_t)c * (size_t)j->unit.width))
			return -1;
	return 0;
}

static int take_assigned(
	void *ctx, int64_t first, int n, const uint32_t *at, const double *distance)
{
	struct job *j = ctx;

	(void)distance;
	for (int i = 0; i < n; i++)
		if (rows_put(&j->to_assign, j->from.keys[first + i], at[i], &at[i])) return -1;
	progress("assigning", first + n, j->unit.count, "%s", "");
	return 0;
}

/* Every row's nearest centre. */
static int write_assign(struct job *j)
{
	struct knn_set centres = knn_rows("centres", j->centres, k, j->unit.width);
	struct knn search = { .base = &centres,
		.query = &j->unit,
		.metric = spherical ? KNN_IP : KNN_L2,
		.k = 1,
		.device = j->device,
		.take = take_assigned,
		.ctx = j };

	if (!assign_path) return 0;
	int bad = knn_measure(&centres, search.metric) || knn_search(&search, 0, j->unit.count);
	free(centres.norm);
	return bad ? -1 : 0;
}

/* One right after the other, so that a run that is stopped leaves none. */
static int seal(struct job *j)
{
	return (centres_path && rows_seal(&j->to_centres)) ||
		(assign_path && rows_seal(&j->to_assign)) || rows_seal(&j->to) ? -1 : 0;
}

/* The nearest rows of k centres. */
static int cluster(struct job *j)
{
	j->kmeans = (struct kmeans){ .k = k,
		.iterations = iterations,
		.restarts = restarts,
		.seed = (uint32_t)seed,
		.spherical = spherical,
		.device = j->device,
		.step = step,
		.keep = keep,
		.ctx = j };
	if (knn_measure(&j->raw, KNN_COSINE) || load_training(j)) return -1;
	j->centres = mem_big((size_t)k, (size_t)j->unit.width * sizeof *j->centres, "centres");
	if (!j->centres) return -1;
	memset(j->centres, 0, (size_t)k * (size_t)j->unit.width * sizeof *j->centres);
	if (train(j)) return -1;
	free(j->train);
	j->train = NULL;
	if (knn_measure(&j->unit, KNN_L2)) return -1;
	return kmeans_nearest(&j->unit, j->centres, k, distinct, j->device, j->nearest);
}

static int choose(struct job *j)
{
	const struct features *f = &j->from;

	j->nearest = mem_new((size_t)k, sizeof *j->nearest);
	if (method == KMEANS) return cluster(j);
	if (method == RANDOM) return pick_random(f->info.count, k, (uint32_t)seed, j->nearest);
	if (!f->labels)
		return fail("%s: rows without labels, which --method balanced needs", j->path);
	return pick_balanced(f->labels, f->info.count, k, (uint32_t)seed, j->nearest);
}

static int run(struct job *j)
{
	if (device_other(device, DEVICE_BF16, par_threads(), &j->device)) return -1;
	if (input_open(j) || outputs_open(j) || choose(j)) return -1;
	if (write_centres(j) || write_assign(j) || write_nearest(j) || seal(j)) return -1;
	if (j->kept && unlink(j->kept) && errno != ENOENT) return fail("%s:", j->kept);
	if (method == KMEANS)
		note("%d centres of %" PRId64 " rows; %d of their nearest rows are repeated", k,
			j->trained, j->repeated);
	return 0;
}

/* Rows that are drawn have no centres, and no rounds. */
static void check_method(void)
{
	const struct { const char *name; bool set; } one[] = {
		{ "centres", centres_path },
		{ "assign", assign_path },
		{ "iterations", iterations != ITERATIONS },
		{ "restarts", restarts != RESTARTS },
		{ "per-centre", per_centre != PER_CENTRE },
		{ "spherical", spherical },
		{ "distinct", distinct },
	};

	for (size_t i = 0; i < LEN(one) && method != KMEANS; i++)
		if (one[i].set)
			misuse("--%s needs --method kmeans, found %s", one[i].name,
				method_name[method]);
}

int main(int argc, char **argv)
{
	static struct job j;

	blas_start(argv);
	int i = opt_parse(argc, argv, "[FEATURES]", "feature rows to the rows nearest to k centres",
		opts, LEN(opts));
	if (argc - i > 1) misuse("found %d operands, expected one", argc - i);
	check_method();
	j.path = i < argc ? argv[i] : "-";
	int bad = run(&j);
	backend_free(j.device);
	free(j.raw.norm);
	free(j.unit.norm);
	free(j.train);
	free(j.centres);
	free(j.nearest);
	free(j.kept);
	free(j.command);
	rounds_close(&j.rounds);
	rows_close(&j.to);
	rows_close(&j.to_centres);
	rows_close(&j.to_assign);
	features_close(&j.from);
	if (bad) die();
	return done(k, "centres");
}
