/* check-sweep: searches and k-means by blocks on a device find what a processor finds, byte for
 * byte, whatever goes wrong on the way; the kernels of an emulated GPU find what their definition
 * does.
 * With the library $IC_CUDA names: its kernels alone. */
#include "kernels/sift.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/rng.h"
#include "lib/stat/guess.h"
#include "lib/stat/harvest.h"
#include "lib/stat/kmeans.h"
#include "tests/library.h"
#include "tests/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 2200, M = 200, WIDTH = 12 };

static float *rows(int n, uint64_t seed)
{
	float *x = mem_new((size_t)n * WIDTH, sizeof *x);
	struct rng r = rng_at(seed, 0);

	for (int i = 0; i < n * WIDTH; i++) x[i] = (float)rng_normal(&r);
	return x;
}

struct found { uint32_t *at; double *distance; int k; };

static int take(void *ctx, int64_t first, int n, const uint32_t *at, const double *distance)
{
	struct found *f = ctx;
	size_t from = (size_t)first * (size_t)f->k, count = (size_t)n * (size_t)f->k;

	memcpy(f->at + from, at, count * sizeof *at);
	memcpy(f->distance + from, distance, count * sizeof *distance);
	return 0;
}

/* Queries first .. last-1 of the job, by that device. */
static struct found search(struct knn job, struct backend *device, int64_t first, int64_t last,
	struct knn_effort *effort)
{
	size_t count = (size_t)job.query->count * (size_t)job.k;
	struct found f = {
		mem_new(count, sizeof *f.at), mem_new(count, sizeof *f.distance), job.k
	};

	job.device = device;
	job.take = take;
	job.ctx = &f;
	if (knn_search(&job, first, last)) printf("# %s\n", why());
	if (effort) *effort = job.effort;
	return f;
}

static void drop(struct found *f)
{
	free(f->at);
	free(f->distance);
}

/* Whether the device finds what the processor does; what it took. */
static struct knn_effort compare(
	struct knn job, struct backend *device, int64_t first, int64_t last, const char *what)
{
	struct knn_effort e;
	struct found want = search(job, NULL, first, last, NULL);
	struct found got = search(job, device, first, last, &e);
	size_t count = (size_t)job.query->count * (size_t)job.k;

	ok(!memcmp(want.at, got.at, count * sizeof *got.at) &&
		!memcmp(want.distance, got.distance, count * sizeof *got.distance),
		"%s: the same neighbours", what);
	drop(&want);
	drop(&got);
	return e;
}

static struct knn_set measured(const char *name, const float *x, int n, enum knn_metric metric)
{
	struct knn_set s = knn_rows(name, x, n, WIDTH);

	must(!knn_measure(&s, metric));
	return s;
}

static void check_metric(struct backend *device, enum knn_metric metric, int n, const char *name)
{
	float *x = rows(n, 1), *y = rows(M, 2);
	struct knn_set base = measured("base", x, n, metric);
	struct knn_set query = measured("query", y, M, metric);
	struct knn job = {
		.base = &base, .query = &base, .metric = metric, .k = 20, .others = true
	};
	char what[64];

	snprintf(what, sizeof what, "%s, among one set", name);
	struct knn_effort e = compare(job, device, 0, n, what);
	ok(e.measured >= (int64_t)n * 20 && !e.refined && e.undecided > 0,
		"%s: %d pairs measured", name, (int)e.measured);
	job.query = &query;
	job.others = false;
	snprintf(what, sizeof what, "%s, queries", name);
	compare(job, device, 0, M, what);
	free(base.norm), free(query.norm);
	free(x), free(y);
}

/* Memory of a device that ends. */
static size_t memory_left;

/* A place says before itself how long it is. */
static void *take_some(struct backend *b, size_t bytes)
{
	(void)b;
	if (bytes > memory_left) return NULL;
	memory_left -= bytes;
	char *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
	*(size_t *)p = bytes;
	return p + 64;
}

static void give(struct backend *b, void *p)
{
	size_t *start = (size_t *)((char *)p - 64);

	(void)b;
	memory_left += *start;
	free(start);
}

static void copy(struct backend *b, void *to, const void *from, size_t bytes)
{
	(void)b;
	if (bytes) memcpy(to, from, bytes);
}

static struct backend *small_device(size_t bytes)
{
	struct backend *b = backend_new("ref", 1);

	memory_left = bytes;
	b->take = take_some;
	b->give = give;
	b->put = b->get = b->copy = copy;
	return b;
}

static int runs;                             /* of a device */

static void count_run(struct backend *b, const struct sift *s)
{
	struct backend *ref = backend_new("ref", 1);

	(void)b;
	runs++;
	ref->sift(ref, s);
	backend_free(ref);
}

/* Most pairs are near: the list of a run cannot hold them. */
static void check_overflow(void)
{
	enum { FEW = 1500 };
	float *x = rows(FEW, 7);
	struct knn_set base = measured("base", x, FEW, KNN_L2);
	struct knn job = {
		.base = &base, .query = &base, .metric = KNN_L2, .k = 1000, .others = true
	};
	struct backend *device = backend_new("ref", 1);

	device->sift = count_run;
	runs = 0;
	compare(job, device, 0, 600, "more near pairs than fit");
	ok(runs > 3, "three runs became %d", runs);
	backend_free(device);
	free(base.norm), free(x);
}

/* Stretches of rows, parts of blocks, guesses that are wrong, rows that are alike, blocks that do
 * not fit. */
static void check_trouble(struct backend *device)
{
	float *x = rows(N, 3);
	struct knn_set base = measured("base", x, N, KNN_L2);
	struct knn job = {
		.base = &base, .query = &base, .metric = KNN_L2, .k = 20, .others = true
	};
	uint32_t at[HARVEST_SAMPLE];

	job.memory_bytes = 900 * (68 * sizeof(struct candidate) + sizeof(struct shortlist));
	compare(job, device, 100, 2100, "three stretches");
	struct backend *small = small_device(5400 << 10);
	compare(job, small, 0, N, "two blocks of three fit");
	backend_free(small);
	small = small_device(5200 << 10);
	job.device = small;
	ok(knn_search(&job, 0, N) && strstr(why(), "on the device"), "too little memory: %s",
		why());
	backend_free(small);
	job.memory_bytes = 0;
	job.k = 50;
	guess_sample(&job, LEN(at), at);
	for (size_t i = 0; i < LEN(at); i++)
		for (int j = 0; j < WIDTH; j++) x[at[i] * WIDTH + (size_t)j] *= .1f;
	ok(compare(job, device, 0, N, "a sample of near rows").again > 500,
		"whose guesses are wrong");
	for (int i = 0; i < N; i++)
		for (int j = 0; j < WIDTH; j++) x[i * WIDTH + j] = x[i % 7 * WIDTH + j];
	compare(job, device, 0, N, "seven rows again and again");
	free(base.norm);
	free(x);
}

struct log { struct kmeans_step step[16]; int n; };

static void note_step(void *ctx, const struct kmeans_step *s)
{
	struct log *l = ctx;

	must(l->n < (int)LEN(l->step));
	l->step[l->n++] = *s;
}

/* Rounds of k-means, the centres and the rows nearest to them: with the device or without. */
static void check_kmeans(struct backend *device, int k, bool spherical)
{
	float *x = rows(N, 8), *centres = mem_new(2 * (size_t)k * WIDTH, sizeof *centres);
	uint32_t *at = mem_new(2 * (size_t)k, sizeof *at);
	struct knn_set set = measured("rows", x, N, KNN_L2);
	struct log log[2] = { { .n = 0 } };

	for (int i = 0; i < 2; i++) {
		struct kmeans job = { .k = k, .iterations = 3, .restarts = 1, .seed = 5,
			.spherical = spherical, .device = i ? device : NULL, .step = note_step,
			.ctx = &log[i] };
		float *c = centres + (size_t)(i * k) * WIDTH;
		must(!kmeans_train(&job, x, N, WIDTH, c));
		must(!kmeans_nearest(&set, c, k, !spherical, job.device, at + i * k));
	}
	int same = 0;
	for (int i = 0; i < log[0].n && i < log[1].n; i++) {
		const struct kmeans_step *s = &log[0].step[i], *t = &log[1].step[i];
		same += s->objective == t->objective && s->changed == t->changed &&
			s->splits == t->splits && s->shift == t->shift;
	}
	ok(log[0].n > 2 && log[0].n == log[1].n && same == log[0].n,
		"%d centres%s: the same rounds", k, spherical ? ", by angle" : "");
	ok(!memcmp(centres, centres + k * WIDTH, (size_t)k * WIDTH * sizeof *centres) &&
		!memcmp(at, at + k, (size_t)k * sizeof *at), "and the same centres and rows");
	free(set.norm);
	free(x), free(centres), free(at);
}

/* Rows of whole numbers, whose products and bounds are exact. */
struct bank { struct backend *b; uint16_t *bits; float *number; int n, wide; struct sift_rows on; };

static uint16_t upper_half(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof u);
	return (uint16_t)(u >> 16);
}

static struct bank bank_new(struct backend *b, int n, int wide, uint64_t seed)
{
	struct bank k = { .b = b, .n = n, .wide = wide };
	size_t count = (size_t)n * (size_t)wide;
	uint16_t *bits = mem_new(count, sizeof *bits);
	float *number = mem_new(4 * (size_t)n, sizeof *number);
	struct rng r = rng_at(seed, 1);

	for (size_t i = 0; i < count; i++) bits[i] = upper_half((float)rng_below(&r, 17) - 8);
	for (int i = 0; i < n; i++) {
		number[i] = (float)rng_below(&r, 10);
		number[n + i] = (float)rng_below(&r, 10) / 8;
		number[2 * n + i] = (float)rng_below(&r, 100) - 50;
		number[3 * n + i] = 300 + (float)rng_below(&r, 500);
	}
	must((k.bits = backend_take(b, count * sizeof *bits)));
	must((k.number = backend_take(b, 4 * (size_t)n * sizeof *number)));
	backend_put(b, k.bits, bits, count * sizeof *bits);
	backend_put(b, k.number, number, 4 * (size_t)n * sizeof *number);
	k.on = (struct sift_rows){ k.bits, k.number, k.number + n, k.number + 2 * n,
		k.number + 3 * n, n };
	free(bits), free(number);
	return k;
}

static void bank_free(struct bank *k)
{
	backend_give(k->b, k->bits);
	backend_give(k->b, k->number);
}

/* What a sift finds, as marks[m][n]: dot, and 1 for left, 2 for right in the lowest bits. */
static uint32_t sift(struct bank *a, struct bank *b, bool both, bool upper, uint32_t limit,
	float *marks)
{
	struct backend *d = a->b;
	int across = sift_tiles(b->n), tiles = sift_tiles(a->n) * across;
	size_t part_bytes = (size_t)tiles * sizeof(struct sift_part);
	size_t hit_bytes = limit * sizeof(struct sift_hit);
	struct sift s = { .a = a->on, .b = upper ? a->on : b->on, .wide = a->wide, .both = both,
		.upper = upper, .limit = limit, .count = backend_take(d, 4),
		.part = backend_take(d, part_bytes), .hit = backend_take(d, hit_bytes) };
	struct sift_part *part = mem_new(1, part_bytes);
	struct sift_hit *hit = mem_new(1, hit_bytes);
	uint32_t count = 0;

	backend_put(d, s.count, &count, sizeof count);
	d->sift(d, &s);
	backend_get(d, &count, s.count, sizeof count);
	backend_get(d, part, s.part, part_bytes);
	backend_get(d, hit, s.hit, hit_bytes);
	memset(marks, 0, (size_t)a->n * (size_t)b->n * sizeof *marks);
	for (int t = 0; t < tiles && count <= limit; t++)
		for (uint32_t i = 0; i < part[t].n; i++) {
			const struct sift_hit *h = &hit[part[t].from + i];
			int m = t / across * SIFT_SIDE + h->row;
			int n = t % across * SIFT_SIDE + h->column;
			must(m < a->n && n < b->n);
			marks[(size_t)m * (size_t)b->n + (size_t)n] =
				4 * h->dot + (float)(h->left + 2 * h->right);
		}
	backend_give(d, s.count), backend_give(d, s.part), backend_give(d, s.hit);
	free(part), free(hit);
	return count;
}

static void ranks(struct bank *a, struct bank *b, int rank, float *kth)
{
	struct backend *d = a->b;
	struct sift s = { .a = a->on, .b = b->on, .wide = a->wide, .rank = rank,
		.kth = backend_take(d, (size_t)a->n * 4),
		.score = backend_take(d, (size_t)a->n * (size_t)b->n * 4) };

	d->sift_kth(d, &s);
	backend_get(d, kth, s.kth, (size_t)a->n * sizeof *kth);
	backend_give(d, s.kth), backend_give(d, s.score);
}

static void check_sift(struct backend *device, int m, int n, int wide, bool both, bool upper)
{
	struct backend *ref = backend_new("ref", 1), *on[2] = { ref, device };
	struct bank a[2], b[2];
	float *marks[2], *kth[2];
	uint32_t count[2], few[2];
	size_t marked = (size_t)m * (size_t)n * sizeof(float);

	for (int i = 0; i < 2; i++) {
		a[i] = bank_new(on[i], m, wide, 4);
		b[i] = bank_new(on[i], n, wide, upper ? 4 : 5);
		marks[i] = mem_new(1, marked);
		kth[i] = mem_new((size_t)m, sizeof *kth[i]);
		few[i] = sift(&a[i], &b[i], both, upper, 3, marks[i]);
		count[i] = sift(&a[i], &b[i], both, upper, 1 << 17, marks[i]);
		ranks(&a[i], &b[i], (n + 3) / 4, kth[i]);
	}
	ok(count[0] && count[0] == count[1] && !memcmp(marks[0], marks[1], marked),
		"%d x %d rows of %d%s: %u near pairs", m, n, wide, upper ? ", one block" : "",
		(unsigned)count[1]);
	ok(few[1] == count[0], "with no room they are counted");
	ok(!memcmp(kth[0], kth[1], (size_t)m * sizeof(float)), "and ranked");
	for (int i = 0; i < 2; i++) {
		bank_free(&a[i]), bank_free(&b[i]);
		free(marks[i]), free(kth[i]);
	}
	backend_free(ref);
}

static void check_device(void)
{
	struct backend *b = backend_new("cuda-bf16", 1);

	if (!ok(b != NULL, "there is a device%s%s", b ? "" : ": ", b ? "" : backend_why())) return;
	check_sift(b, 300, 200, 96, true, false);
	check_sift(b, 129, 128, 32, false, false);
	check_sift(b, 5, 40, 64, true, false);
	check_sift(b, 260, 260, 64, true, true);
	float *x = rows(600, 6);
	struct knn_set base = measured("base", x, 600, KNN_COSINE);
	struct knn job = { .base = &base, .query = &base, .metric = KNN_COSINE, .k = 10,
		.others = true };
	compare(job, b, 0, 600, "on the device");
	free(base.norm), free(x);
	backend_free(b);
}

static void check_searches(void)
{
	struct backend *device = backend_new("ref", 1);

	check_metric(device, KNN_COSINE, N, "cosine");
	check_metric(device, KNN_L2, 1100, "l2");
	check_metric(device, KNN_IP, 1100, "ip");
	check_trouble(device);
	check_overflow();
	check_kmeans(device, 40, false);
	check_kmeans(device, 1100, true);
	backend_free(device);
}

int main(void)
{
	par_set_threads(2);
	if (!getenv("IC_CUDA")) check_searches();
	use_library();
	check_device();
	return done_testing();
}
