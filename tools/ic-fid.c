/* ic-fid: two sets of feature rows, or their statistics -> how far apart they are, in all or by
 * groups of rows. */
#include "formats/features.h"
#include "formats/keys.h"
#include "formats/npz.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/say.h"
#include "lib/stat/compare.h"
#include "lib/stat/groups.h"
#include "lib/stat/pair.h"
#include "lib/stat/subset.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* In the order of the bits COMPARE_... */
#define METRICS "fd,se,half,inf,kid,prdc,is,mind"
static const char *const metric_name[] = { "fd", "se", "half", "inf", "kid", "prdc", "is", "mind" };

static const char *list = "fd", *save, *classes, *counted, *lists;
static bool any, closed;
static int k = 5;
static int64_t seed;

static const struct opt opts[] = {
	{ 0, "metrics", "LIST", "which of " METRICS, OPT_STR, &list, 0, 0 },
	{ 'k', "neighbours", "N", "prdc: a ball reaches to this neighbour", OPT_INT, &k, 1, 4096 },
	{ 0, "closed", NULL, "prdc: a ball includes its boundary", OPT_FLAG, &closed, 0, 0 },
	{ 's', "seed", "N", "seed of the parts of half and inf, the directions of mind", OPT_LONG,
	  &seed, 0, 9e15 },
	{ 0, "groups", "LIST", "apart by labels: class, or NAME:LOW-HIGH,... rows of a class",
	  OPT_STR, &classes, 0, 0 },
	{ 0, "counts", "FILE", "groups: labelled rows to count instead of those of the first set",
	  OPT_STR, &counted, 0, 0 },
	{ 0, "keys", "LIST", "apart by keys: NAME:FILE,... with one key a line", OPT_STR, &lists, 0,
	  0 },
	{ 0, "save-stats", "FILE", "write the statistics of one set as .npz, compare nothing",
	  OPT_OUT, &save, 0, 0 },
	{ 0, "any", NULL, "compare features of different extractors, protocols or handling too",
	  OPT_FLAG, &any, 0, 0 },
	OPT_COMMON
};

struct side {
	const char *path;                    /* NULL: not there */
	struct rows_info info;
	struct features rows;                /* open, unless only statistics are known */
	struct knn_set set;                  /* those rows */
	struct compare_side scored;
};

static bool is_word(const char *p, size_t n, const char *word)
{
	return strlen(word) == n && !memcmp(word, p, n);
}

static int metrics_of(const char *text)
{
	int wanted = 0;

	for (const char *p = text; ; p++) {
		size_t n = strcspn(p, ","), i = 0;
		while (i < LEN(metric_name) && !is_word(p, n, metric_name[i])) i++;
		if (i == LEN(metric_name))
			misuse("--metrics: found '%.*s', expected some of " METRICS, (int)n, p);
		wanted |= 1 << i;
		p += n;
		if (!*p) return wanted;
	}
}

/* A double holds the square of any float: the sum is finite exactly if its row is. */
static int fetch(const struct knn_set *set, int64_t first, int n, float *to)
{
	features_get(set->ctx, first, n, to);
	for (int i = 0; i < n; i++, to += set->width)
		if (!isfinite(pair_square(to, set->width)))
			return fail("%s: key %" PRIu64 ": a row that is not finite", set->name,
				knn_key(set, first + i));
	return 0;
}

static int open_stats(struct side *s)
{
	struct npz z;

	if (npz_read(&z, s->path)) return -1;
	s->info = z.info;
	s->scored.stats = (struct stats){ z.info.width, z.info.count, z.mean, z.cov };
	if (!*z.info.meta)
		warn("%s: says nothing of the network that its features come from", s->path);
	return 0;
}

static int side_open(struct side *s, int wanted)
{
	int npz = npz_is(s->path);
	if (npz > 0) return open_stats(s);
	if (npz < 0 || features_open(&s->rows, s->path)) return -1;
	s->info = s->rows.info;
	s->set = (struct knn_set){ .name = s->path, .count = s->info.count, .width = s->info.width,
		.keys = s->rows.keys, .fetch = fetch, .ctx = &s->rows };
	s->scored.rows = &s->set;
	if (s->info.count < 2 || s->info.count > UINT32_MAX)
		return fail("%s: %" PRId64 " rows, expected at least two and at most %" PRIu32,
			s->path, s->info.count, UINT32_MAX);
	return wanted & COMPARE_PRDC ? knn_measure(&s->set, KNN_L2) : 0;
}

static void side_close(struct side *s)
{
	features_close(&s->rows);
	free(s->set.norm);
	stats_close(&s->scored.stats);
}

/* What is said of the ranks of one set. */
static void warn_of_few(const struct side *s)
{
	if (!s->scored.rows || s->info.count > s->info.width) return;
	warn("%s: %" PRId64 " rows of %d give a covariance without full rank: the distance is "
		"biased upward", s->path, s->info.count, s->info.width);
}

static void warn_of_rank(const struct side *s, int rank)
{
	if (rank < s->info.width && (s->info.count < 0 || s->info.count > s->info.width))
		warn("%s: the covariance has rank %d of %d: columns are constant or depend on "
			"others", s->path, rank, s->info.width);
}

static void report_moments(struct record *out, int wanted, const struct scores *r)
{
	record_real(out, "mean_term", r->fd.mean_term);
	record_real(out, "trace_real", r->fd.trace_a);
	record_real(out, "trace_fake", r->fd.trace_b);
	record_real(out, "trace_root", r->fd.trace_root);
	record_int(out, "rank_real", r->fd.rank_a);
	record_int(out, "rank_fake", r->fd.rank_b);
	if (wanted & COMPARE_SE) record_real(out, "fd_se", r->error);
	if (wanted & COMPARE_HALF) record_real(out, "fd_half", r->half);
	if (wanted & COMPARE_INF) record_real(out, "fd_inf", r->endless);
}

/* What one comparison is of. */
struct names { const char *group, *real, *fake; int64_t n, m; };

static void report(const struct scores *r, int wanted, const struct names *of)
{
	struct record out = record_begin(stdout);
	double n = (double)of->n, m = (double)of->m;

	if (of->group) record_text(&out, "group", of->group);
	if (of->real) record_text(&out, "real", of->real);
	record_text(&out, "fake", of->fake);
	if (wanted & COMPARE_MOMENTS) record_real(&out, "fd", r->fd.distance);
	if (of->real) record_int(&out, "n_real", of->n);
	record_int(&out, "n_fake", of->m);
	if (wanted & COMPARE_MOMENTS) report_moments(&out, wanted, r);
	if (wanted & COMPARE_KID) {
		record_real(&out, "kid", r->kid.value);
		record_real(&out, "kid_se", r->kid.error);
	}
	if (wanted & COMPARE_PRDC) {
		record_real(&out, "precision", (double)r->prdc.precise / m);
		record_real(&out, "recall", (double)r->prdc.recalled / n);
		record_real(&out, "density", (double)r->prdc.inside / (k * m));
		record_real(&out, "coverage", (double)r->prdc.covered / n);
	}
	if (wanted & COMPARE_MIND) record_real(&out, "mind", r->mind);
	if (wanted & COMPARE_IS) {
		record_real(&out, "is", r->is.mean);
		record_real(&out, "is_std", r->is.deviation);
	}
	record_end(&out);
}

/* Statistics have no rows for what is counted over rows. */
static int rows_check(const struct side *s, int wanted)
{
	for (size_t i = 0; i < LEN(metric_name) && !s->scored.rows; i++)
		if (wanted & 1 << i)
			return fail("%s: found statistics, expected rows for %s", s->path,
				metric_name[i]);
	return 0;
}

/* The Inception Score wants scores of classes: rows that name a network and no layer are not. */
static int scores_check(const struct side *s)
{
	char net[256], layer[256];

	if (!rows_meta(&s->info, "net", net, sizeof net) ||
		rows_meta(&s->info, "layer", layer, sizeof layer)) return 0;
	return fail("%s: found features of %s at its last pooling, expected scores of classes for "
		"is (ic-embed --layer unbiased)", s->path, net);
}

static int open_both(int wanted, struct side *real, struct side *fake)
{
	const struct rows_info *a = &real->info, *b = &fake->info;

	if (real->path && side_open(real, wanted)) return -1;
	if (side_open(fake, wanted)) return -1;
	if (real->path) {
		if (a->width != b->width)
			return fail("%s: rows of %d, expected %d as in %s", fake->path, b->width,
				a->width, real->path);
		if (!any && (features_alike(fake->path, b, real->path, a) ||
			features_handled_alike(fake->path, b, real->path, a))) return -1;
		if (rows_check(real, wanted & COMPARE_REAL_ROWS)) return -1;
	}
	if (rows_check(fake, wanted & COMPARE_FAKE_ROWS)) return -1;
	if (wanted & COMPARE_IS && !any && scores_check(fake)) return -1;
	return wanted & COMPARE_SE && !real->scored.rows ? rows_check(fake, COMPARE_SE) : 0;
}

/* One group of the rows of a side. */
struct part { char *name; uint32_t *at; struct subset rows; struct compare_side scored; };

static void part_close(struct part *p)
{
	stats_close(&p->scored.stats);
	subset_close(&p->rows);
	free(p->at);
	free(p->name);
}

/* Closed by the caller in any case. */
static int part_open(struct part *p, const struct side *s, const struct group *g)
{
	*p = (struct part){ .name = mem_text("%s, group %s", s->path, g->name) };
	p->at = mem_big((size_t)s->info.count, sizeof *p->at, "the rows of a group");
	if (!p->at) return -1;
	int64_t n = group_pick(g, lists ? s->rows.keys : NULL, s->rows.labels, s->info.count,
		p->at);
	if (n < 2) return fail("%s: %" PRId64 " rows, expected at least two", p->name, n);
	if (subset_open(&p->rows, &s->set, p->at, n)) return -1;
	p->rows.set.name = p->name;
	p->scored.rows = &p->rows.set;
	return 0;
}

static int measure_all(const struct compare *job, struct side *real, struct side *fake)
{
	const struct names names = { NULL, real->path, fake->path, real->info.count,
		fake->info.count };
	bool moments = job->wanted & COMPARE_MOMENTS;
	struct scores r;

	if (moments) {
		warn_of_few(real);
		warn_of_few(fake);
	}
	if (compare_sides(&r, job, &real->scored, &fake->scored)) return -1;
	progress_end();
	report(&r, job->wanted, &names);
	if (moments) {
		warn_of_rank(real, r.fd.rank_a);
		warn_of_rank(fake, r.fd.rank_b);
	}
	return 0;
}

/* few: counts groups of no more rows than columns. */
static int measure_group(const struct compare *job, const struct group *g, const struct side *real,
	const struct side *fake, int *few)
{
	struct part a = { .at = NULL }, b = { .at = NULL };
	struct scores r;
	int bad = real->path ? part_open(&a, real, g) : 0;

	if (!bad) bad = part_open(&b, fake, g);
	if (!bad && job) {
		const struct names names = { g->name, real->path, fake->path,
			a.rows.set.count, b.rows.set.count };
		bad = compare_sides(&r, job, &a.scored, &b.scored);
		progress_end();
		if (!bad) report(&r, job->wanted, &names);
		*few += names.n <= real->info.width || names.m <= fake->info.width;
	}
	part_close(&a);
	part_close(&b);
	return bad;
}

/* Every group has rows before the first is measured. */
static int measure_groups(const struct compare *job, const struct groups *s,
	const struct side *real, const struct side *fake)
{
	int few = 0;

	for (int i = 0; i < s->n; i++)
		if (measure_group(NULL, &s->group[i], real, fake, &few)) return -1;
	for (int i = 0; i < s->n; i++)
		if (measure_group(job, &s->group[i], real, fake, &few)) return -1;
	if (few && job->wanted & COMPARE_MOMENTS)
		warn("%d of %d groups have no more rows than the %d columns: their distances are "
			"biased upward", few, s->n, fake->info.width);
	return 0;
}

static int part_check(const struct side *s)
{
	const char *what = lists ? "keys" : "groups";

	if (!s->path) return 0;
	if (!s->scored.rows)
		return fail("%s: found statistics, expected rows for --%s", s->path, what);
	return lists || s->rows.labels ? 0 :
		fail("%s: rows without labels, expected labels for --groups", s->path);
}

/* Keys of both sides count in one image store. */
static int read_keys(struct groups *s, const struct side *real, const struct side *fake)
{
	uint64_t *wanted, a = rows_root(&real->info), b = rows_root(&fake->info);

	if (real->path && a != b)
		return fail("%s: keys that count in %016" PRIx64 ", expected %016" PRIx64 " as in "
			"%s (see ic-embed --by-instance)", fake->path, b, a, real->path);
	for (int i = 0; i < s->n; i++) {
		int64_t n = keys_read(s->group[i].text, &wanted);
		if (n < 0) return -1;
		group_fill(&s->group[i], wanted, n);
	}
	return 0;
}

static int read_classes(struct groups *s, const struct side *first)
{
	uint32_t *labels;
	int64_t n = first->info.count;

	if (counted) {
		n = rows_load_labels(&labels, counted);
		if (n < 0) return -1;
	} else {
		labels = mem_big((size_t)n, sizeof *labels, "labels");
		if (!labels) return -1;
		memcpy(labels, first->rows.labels, (size_t)n * sizeof *labels);
	}
	if (s->n) groups_by_count(s, labels, n);
	else groups_by_label(s, labels, n);
	free(labels);
	return 0;
}

static int compare(const struct compare *job, struct groups *s, struct side *real,
	struct side *fake)
{
	if (open_both(job->wanted, real, fake)) return -1;
	if (!classes && !lists) return measure_all(job, real, fake);
	if (part_check(real) || part_check(fake)) return -1;
	if (lists ? read_keys(s, real, fake) : read_classes(s, real->path ? real : fake)) return -1;
	return measure_groups(job, s, real, fake);
}

static int save_stats(struct side *s)
{
	if (side_open(s, COMPARE_FD)) return -1;
	if (!s->scored.rows)
		return fail("%s: found statistics, expected rows to make them of", s->path);
	warn_of_few(s);
	if (stats_of(&s->scored.stats, &s->set)) return -1;
	progress_end();
	return npz_write(save, &(struct npz){ s->info, s->scored.stats.mean, s->scored.stats.cov },
		common.force);
}

/* Names and ranges; labels and keys come when the sets are open. */
static void parse_groups(struct groups *s)
{
	if (classes && lists) misuse("--groups and --keys: expected one of them");
	if (save && (classes || lists)) misuse("--save-stats: not with --groups or --keys");
	if (counted && (!classes || !strcmp(classes, "class")))
		misuse("--counts: expected --groups NAME:LOW-HIGH,...");
	if (lists && groups_parse(s, lists)) misuse("--keys: %s", why());
	if (!classes || !strcmp(classes, "class")) return;
	if (groups_parse(s, classes) || groups_ranges(s)) misuse("--groups: %s", why());
}

/* Standard input can be read once. */
static void check_inputs(const struct groups *s, const struct side *real, const struct side *fake)
{
	int standard = real->path && !strcmp(real->path, "-");

	standard += !strcmp(fake->path, "-");
	standard += counted && !strcmp(counted, "-");
	for (int i = 0; lists && i < s->n; i++) standard += !strcmp(s->group[i].text, "-");
	if (standard > 1) misuse("only one of the inputs can be standard input");
}

int main(int argc, char **argv)
{
	static struct side real, fake;
	struct groups groups = { .n = 0 };

	blas_start(argv);
	int i = opt_parse(argc, argv, "[REAL] [FAKE]", "how far two sets of features are apart",
		opts, LEN(opts));
	const struct compare job = { metrics_of(list), k, closed, (uint64_t)seed };
	int operands = argc - i;
	bool one = save || !(job.wanted & (COMPARE_MOMENTS | COMPARE_REAL_ROWS));
	if (operands > 2 - one || operands < 1 - one)
		misuse("found %d operands, expected %s", operands,
			one ? "one set of rows" : "real features and generated ones");
	if (!one) real.path = argv[i++];
	fake.path = i < argc ? argv[i] : "-";
	parse_groups(&groups);
	check_inputs(&groups, &real, &fake);
	int bad = save ? save_stats(&fake) : compare(&job, &groups, &real, &fake);
	int64_t rows = real.set.count + fake.set.count;
	groups_close(&groups);
	side_close(&real);
	side_close(&fake);
	if (bad) die();
	return done(rows, "rows");
}
