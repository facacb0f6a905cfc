/* check-stat: neighbours, k-means and the Frechet distance against reference values
 * (tests/golden/make/stat.py). */
#include "formats/safetensors.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/stat/frechet.h"
#include "lib/stat/kmeans.h"
#include "lib/stat/knn.h"
#include "lib/stat/moments.h"
#include "lib/stat/mt.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

static struct tensors golden;

static const struct tensor *need(const char *name, enum dtype type)
{
	const struct tensor *t = tensors_find(&golden, name);
	must(t && t->type == type);
	return t;
}

/* As double, owned by the caller. */
static double *numbers(const char *name, int64_t *count)
{
	const struct tensor *t = tensors_find(&golden, name);
	must(t);
	double *to = mem_new((size_t)t->count, sizeof *to);
	for (int64_t i = 0; i < t->count; i++) {
		const char *p = (const char *)t->data + (size_t)i * dtype_size(t->type);
		uint16_t half;
		uint32_t word;
		switch (t->type) {
		case DT_F64: memcpy(to + i, p, sizeof *to); break;
		case DT_U16: memcpy(&half, p, sizeof half); to[i] = half; break;
		case DT_U32: memcpy(&word, p, sizeof word); to[i] = word; break;
		default: must(!"a tensor of counts or doubles");
		}
	}
	*count = t->count;
	return to;
}

struct matrix { float *x; int64_t n; int width; };

static struct matrix matrix(const char *name)
{
	const struct tensor *t = need(name, DT_F32);
	struct matrix m = { mem_new((size_t)t->count, sizeof(float)), t->shape[0],
			    (int)t->shape[1] };
	memcpy(m.x, t->data, (size_t)t->count * sizeof(float));
	return m;
}

static void frechet_of(struct frechet *f, struct matrix a, struct matrix b, int chunk)
{
	struct moments m[2];
	double *mean[2], *cov[2];
	struct matrix x[2] = { a, b };

	for (int s = 0; s < 2; s++) {
		size_t w = (size_t)x[s].width;
		mean[s] = mem_new(w, sizeof(double));
		cov[s] = mem_new(w * w, sizeof(double));
		must(!moments_open(&m[s], x[s].width));
		for (int64_t i = 0; i < x[s].n; i += chunk)
			moments_add(&m[s], x[s].x + i * x[s].width,
				    (int)(x[s].n - i < chunk ? x[s].n - i : chunk));
		must(!moments_end(&m[s], mean[s], cov[s]));
		moments_close(&m[s]);
	}
	must(!frechet_distance(f, a.width, mean[0], cov[0], mean[1], cov[1]));
	for (int s = 0; s < 2; s++) {
		free(mean[s]);
		free(cov[s]);
	}
}

/* "frechet.CASE.SET.SET": distance, mean term, traces, trace of the root, ranks. */
static void check_frechet_case(const char *name)
{
	char id[32], sets[2][64] = { "frechet.", "frechet." };
	int64_t count;
	double *want = numbers(name, &count);
	struct frechet f, g;

	must(sscanf(name, "frechet.%31[^.].%32[^.].%32s", id, sets[0] + 8, sets[1] + 8) == 3 &&
	     count == 7);
	struct matrix a = matrix(sets[0]), b = matrix(sets[1]);
	frechet_of(&f, a, b, 7);
	is_near(f.distance, want[0], 1e-11, "frechet %s: distance", id);
	is_near(f.mean_term, want[1], 1e-12, "frechet %s: mean term", id);
	is_near(f.trace_a, want[2], 1e-12, "frechet %s: first trace", id);
	is_near(f.trace_b, want[3], 1e-12, "frechet %s: second trace", id);
	is_near(f.trace_root, want[4], 1e-12, "frechet %s: trace of the root", id);
	ok(f.rank_a == want[5] && f.rank_b == want[6], "frechet %s: ranks %d and %d", id, f.rank_a,
	   f.rank_b);
	par_set_threads(1);
	frechet_of(&g, a, b, 500);
	par_set_threads(2);
	ok(!memcmp(&f, &g, sizeof f), "frechet %s: the same for other chunks and threads", id);
	free(a.x);
	free(b.x);
	free(want);
}

static void check_frechet_given(const char *id)
{
	static const char *const part[] = { "mu1", "sigma1", "mu2", "sigma2", "fid" };
	double *p[5];
	int64_t d = 0, n;
	struct frechet f;

	for (int i = 0; i < 5; i++) {
		char name[64];
		snprintf(name, sizeof name, "frechet.given.%s.%s", id, part[i]);
		p[i] = numbers(name, i ? &n : &d);
	}
	ok(!frechet_distance(&f, (int)d, p[0], p[1], p[2], p[3]), "frechet of given moments, %s",
	   id);
	is_near(f.distance, p[4][0], 1e-12, "frechet of given moments, %s: distance", id);
	for (int i = 0; i < 5; i++) free(p[i]);
}

/* Eigenvalues 3, -1 and 1. */
static void check_negative(void)
{
	double cov[9] = { 1, 2, 0, 2, 1, 0, 0, 0, 1 };
	double unit[9] = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, mean[3] = { 0 };
	struct frechet f;

	ok(frechet_distance(&f, 3, mean, unit, mean, cov) && strstr(why(), "negative eigenvalues"),
	   "a covariance that is none: %s", why());
}

static void check_frechet(void)
{
	static const char *const given[] = { "isotropic", "diagonal", "rank_one", "zero_cov",
					     "one_zero" };
	struct moments m;
	double one[3];

	for (int i = 0; i < golden.n; i++)
		if (!strncmp(golden.t[i].name, "frechet.", 8) &&
		    strstr(golden.t[i].name, ".set_") != NULL &&
		    strncmp(golden.t[i].name, "frechet.set_", 12))
			check_frechet_case(golden.t[i].name);
	for (size_t i = 0; i < LEN(given); i++) check_frechet_given(given[i]);
	check_negative();
	must(!moments_open(&m, 1));
	moments_add(&m, &(float){ 3 }, 1);
	ok(moments_end(&m, one, one + 1), "one row has no covariance: %s", why());
	moments_close(&m);
}

struct found { int k; uint32_t *at; double *distance; };   /* [rows][k] */

static int take(void *ctx, int64_t first, int n, const uint32_t *at, const double *distance)
{
	const struct found *f = ctx;
	memcpy(f->at + first * f->k, at, (size_t)(n * f->k) * sizeof *at);
	memcpy(f->distance + first * f->k, distance, (size_t)(n * f->k) * sizeof *distance);
	return 0;
}

/* All neighbours of a set among itself, or why not. */
static int neighbours(struct matrix m, enum knn_metric metric, int k, uint32_t *at,
		      double *distance)
{
	struct knn_set set = knn_rows("rows", m.x, m.n, m.width);
	struct found found = { k, at, distance };
	struct knn job = { .base = &set, .query = &set, .metric = metric, .k = k, .others = true,
		.take = take, .ctx = &found };
	int status = knn_measure(&set, metric);

	if (!status) status = knn_search(&job, 0, m.n);
	free(set.norm);
	return status;
}

static int differing(const uint32_t *at, int64_t n, int k, const double *want, int width)
{
	int bad = 0;
	for (int64_t i = 0; i < n; i++)
		for (int j = 0; j < k; j++) bad += at[i * k + j] != want[i * width + j];
	return bad;
}

static double largest_error(const double *d, int64_t n, int k, const double *want, int width,
			    int from)
{
	double worst = 0;
	for (int64_t i = 0; i < n; i++)
		for (int j = from; j < k; j++)
			worst = fmax(worst, fabs(d[i * k + j] - want[i * width + j - from]));
	return worst;
}

static void check_knn_main(void)
{
	struct matrix m = matrix("knn.x");
	int64_t count;
	double *ids = numbers("knn.ids", &count), *d = mem_new((size_t)count, sizeof *d);
	double *radius[2] = { numbers("knn.radius5", &count), numbers("knn.radius50", &count) };
	double *label = numbers("knn.labels", &count),
	       *agreement = numbers("knn.agreement", &count);
	uint32_t *at = mem_new((size_t)m.n * 50, sizeof *at),
		 *again = mem_new((size_t)m.n * 50, sizeof *at);
	static const int ks[] = { 5, 50 };

	for (int c = 0; c < 2; c++) {
		int k = ks[c], agree = 0;
		ok(!neighbours(m, KNN_COSINE, k, at, d), "knn of 2000 rows, k %d", k);
		ok(differing(at, m.n, k, ids, 50) == 0,
		   "knn k %d: the same neighbours in the same order", k);
		double *last = mem_new((size_t)m.n, sizeof *last);
		for (int64_t i = 0; i < m.n; i++) last[i] = d[i * k + k - 1];
		is_near(largest_error(last, m.n, 1, radius[c], 1, 0), 0, 1e-12, "knn k %d: radii",
			k);
		for (int64_t i = 0; i < m.n * k; i++) agree += label[i / k] == label[at[i]];
		ok(agree == agreement[2 * c], "knn k %d: %d neighbours share the label", k, agree);
		par_set_threads(1);
		ok(!neighbours(m, KNN_COSINE, k, again, d) &&
			   !memcmp(at, again, (size_t)(m.n * k) * sizeof *at),
		   "knn k %d: one thread finds the same", k);
		par_set_threads(2);
		free(last);
	}
	free(m.x), free(ids), free(d), free(radius[0]), free(radius[1]), free(label),
		free(agreement), free(at), free(again);
}

static void check_knn_small(const char *id, double tolerance, bool ordered)
{
	char name[3][32];
	static const char *const part[] = { "x", "ids", "dist" };
	int64_t count;
	double d[400];
	uint32_t at[400];

	for (int i = 0; i < 3; i++) snprintf(name[i], sizeof name[i], "knn.%s.%s", id, part[i]);
	struct matrix m = matrix(name[0]);
	double *ids = numbers(name[1], &count), *want = numbers(name[2], &count);
	int k = (int)(count / m.n);
	ok(!neighbours(m, KNN_COSINE, k, at, d), "knn %s", id);
	ok(!ordered || differing(at, m.n, k, ids, k) == 0, "knn %s: neighbours", id);
	is_near(largest_error(d, m.n, k, want, k, 0), 0, tolerance, "knn %s: distances", id);
	free(m.x), free(ids), free(want);
}

/* Rows a long way from 1, whose squares leave the range of float, have the directions they have. */
static void check_knn_scale(void)
{
	struct matrix m = matrix("knn.x");
	double d[2][300];
	uint32_t at[2][300];

	m.n = 60;
	m.x += m.width;
	must(!neighbours(m, KNN_COSINE, 5, at[0], d[0]));
	for (int64_t i = 0; i < m.n * m.width; i++) m.x[i] *= 0x1p-100f;
	must(!neighbours(m, KNN_COSINE, 5, at[1], d[1]));
	ok(!memcmp(at[0], at[1], sizeof at[0]) && !memcmp(d[0], d[1], sizeof d[0]),
	   "knn of rows times 2^-100");
	free(m.x - m.width);
}

static void refused(const char *name, enum knn_metric metric, const char *text)
{
	struct matrix m = matrix(name);
	struct knn_set set = knn_rows(name, m.x, m.n, m.width);
	bool good = knn_measure(&set, metric) && strstr(why(), text);

	ok(good, "%s refused: %s", name, why());
	free(m.x);
}

/* Every metric against direct loops in double, on rows of very different lengths with copies among
 * them. */
static void check_knn_direct(enum knn_metric metric, const char *name, int n, int width, int k)
{
	struct matrix m = { mem_new((size_t)(n * width), sizeof(float)), n, width };
	double *d = mem_new((size_t)(n * k), sizeof *d), *all = mem_new((size_t)n, sizeof *all);
	uint32_t *at = mem_new((size_t)(n * k), sizeof *at);
	int bad = 0;
	struct mt r;

	mt_seed(&r, 7);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < width; j++)
			m.x[i * width + j] =
				i % 5 == 4 ? m.x[(i - 4) * width + j]
					   : ldexpf(mt_float(&r) - 0.5f, i % 17 == 3   ? 40
									 : i % 11 == 2 ? -70
										       : 0);
	must(!neighbours(m, metric, k, at, d));
	for (int i = 0; i < n; i++) {
		for (int o = 0; o < n; o++) {
			all[o] = 0;
			for (int j = 0; j < width; j++) {
				double x = (double)m.x[i * width + j],
				       y = (double)m.x[o * width + j];
				all[o] += metric == KNN_L2 ? (x - y) * (x - y) : -x * y;
			}
		}
		all[i] = INFINITY;
		for (int c = 0; c < k; c++) {
			int best = 0;
			for (int o = 1; o < n; o++)
				if (all[o] < all[best]) best = o;
			double got = all[at[i * k + c]], scale = fabs(all[best]);
			if (!(fabs(got - all[best]) <= 1e-13 * scale)) bad++;
			all[at[i * k + c]] = INFINITY;
		}
	}
	ok(!bad, "knn by %s: %d of %d x %d neighbours not the nearest", name, bad, n, k);
	free(m.x), free(d), free(all), free(at);
}

/* More ties than a shortlist holds: 3000 copies of one row among others. */
static void check_knn_ties(void)
{
	enum { N = 3100, W = 24, K = 3 };
	struct matrix m = { mem_new(N * W, sizeof(float)), N, W };
	double *d = mem_new(N * K, sizeof *d);
	uint32_t *at = mem_new(N * K, sizeof *at);
	int bad = 0;
	struct mt r;

	mt_seed(&r, 1);
	for (int i = 0; i < N; i++)
		for (int j = 0; j < W; j++)
			m.x[i * W + j] = i % 31 && i > 1 ? m.x[W + j] : mt_float(&r) - 0.5f;
	must(!neighbours(m, KNN_COSINE, K, at, d));
	for (int i = 0; i < N; i++)
		for (int c = 0, o = 0; i % 31 && c < K; c++) {
			do o++; while (o == i || o % 31 == 0);
			bad += at[i * K + c] != (uint32_t)o || d[i * K + c] != 0;
		}
	ok(!bad, "knn among thousands of copies: the lowest keys at distance 0 (%d wrong)", bad);
	free(m.x), free(d), free(at);
}

static void check_knn(void)
{
	struct matrix m = matrix("knn.six_k6.x");
	uint32_t at[36];
	double d[36];

	check_knn_main();
	check_knn_small("six", 1e-15, false);
	check_knn_small("same20", 0, true);
	check_knn_scale();
	refused("knn.nan.x", KNN_COSINE, "key 11:");
	refused("knn.inf.x", KNN_L2, "key 11:");
	refused("knn.zero.x", KNN_COSINE, "key 0:");
	ok(neighbours(m, KNN_COSINE, 6, at, d) && strstr(why(), "5 neighbours, expected 6"),
	   "k = N refused: %s", why());
	free(m.x);
	check_knn_direct(KNN_L2, "distance", 600, 19, 9);
	check_knn_direct(KNN_IP, "inner product", 600, 19, 9);
	check_knn_direct(KNN_L2, "distance", 300, 7, 150);
	check_knn_ties();
}

static void check_mt(void)
{
	int64_t n, seeds;
	double *seed = numbers("mt.seed", &seeds), *want = numbers("mt.permutation", &n);

	for (int i = 0; i < seeds; i++) {
		uint32_t p[20];
		mt_permutation(p, 20, (uint32_t)seed[i]);
		ok(differing(p, 1, 20, want + 20 * i, 20) == 0, "permutation under seed %.0f",
		   seed[i]);
	}
	free(seed), free(want);
}

struct log { double objective[128]; int splits[128], n; };

static void log_step(void *ctx, const struct kmeans_step *s)
{
	struct log *l = ctx;
	l->objective[l->n] = s->objective;
	l->splits[l->n++] = s->splits;
}

static double *kmeans_numbers(const char *id, const char *part, int64_t *count)
{
	char name[64];
	snprintf(name, sizeof name, "kmeans.%s.%s", id, part);
	return numbers(name, count);
}

/* The rows that kmeans_sample picks, as matrix; checked against the stored sample where there is
 * one. */
static struct matrix sample(const struct kmeans *job, const char *id, struct matrix m,
			    int per_centre)
{
	int64_t n, count;
	uint32_t *p = kmeans_sample(job, m.n, per_centre, &n);
	struct matrix s = { mem_new((size_t)(n * m.width), sizeof(float)), n, m.width };

	must(p);
	if (n < m.n) {
		double *want = kmeans_numbers(id, "subsample", &count);
		ok(count == n && differing(p, 1, (int)n, want, (int)n) == 0,
		   "k-means %s: trains on the same rows", id);
		free(want);
	}
	for (int64_t i = 0; i < n; i++)
		memcpy(s.x + i * m.width, m.x + p[i] * (int64_t)m.width,
		       (size_t)m.width * sizeof(float));
	free(p);
	return s;
}

/* Nearest rows and the assignment of all rows, for the centres found. */
static void check_kmeans_use(const char *id, struct matrix m, const float *centres, int k)
{
	int64_t count;
	double *nearest = kmeans_numbers(id, "nearest", &count),
	       *assign = kmeans_numbers(id, "assign", &count);
	double *d = mem_new((size_t)m.n, sizeof *d);
	uint32_t *at = mem_new((size_t)m.n, sizeof *at);
	struct knn_set rows = knn_rows("rows", m.x, m.n, m.width),
		       set = knn_rows("centres", centres, k, m.width);
	struct found found = { 1, at, d };
	struct knn job = {
		.base = &set, .query = &rows, .metric = KNN_L2, .k = 1, .take = take, .ctx = &found
	};

	must(!knn_measure(&rows, KNN_L2) && !knn_measure(&set, KNN_L2));
	ok(!kmeans_nearest(&rows, centres, k, false, NULL, at) &&
		differing(at, 1, k, nearest, k) == 0,
	   "k-means %s: nearest rows", id);
	ok(!knn_search(&job, 0, m.n) && differing(at, 1, (int)m.n, assign, (int)m.n) == 0,
		"k-means %s: every row to the same centre", id);
	free(rows.norm), free(set.norm), free(nearest), free(assign), free(d), free(at);
}

static void check_kmeans_case(struct kmeans job, const char *id, const char *x, int per_centre)
{
	struct log log = { .n = 0 };
	struct matrix all = matrix(x), m = sample(&job, id, all, per_centre);
	float *centres = mem_new((size_t)(job.k * all.width), sizeof *centres);
	int64_t steps, count;
	double *objective = kmeans_numbers(id, "objective", &steps),
	       *splits = kmeans_numbers(id, "splits", &count);
	double *want = kmeans_numbers(id, "centres", &count), worst = 0, off = 0;

	job.step = log_step;
	job.ctx = &log;
	ok(!kmeans_train(&job, m.x, m.n, m.width, centres), "k-means %s: %d steps", id, log.n);
	for (int i = 0; i < log.n && i < steps; i++) {
		worst = fmax(worst, fabs(log.objective[i] / objective[i] - 1));
		ok(log.splits[i] == splits[i], "k-means %s: %.0f splits in step %d", id, splits[i],
		   i);
	}
	is_near(worst, 0, 1e-7, "k-means %s: objective of each step", id);
	for (int i = 0; i < job.k * m.width; i++)
		off = fmax(off, fabs((double)centres[i] - want[i]));
	is_near(off, 0, 1e-6, "k-means %s: centres", id);
	check_kmeans_use(id, all, centres, job.k);
	free(all.x), free(m.x), free(centres), free(objective), free(splits), free(want);
}

static void check_kmeans(void)
{
	struct matrix rows = matrix("kmeans.near.rows"), centres = matrix("kmeans.near.centres"),
		      ten = matrix("kmeans.xten");
	struct knn_set set = knn_rows("rows", rows.x, rows.n, rows.width);
	struct kmeans eleven = { .k = 11, .iterations = 25, .restarts = 1, .seed = 1234 };
	float room[11 * 32];
	uint32_t at[8];
	int64_t n;

	check_kmeans_case((struct kmeans){ 20, 25, 1, 1234, .best.run = 0 }, "plain", "kmeans.x",
			  256);
	check_kmeans_case((struct kmeans){ 16, 100, 1, 1234, .best.run = 0 }, "icgan", "kmeans.xu",
			  256);
	check_kmeans_case((struct kmeans){ 10, 25, 1, 1234, .best.run = 0 }, "subsample",
			  "kmeans.x", 40);
	check_kmeans_case((struct kmeans){ 8, 100, 1, 1234, .best.run = 0 }, "sub_icgan",
			  "kmeans.xu", 32);
	check_kmeans_case((struct kmeans){ 12, 25, 1, 1234, true, .best.run = 0 }, "spherical",
			  "kmeans.xu", 256);
	check_kmeans_case((struct kmeans){ 12, 12, 1, 1234, .best.run = 0 }, "empty", "kmeans.xdup",
			  256);
	check_kmeans_case((struct kmeans){ 15, 10, 3, 1234, .best.run = 0 }, "redo", "kmeans.x",
			  256);
	check_kmeans_case((struct kmeans){ 10, 25, 1, 1234, .best.run = 0 }, "n_equals_k",
			  "kmeans.xten", 256);
	check_kmeans_case((struct kmeans){ 1, 3, 1, 1234, .best.run = 0 }, "one", "kmeans.x", 256);
	ok(kmeans_train(&eleven, ten.x, ten.n, ten.width, room) == -1,
	   "fewer rows than centres refused: %s", why());
	must(!knn_measure(&set, KNN_L2));
	for (int distinct = 0; distinct < 2; distinct++) {
		double *want =
			numbers(distinct ? "kmeans.near.distinct" : "kmeans.near.nearest", &n);
		ok(!kmeans_nearest(&set, centres.x, (int)n, distinct, NULL, at) &&
			   differing(at, 1, (int)n, want, (int)n) == 0,
		   "nearest rows%s", distinct ? ", distinct" : "");
		free(want);
	}
	free(set.norm), free(rows.x), free(centres.x), free(ten.x);
}

int main(void)
{
	if (tensors_open(&golden, "tests/golden/stat.safetensors")) {
		fprintf(stderr, "%s\n", why());
		return 1;
	}
	check_frechet();
	check_knn();
	check_mt();
	check_kmeans();
	tensors_close(&golden);
	return done_testing();
}
