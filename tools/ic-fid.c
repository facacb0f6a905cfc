/* ic-fid: two sets of feature rows, or their statistics -> how far apart they are. */
#include "formats/features.h"
#include "formats/npz.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/say.h"
#include "lib/stat/influence.h"
#include "lib/stat/iscore.h"
#include "lib/stat/kid.h"
#include "lib/stat/prdc.h"
#include "lib/stat/stats.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SCORE_PARTS = 10 };                   /* of the Inception Score */

enum metric {
	FD = 1, SE = 2, HALF = 4, INF = 8, KID = 16, PRDC = 32, IS = 64,
	OF_MOMENTS = FD | SE | HALF | INF,
	OF_BOTH = OF_MOMENTS | KID | PRDC,   /* need the real side, too */
	OF_REAL_ROWS = KID | PRDC,
	OF_FAKE_ROWS = HALF | INF | KID | PRDC | IS,
};
#define METRICS "fd,se,half,inf,kid,prdc,is"
static const char *const metric_name[] = { "fd", "se", "half", "inf", "kid", "prdc", "is" };

static const char *list = "fd", *save;
static bool any, closed;
static int k = 5;
static int64_t seed;

static const struct opt opts[] = {
	{ 0, "metrics", "LIST", "which of " METRICS, OPT_STR, &list, 0, 0 },
	{ 'k', "neighbours", "N", "prdc: a ball reaches to this neighbour", OPT_INT, &k, 1, 4096 },
	{ 0, "closed", NULL, "prdc: a ball includes its boundary", OPT_FLAG, &closed, 0, 0 },
	{ 's', "seed", "N", "seed of the parts of half and inf", OPT_LONG, &seed, 0, 9e15 },
	{ 0, "save-stats", "FILE", "write the statistics of one set as .npz, compare nothing",
	  OPT_STR, &save, 0, 0 },
	{ 0, "any", NULL, "compare features of different extractors or protocols too",
	  OPT_FLAG, &any, 0, 0 },
	OPT_COMMON
};

struct side {
	const char *path;                    /* NULL: not there */
	struct rows_info info;
	struct features rows;                /* open, unless only statistics are known */
	struct knn_set set;                  /* those rows */
	struct stats stats;                  /* when asked for */
};

/* All that a comparison may say. */
struct result {
	struct frechet fd;
	double error, half, endless;
	struct kid kid;
	struct prdc prdc;
	struct iscore score;
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

static int fetch(const struct knn_set *set, int64_t first, int n, float *to)
{
	return features_get(set->ctx, first, n, to);
}

static bool has_rows(const struct side *s)
{
	return s->set.fetch;
}

static int open_stats(struct side *s)
{
	struct npz z;

	if (npz_read(&z, s->path)) return -1;
	s->info = z.info;
	s->stats = (struct stats){ z.info.width, z.info.count, z.mean, z.cov };
	if (!*z.info.meta)
		warn("%s: says nothing of the network that its features come from", s->path);
	return 0;
}

static int side_open(struct side *s)
{
	if (strcmp(s->path, "-") && npz_is(s->path)) return open_stats(s);
	if (features_open(&s->rows, s->path)) return -1;
	s->info = s->rows.info;
	s->set = (struct knn_set){ .name = s->path, .count = s->info.count, .width = s->info.width,
		.keys = s->rows.keys, .fetch = fetch, .ctx = &s->rows };
	if (s->info.count < 2)
		return fail("%s: %" PRId64 " rows, expected at least two", s->path, s->info.count);
	return knn_measure(&s->set, KNN_L2);
}

static void side_close(struct side *s)
{
	features_close(&s->rows);
	free(s->set.norm);
	stats_close(&s->stats);
}

static int side_stats(struct side *s)
{
	if (!has_rows(s)) return 0;
	if (s->info.count <= s->info.width)
		warn("%s: %" PRId64 " rows of %d give a covariance without full rank: the distance "
			"is biased upward", s->path, s->info.count, s->info.width);
	return stats_of(&s->stats, &s->set, NULL, 0);
}

static void warn_of_rank(const struct side *s, int rank)
{
	if (rank < s->info.width && (s->info.count < 0 || s->info.count > s->info.width))
		warn("%s: the covariance has rank %d of %d: columns are constant or depend on "
			"others", s->path, rank, s->info.width);
}

/* What the rows of a side add to the variance of the distance; statistics are taken for exact. */
static int add_variance(const struct side *s, const struct side *other, double *variance)
{
	struct influence f;
	double v;

	if (!has_rows(s)) return 0;
	if (influence_open(&f, s->stats.width, s->stats.mean, s->stats.cov, other->stats.mean,
		other->stats.cov)) return -1;
	int bad = influence_variance(&f, &s->set, &v);
	if (!bad) *variance += v;
	influence_close(&f);
	return bad;
}

static int measure_halves(struct result *r, const struct side *real, const struct side *fake)
{
	uint32_t *order = stats_order(fake->set.count, (uint64_t)seed, 0);
	int bad = order ? 0 : -1;

	if (!bad) bad = stats_halves(&r->half, &real->stats, &fake->set, order, r->fd.distance);
	free(order);
	return bad;
}

static int measure_moments(struct result *r, int wanted, struct side *real, struct side *fake)
{
	double variance = 0;

	if (side_stats(real) || side_stats(fake)) return -1;
	if (stats_distance(&r->fd, &real->stats, &fake->stats)) return -1;
	warn_of_rank(real, r->fd.rank_a);
	warn_of_rank(fake, r->fd.rank_b);
	if (wanted & SE) {
		if (add_variance(real, fake, &variance)) return -1;
		if (add_variance(fake, real, &variance)) return -1;
		r->error = sqrt(variance);
	}
	if (wanted & HALF && measure_halves(r, real, fake)) return -1;
	if (!(wanted & INF)) return 0;
	return stats_infinity(&r->endless, &real->stats, &fake->set, (uint64_t)seed);
}

static int measure(struct result *r, int wanted, struct side *real, struct side *fake)
{
	r->prdc = (struct prdc){ .k = k, .closed = closed };
	if (wanted & OF_MOMENTS && measure_moments(r, wanted, real, fake)) return -1;
	if (wanted & KID && kid_distance(&r->kid, &real->set, &fake->set)) return -1;
	if (wanted & PRDC && prdc_count(&r->prdc, &real->set, &fake->set)) return -1;
	if (wanted & IS && iscore_parts(&r->score, &fake->set, SCORE_PARTS)) return -1;
	progress_end();
	return 0;
}

static void report_moments(struct record *out, int wanted, const struct result *r)
{
	record_real(out, "mean_term", r->fd.mean_term);
	record_real(out, "trace_real", r->fd.trace_a);
	record_real(out, "trace_fake", r->fd.trace_b);
	record_real(out, "trace_root", r->fd.trace_root);
	record_int(out, "rank_real", r->fd.rank_a);
	record_int(out, "rank_fake", r->fd.rank_b);
	if (wanted & SE) record_real(out, "fd_se", r->error);
	if (wanted & HALF) record_real(out, "fd_half", r->half);
	if (wanted & INF) record_real(out, "fd_inf", r->endless);
}

static void report(const struct result *r, int wanted, const struct side *real,
	const struct side *fake)
{
	struct record out = record_begin(stdout);
	double n = (double)real->info.count, m = (double)fake->info.count;

	if (real->path) record_text(&out, "real", real->path);
	record_text(&out, "fake", fake->path);
	if (wanted & OF_MOMENTS) record_real(&out, "fd", r->fd.distance);
	if (real->path) record_int(&out, "n_real", real->info.count);
	record_int(&out, "n_fake", fake->info.count);
	if (wanted & OF_MOMENTS) report_moments(&out, wanted, r);
	if (wanted & KID) {
		record_real(&out, "kid", r->kid.value);
		record_real(&out, "kid_se", r->kid.error);
	}
	if (wanted & PRDC) {
		record_real(&out, "precision", (double)r->prdc.precise / m);
		record_real(&out, "recall", (double)r->prdc.recalled / n);
		record_real(&out, "density", (double)r->prdc.inside / (k * m));
		record_real(&out, "coverage", (double)r->prdc.covered / n);
	}
	if (wanted & IS) {
		record_real(&out, "is", r->score.mean);
		record_real(&out, "is_std", r->score.deviation);
	}
	record_end(&out);
}

/* Statistics have no rows for what is counted over rows. */
static int rows_check(const struct side *s, int wanted)
{
	for (size_t i = 0; i < LEN(metric_name) && !has_rows(s); i++)
		if (wanted & 1 << i)
			return fail("%s: found statistics, expected rows for %s", s->path,
				metric_name[i]);
	return 0;
}

static int compare(int wanted, struct side *real, struct side *fake)
{
	struct result r = { .error = 0 };

	if (real->path && side_open(real)) return -1;
	if (side_open(fake)) return -1;
	if (real->path) {
		const struct rows_info *a = &real->info, *b = &fake->info;
		if (a->width != b->width)
			return fail("%s: rows of %d, expected %d as in %s", fake->path, b->width,
				a->width, real->path);
		if (!any && features_alike(fake->path, b, real->path, a)) return -1;
		if (rows_check(real, wanted & OF_REAL_ROWS)) return -1;
	}
	if (rows_check(fake, wanted & OF_FAKE_ROWS)) return -1;
	if (wanted & SE && !has_rows(real) && rows_check(fake, SE)) return -1;
	if (measure(&r, wanted, real, fake)) return -1;
	report(&r, wanted, real, fake);
	return 0;
}

static int save_stats(struct side *s)
{
	if (side_open(s)) return -1;
	if (!has_rows(s))
		return fail("%s: found statistics, expected rows to make them of", s->path);
	if (side_stats(s)) return -1;
	progress_end();
	return npz_write(save, &(struct npz){ s->info, s->stats.mean, s->stats.cov }, common.force);
}

int main(int argc, char **argv)
{
	static struct side real, fake;

	blas_start(argv);
	int i = opt_parse(argc, argv, "[REAL] [FAKE]", "how far two sets of features are apart",
		opts, LEN(opts));
	int wanted = metrics_of(list), operands = argc - i;
	bool one = save || !(wanted & OF_BOTH);
	if (operands > 2 - one || operands < 1 - one)
		misuse("found %d operands, expected %s", operands,
			one ? "one set of rows" : "real features and generated ones");
	if (!one) real.path = argv[i++];
	fake.path = i < argc ? argv[i] : "-";
	if (real.path && !strcmp(real.path, "-") && !strcmp(fake.path, "-"))
		misuse("only one of the two inputs can be standard input");
	int bad = save ? save_stats(&fake) : compare(wanted, &real, &fake);
	int64_t rows = real.set.count + fake.set.count;
	side_close(&real);
	side_close(&fake);
	if (bad) die();
	return done(rows, "rows");
}
