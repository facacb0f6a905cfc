/* ic-fid: two sets of feature rows -> the Frechet distance of the Gaussians fitted to them. */
#include "formats/features.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/say.h"
#include "lib/stat/frechet.h"
#include "lib/stat/moments.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool any;

static const struct opt opts[] = {
	{ 0, "any", NULL, "compare features of different extractors or protocols too", OPT_FLAG, &any, 0, 0 },
	OPT_COMMON
};

struct side {
	const char *path;
	struct rows rows;
	struct moments moments;
	double *mean, *cov;                  /* [width], [width][width] */
};

static int side_open(struct side *s, const char *path)
{
	s->path = path;
	if (rows_open(&s->rows, path)) return -1;
	const struct rows_info *i = &s->rows.info;
	if (i->type != ROWS_F32 && i->type != ROWS_F16)
		return fail("%s: found rows of kind %s, expected features (f32 or f16)", path, i->kind);
	size_t width = (size_t)i->width;
	s->mean = mem_big(width, sizeof *s->mean, "a mean");
	s->cov = mem_big(width * width, sizeof *s->cov, "a covariance");
	return s->mean && s->cov && !moments_open(&s->moments, i->width) ? 0 : -1;
}

static void side_close(struct side *s)
{
	rows_close(&s->rows);
	moments_close(&s->moments);
	free(s->mean);
	free(s->cov);
}

static int finite_check(const struct side *s, const struct block *b, const float *x)
{
	int width = s->rows.info.width;

	for (int i = 0; i < b->n; i++)
		for (int j = 0; j < width; j++)
			if (!isfinite(x[(size_t)i * (size_t)width + (size_t)j]))
				return fail("%s: key %" PRIu64 ": a row that is not finite", s->path, b->keys[i]);
	return 0;
}

static int read_moments(struct side *s)
{
	const struct rows_info *info = &s->rows.info;
	struct block b;
	float *room = NULL;
	int64_t n = 0;
	int room_rows = 0, got;

	while ((got = rows_next(&s->rows, &b)) > 0) {
		if (info->type == ROWS_F16 && b.n > room_rows) {
			free(room);
			room_rows = b.n;
			room = mem_new((size_t)b.n, (size_t)info->width * sizeof *room);
		}
		const float *x = features_floats(info, &b, room);
		if ((got = stop_check() || finite_check(s, &b, x) ? -1 : 0)) break;
		moments_add(&s->moments, x, b.n);
		n += b.n;
		progress(s->path, n, info->count, "%s", "");
	}
	free(room);
	if (got < 0) return -1;
	if (n < 2) return fail("%s: %" PRId64 " rows, expected at least two", s->path, n);
	if (n <= info->width)
		warn("%s: %" PRId64 " rows of %d give a covariance without full rank: the distance is biased upward", s->path, n,
			info->width);
	return moments_end(&s->moments, s->mean, s->cov);
}

static void report(const struct frechet *f, const struct side *real, const struct side *fake)
{
	struct record r = record_begin(stdout);

	record_text(&r, "real", real->path);
	record_text(&r, "fake", fake->path);
	record_real(&r, "fd", f->distance);
	record_int(&r, "n_real", real->moments.count);
	record_int(&r, "n_fake", fake->moments.count);
	record_real(&r, "mean_term", f->mean_term);
	record_real(&r, "trace_real", f->trace_a);
	record_real(&r, "trace_fake", f->trace_b);
	record_real(&r, "trace_root", f->trace_root);
	record_int(&r, "rank_real", f->rank_a);
	record_int(&r, "rank_fake", f->rank_b);
	record_end(&r);
}

static int run(struct side *real, const char *real_path, struct side *fake, const char *fake_path)
{
	struct frechet f;

	if (side_open(real, real_path) || side_open(fake, fake_path)) return -1;
	const struct rows_info *a = &real->rows.info, *b = &fake->rows.info;
	if (a->width != b->width)
		return fail("%s: rows of %d, expected %d as in %s", fake_path, b->width, a->width, real_path);
	if (!any && features_alike(fake_path, b, real_path, a)) return -1;
	if (read_moments(real) || read_moments(fake)) return -1;
	progress_end();
	if (frechet_distance(&f, a->width, real->mean, real->cov, fake->mean, fake->cov)) return -1;
	report(&f, real, fake);
	return 0;
}

int main(int argc, char **argv)
{
	static struct side real, fake;

	blas_start(argv);
	int i = opt_parse(argc, argv, "REAL [FAKE]", "Frechet distance between two sets of features", opts, LEN(opts));
	if (argc - i < 1 || argc - i > 2) misuse("found %d operands, expected real features and generated ones", argc - i);
	const char *real_path = argv[i], *fake_path = argc - i == 2 ? argv[i + 1] : "-";
	if (!strcmp(real_path, "-") && !strcmp(fake_path, "-")) misuse("only one of the two inputs can be standard input");
	int bad = run(&real, real_path, &fake, fake_path);
	int64_t rows = real.moments.count + fake.moments.count;
	side_close(&real);
	side_close(&fake);
	if (bad) die();
	return done(rows, "rows");
}
