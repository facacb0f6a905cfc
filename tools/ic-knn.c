/* ic-knn: feature rows -> the ids and distances of each row's nearest neighbours. */
#include "formats/features.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/par.h"
#include "lib/base/range.h"
#include "lib/base/say.h"
#include "lib/stat/cells.h"
#include "lib/stat/recall.h"
#include "lib/tape/device.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define METRICS "cosine|l2|ip"                   /* in the order of enum knn_metric */

static const char *const metric_name[] = { "cosine", "l2", "ip" };
static const char *out, *range;
static int k = 50, metric, approx, device;
static int64_t memory = (int64_t)4 << 30;

static const struct opt opts[] = {
	{ 'k', "neighbours", "N", "neighbours of each row", OPT_INT, &k, 1, 4096 },
	{ 'o', "output", "FILE", "store to write; without it a row stream on stdout", OPT_OUT, &out,
		0, 0 },
	{ 0, "metric", METRICS, "what is near", OPT_WORD, &metric, 0, 0 },
	{ 0, "rows", "A:B", "only the neighbours of rows A to B-1, counted from 0", OPT_STR, &range,
		0, 0 },
	{ 0, "approx", "CELLS",
		"among the rows of so many near cells only; prints the share of neighbours found",
		OPT_INT, &approx, 1, 1 << 20 },
	{ 0, "memory", "SIZE",
		"for candidates at most; with less, more pairs are multiplied twice", OPT_SIZE,
		&memory, 0, 0 },
	{ 'd', "device", DEVICES, "where to multiply; the neighbours are the same", OPT_WORD,
		&device, 0, 0 },
	OPT_COMMON
};

struct label { uint64_t key; uint32_t label; };

/* What the neighbours found say about the rows. */
struct tally { int64_t rows, copies, same_label; double radius; };

struct search {
	const char *base_path, *query_path;
	struct features base, other;         /* other: queries that are not the base rows */
	const struct features *query;
	struct knn_set base_set, query_set;
	struct knn knn;
	struct recall recall;                /* --approx */
	struct rows to;
	bool store;                          /* writing a store, so that stdout is free */
	int64_t first, last, at;             /* rows asked for, and the first not yet written */
	uint32_t *row;                       /* [k] keys, then [k] distances */
	struct label *labels;                /* [base count] by key; NULL unless both have labels */
	struct tally tally;
};

static int fetch(const struct knn_set *set, int64_t first, int n, float *to)
{
	features_get(set->ctx, first, n, to);
	return 0;
}

/* Floats lie in the store's map as they are. */
static const float *row(const struct knn_set *set, int64_t i)
{
	return features_row(set->ctx, i);
}

static int set_open(struct knn_set *set, const char *path, const struct features *f)
{
	*set = (struct knn_set){ .name = path,
		.count = f->info.count,
		.width = f->info.width,
		.keys = f->keys,
		.fetch = fetch,
		.row = f->info.type == ROWS_F32 ? row : NULL,
		.ctx = f };
	return knn_measure(set, (enum knn_metric)metric);
}

static int by_key(const void *a, const void *b)
{
	const struct label *x = a, *y = b;
	return x->key < y->key ? -1 : x->key > y->key;
}

static int labels_open(struct search *s)
{
	int64_t n = s->base.info.count;

	if (!s->base.labels || !s->query->labels) return 0;
	s->labels = mem_big((size_t)n, sizeof *s->labels, "labels");
	if (!s->labels) return -1;
	for (int64_t i = 0; i < n; i++)
		s->labels[i] = (struct label){ s->base.keys[i], s->base.labels[i] };
	qsort(s->labels, (size_t)n, sizeof *s->labels, by_key);
	return 0;
}

/* A store searched in itself is one set: a row is not its own neighbour. */
static int inputs_open(struct search *s)
{
	if (features_open(&s->base, s->base_path)) return -1;
	s->query = &s->base;
	if (s->query_path) {
		if (features_open(&s->other, s->query_path)) return -1;
		if (features_alike(s->query_path, &s->other.info, s->base_path, &s->base.info))
			return -1;
		if (s->other.info.id != s->base.info.id) s->query = &s->other;
	}
	s->knn.others = s->query == &s->base;
	int64_t n = s->base.info.count, candidates = n - s->knn.others;
	if (k > candidates)
		return fail("%s: %" PRId64 " rows, expected more than %d for -k %d", s->base_path,
			n, k - !s->knn.others, k);
	for (int64_t i = 0; i < n; i++)
		if (s->base.keys[i] > UINT32_MAX)
			return fail("%s: key %" PRIu64 ", expected at most %" PRIu32, s->base_path,
				s->base.keys[i], UINT32_MAX);
	return range_parse(range, s->query->info.count, &s->first, &s->last);
}

static int output_open(struct search *s)
{
	const struct rows_info *q = &s->query->info;
	struct rows_info info = { .kind = "neighbours",
		.type = ROWS_NEAR,
		.width = k,
		.labelled = q->labelled,
		.count = s->last - s->first,
		.from = q->id,
		.root = rows_root(q) };
	int64_t held;

	if (rows_meta_add(&info, "metric", "%s", metric_name[metric])) return -1;
	if (approx && rows_meta_add(&info, "approx", "%d", approx)) return -1;
	if (range && rows_meta_add(&info, "rows", "%" PRId64 ":%" PRId64, s->first, s->last))
		return -1;
	if (s->query != &s->base &&
		(rows_meta_add(&info, "base", "%016" PRIx64, s->base.info.id) ||
			rows_meta_add(&info, "base_root", "%016" PRIx64, rows_root(&s->base.info))))
		return -1;
	if (rows_create(&s->to, out, &info, common.force, &held)) return -1;
	s->at = s->first + held;
	if (held) note("%s: going on after %" PRId64 " rows", out, held);
	return 0;
}

static void tally_row(struct search *s, uint32_t label, const uint32_t *ids, const float *distance)
{
	struct tally *t = &s->tally;

	t->rows++;
	t->copies += distance[0] == 0 && metric != KNN_IP;
	t->radius += (double)distance[k - 1];
	for (int j = 0; s->labels && j < k; j++) {
		const struct label want = { .key = ids[j] };
		const struct label *l =
			bsearch(&want, s->labels, (size_t)s->base.info.count, sizeof want, by_key);
		t->same_label += l && l->label == label;
	}
}

/* What is written is never searched for again. */
static int write_rows(void *ctx, int64_t first, int n, const uint32_t *at, const double *distance)
{
	struct search *s = ctx;
	float *far = (float *)(s->row + k);

	if (approx) recall_count(&s->recall, first, n, at);
	for (int i = 0; i < n; i++) {
		uint32_t label = s->query->labels ? s->query->labels[first + i] : 0;
		for (int j = 0; j < k; j++) {
			s->row[j] = (uint32_t)s->base.keys[at[(size_t)i * (size_t)k + (size_t)j]];
			far[j] = (float)distance[(size_t)i * (size_t)k + (size_t)j];
		}
		if (rows_put(&s->to, s->query->keys[first + i], label, s->row)) return -1;
		if (!s->store) tally_row(s, label, s->row, far);
	}
	return 0;
}

static void tick(void *ctx, double share)
{
	const struct search *s = ctx;
	int64_t rows = s->last - s->at;

	progress("searching", (int64_t)(share * (double)rows), rows, "%s", "");
}

/* From the sealed store, so that rows taken up from an interrupted run count too. */
static int tally_store(struct search *s)
{
	struct rows r;
	struct block b;
	int got;

	if (rows_open(&r, out)) return -1;
	while ((got = rows_next(&r, &b)) > 0)
		for (int i = 0; i < b.n; i++) {
			const uint32_t *row = (const uint32_t *)b.data + (size_t)i * 2 * (size_t)k;
			tally_row(s, b.labels ? b.labels[i] : 0, row, (const float *)(row + k));
		}
	rows_close(&r);
	return got;
}

/* How far the bounds reached, for the rows of this run. */
static void tell_effort(const struct search *s)
{
	const struct knn_effort *e = &s->knn.effort;
	double rows = (double)(s->last - s->at);

	if (rows <= 0 || !common.verbose) return;
	if (s->knn.device)
		note("for each row bf16 left %.1f pairs to double precision; %.2f%% of the rows "
		     "needed more than %d, and %" PRId64 " were searched again",
			(double)e->measured / rows, 100 * (double)e->undecided / rows, k, e->again);
	else
		note("for each row 8 bits left %.1f pairs to 16 by 8, these %.1f to 16 by 16, and "
		     "these %.1f to double precision; %.2f%% of the rows needed more than %d, and "
		     "%" PRId64 " were searched again",
			(double)e->halved / rows, (double)e->refined / rows,
			(double)e->measured / rows,
			100 * (double)e->undecided / rows, k, e->again);
}

/* Of the rows of this run; NaN when all were there already. */
static double tell_recall(const struct search *s)
{
	double low, high, share = recall_share(&s->recall, &low, &high);

	if (!s->recall.n) return NAN;
	note("recall %.4f: so many of the true neighbours of %" PRId64 " rows were found, "
	     "95%% interval %.4f to %.4f", share, s->recall.n, low, high);
	return share;
}

static void report(const struct search *s)
{
	const struct tally *t = &s->tally;
	double share = (double)t->same_label / ((double)t->rows * k);
	double recall = approx ? tell_recall(s) : 1;
	struct record r = record_begin(stdout);

	if (s->labels) note("%.2f%% of the neighbours have their row's label", 100 * share);
	if (!s->store) return;
	record_int(&r, "rows", t->rows);
	record_int(&r, "neighbours", k);
	record_text(&r, "metric", metric_name[metric]);
	record_real(&r, "mean_radius", t->radius / (double)t->rows);
	record_int(&r, "rows_with_copies", t->copies);
	record_real(&r, "recall", recall);
	record_real(&r, "label_agreement", s->labels ? share : NAN);
	record_end(&r);
}

static int search(struct search *s)
{
	struct cells cells = { .base = NULL };

	if (!approx) return knn_search(&s->knn, s->at, s->last);
	int bad = recall_open(&s->recall, &s->knn, s->at, s->last) ||
		cells_open(&cells, s->knn.base, s->knn.metric, k) ||
		cells_search(&cells, &s->knn, approx, s->at, s->last);
	cells_close(&cells);
	return bad ? -1 : 0;
}

static int run(struct search *s)
{
	struct stat st;

	if (device_other(device, DEVICE_BF16, par_threads(), &s->knn.device)) return -1;
	if (inputs_open(s) || output_open(s) || labels_open(s)) return -1;
	if (set_open(&s->base_set, s->base_path, &s->base)) return -1;
	if (s->query == &s->other && set_open(&s->query_set, s->query_path, &s->other)) return -1;
	s->knn.base = &s->base_set;
	s->knn.query = s->query == &s->other ? &s->query_set : &s->base_set;
	s->knn.metric = (enum knn_metric)metric;
	s->knn.k = k;
	s->knn.memory_bytes = (size_t)memory;
	s->knn.take = write_rows;
	s->knn.tick = tick;
	s->knn.ctx = s;
	s->store = out && strcmp(out, "-") && (stat(out, &st) || S_ISREG(st.st_mode));
	s->row = mem_new((size_t)k, 2 * sizeof *s->row);
	if (search(s) || rows_seal(&s->to)) return -1;
	if (s->store && tally_store(s)) return -1;
	tell_effort(s);
	report(s);
	return 0;
}

int main(int argc, char **argv)
{
	static struct search s;

	blas_start(argv);
	int i = opt_parse(argc, argv, "[FEATURES [QUERIES]]",
		"nearest neighbours of feature rows", opts, LEN(opts));
	if (argc - i > 2)
		misuse("found %d operands, expected features and perhaps queries", argc - i);
	if (approx && device) misuse("--approx is for the processor, found --device");
	s.base_path = i < argc ? argv[i] : "-";
	s.query_path = argc - i == 2 ? argv[i + 1] : NULL;
	if (s.query_path && !strcmp(s.base_path, "-") && !strcmp(s.query_path, "-"))
		misuse("only one of the two inputs can be standard input");
	int bad = run(&s);
	int64_t rows = s.last - s.first;
	backend_free(s.knn.device);
	free(s.row);
	free(s.base_set.norm);
	free(s.query_set.norm);
	free(s.labels);
	recall_close(&s.recall);
	rows_close(&s.to);
	features_close(&s.other);
	features_close(&s.base);
	if (bad) die();
	return done(rows, "rows");
}
