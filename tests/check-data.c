/* check-data: what a training step is given: epochs, neighbours, their labels, coins, class draws,
 * labels of another store, and the faults that --compat restores. */
#include "lib/gan/data.h"
#include "tests/rowset.h"

enum { N = 30, R = 2, WIDTH = R * R * 3, NEAR = 3, BATCH = 6, EPOCH = N / BATCH };

/* Class 0 has 16 rows, 1 has 8, 2 none, 3 has 4 and 4 has 2. */
static uint32_t label_at(int64_t i)
{
	return i < 16 ? 0 : i < 24 ? 1 : i < 28 ? 3 : 4;
}

/* Left pixels of image i are i, right ones 100 + i: an image tells its number and whether it is
 * mirrored. */
static void make_image(void *to, int64_t i)
{
	for (int k = 0; k < WIDTH; k++) ((uint8_t *)to)[k] = (uint8_t)(i + (k / 3 % R ? 100 : 0));
}

/* (i + 1, 1), of mirrored images (i + 1, -1): at unit length still tells i. */
static void make_feature(void *to, int64_t i)
{
	memcpy(to, (float[]){ (float)(i + 1), 1 }, 2 * sizeof(float));
}

static void make_flipped(void *to, int64_t i)
{
	memcpy(to, (float[]){ (float)(i + 1), -1 }, 2 * sizeof(float));
}

/* The neighbours of i are the three after it, round the end. */
static void make_near(void *to, int64_t i)
{
	for (int k = 0; k < NEAR; k++) {
		((uint32_t *)to)[k] = (uint32_t)key_of((i + 1 + k) % N);
		((float *)to)[NEAR + k] = (float)k;
	}
}

static void make_cluster(void *to, int64_t i)
{
	*(uint32_t *)to = (uint32_t)(i % 5);
}

/* Writes a store of N rows; its id. */
static uint64_t store(const char *name, struct rows_info info, void make(void *, int64_t),
		      int64_t first)
{
	struct rows r;
	float row[WIDTH];

	info.count = N;
	must(!rows_create(&r, temp(name), &info, true, NULL));
	for (int64_t i = 0; i < N; i++) {
		make(row, i);
		must(!rows_put(&r, key_of(i + first),
			       info.type == ROWS_U32 ? (uint32_t)(i % 5) : label_at(i), row));
	}
	must(!rows_seal(&r));
	uint64_t id = r.info.id;
	rows_close(&r);
	return id;
}

static void stores(void)
{
	struct rows_info images = { .kind = "images", .type = ROWS_U8, .width = WIDTH, .height = R,
				    .im_width = R, .channels = 3, .labelled = true };
	struct rows_info features = { .kind = "features", .type = ROWS_F32, .width = 2 };
	struct rows_info near = { .kind = "neighbours", .type = ROWS_NEAR, .width = NEAR };
	struct rows_info labels = {
		.kind = "labels", .type = ROWS_U32, .width = 1, .labelled = true
	};

	uint64_t root = store("i.mdb", images, make_image, 0);
	features.from = features.root = near.root = labels.root = root;
	near.from = store("f.mdb", features, make_feature, 0);
	store("p.mdb", features, make_flipped, 0);
	store("n.mdb", near, make_near, 0);
	store("c.mdb", labels, make_cluster, 0);
	store("moved.mdb", labels, make_cluster, 1);
}

static struct data open_data(bool instances, bool flipped)
{
	struct data d;

	must(!data_open(&d, temp("i.mdb"), instances ? temp("f.mdb") : NULL,
			instances ? temp("n.mdb") : NULL, flipped ? temp("p.mdb") : NULL));
	d.seed = 3;
	return d;
}

struct batch { real x[BATCH * WIDTH], y[BATCH], f[BATCH * 2], z[BATCH]; };

static struct batch real_batch(struct data *d, int64_t number)
{
	struct batch b = { .x = { 0 } };

	must(!data_real(d, number, BATCH, b.x, d->label ? b.y : NULL,
			d->instance_cond ? b.f : NULL));
	return b;
}

static struct batch fake_batch(struct data *d, int64_t number)
{
	struct batch b = { .x = { 0 } };

	must(!data_fake(d, number, BATCH, 1, b.z, d->label ? b.y : NULL,
			d->instance_cond ? b.f : NULL));
	return b;
}

static int level(const struct batch *b, int k, int pixel)
{
	return (int)lround(((double)b->x[k * WIDTH + 3 * pixel] + 1) * 127.5);
}

static bool mirrored(const struct batch *b, int k)
{
	return level(b, k, 0) >= 99;
}

static int image(const struct batch *b, int k)
{
	return level(b, k, mirrored(b, k));
}

static int instance(const struct batch *b, int k)
{
	return (int)lround(fabs((double)b->f[2 * k] / (double)b->f[2 * k + 1])) - 1;
}

static void check_epochs(void)
{
	struct data d = open_data(false, false);
	int seen[N] = { 0 }, again[N] = { 0 }, once = 0, moved = 0, first[N];

	for (int e = 0; e < 2; e++)
		for (int k = 0; k < N; k++) {
			struct batch b = real_batch(&d, e * EPOCH + k / BATCH);
			int i = image(&b, k % BATCH);
			(e ? again : seen)[i]++;
			if (!e) first[k] = i;
			else moved += first[k] != i;
		}
	for (int i = 0; i < N; i++) once += seen[i] == 1 && again[i] == 1;
	ok(once == N, "each epoch has every image once");
	ok(moved > N / 2, "in another order");
	data_close(&d);
}

/* 5 deviations of a binomial share around p, of n. */
static double band(double p, int n)
{
	return 5 * sqrt(p * (1 - p) / n);
}

static void check_instances(void)
{
	enum { BATCHES = 1000, ALL = BATCHES * BATCH };
	struct data d = open_data(true, true);
	int shift[N] = { 0 }, coins[2][2] = { { 0 } }, wrong = 0, fakes[N] = { 0 }, odd = 0;

	d.flip = true;
	must(!data_by_class(&d, NULL, 1));
	for (int64_t number = 0; number < BATCHES; number++) {
		struct batch b = real_batch(&d, number), fake = fake_batch(&d, number);
		for (int k = 0; k < BATCH; k++) {
			int i = instance(&b, k), j = image(&b, k);
			shift[(j - i + N) % N]++;
			wrong += (uint32_t)b.y[k] != label_at(j);
			coins[mirrored(&b, k)][b.f[2 * k + 1] < 0]++;
			i = instance(&fake, k);
			fakes[i]++;
			odd += (uint32_t)fake.y[k] != label_at((i + 1) % N) &&
			       (uint32_t)fake.y[k] != label_at((i + 2) % N) &&
			       (uint32_t)fake.y[k] != label_at((i + 3) % N);
		}
	}
	for (int s = 1; s <= NEAR; s++)
		is_near(shift[s] / (double)ALL, 1. / 3, band(1. / 3, ALL),
			"neighbour %d is shown evenly", s);
	ok(shift[1] + shift[2] + shift[3] == ALL, "and nothing but neighbours");
	ok(!wrong, "labels of real images are their own, not the instance's");
	ok(!odd, "labels of fakes are those of a neighbour of the instance");
	for (int c = 0; c < 4; c++)
		is_near(coins[c / 2][c % 2] / (double)ALL, 0.25, band(0.25, ALL),
			"image %s, features %s: a quarter", c / 2 ? "mirrored" : "as it is",
			c % 2 ? "mirrored" : "as they are");
	double worst = 0;
	for (int i = 0; i < N; i++) worst = fmax(worst, fabs(fakes[i] / (double)ALL - 1. / N));
	ok(worst < band(1. / N, ALL), "instances of fakes are even: within %.3g", worst);
	data_close(&d);
}

/* Classes 0, 1, 3, 4 with 16, 8, 4, 2 rows have shares of 16^(1/T) ... 2^(1/T) over their sum. */
static void check_classes(double temperature)
{
	enum { BATCHES = 4000, ALL = BATCHES * BATCH };
	struct data d = open_data(false, false);
	double power = temperature > 0 ? 1 / temperature : 0, sum = 0;
	int got[5] = { 0 };
	static const int rows[] = { 16, 8, 0, 4, 2 };

	must(!data_by_class(&d, NULL, temperature));
	for (int64_t number = 0; number < BATCHES; number++) {
		struct batch b = fake_batch(&d, number);
		for (int k = 0; k < BATCH; k++) got[(int)b.y[k]]++;
	}
	for (int c = 0; c < 5; c++) sum += rows[c] ? pow(rows[c], power) : 0;
	for (int c = 0; c < 5; c++) {
		double want = rows[c] ? pow(rows[c], power) / sum : 0;
		is_near(got[c] / (double)ALL, want, band(want, ALL),
			"temperature %g: share of class %d", temperature, c);
	}
	ok(d.classes.count == 5, "five classes");
	data_close(&d);
}

/* Powers of all shares below the smallest number there is. */
static void check_cold(void)
{
	struct data d = open_data(false, false);
	struct rng r = rng_at(1, 2);
	int first = 0;

	must(!data_by_class(&d, NULL, 1e-4));
	for (int i = 0; i < 1000; i++) first += balance_draw(&d.classes, &r) == 0;
	ok(first == 1000, "at a temperature near 0 all are of the largest class");
	data_close(&d);
}

static void check_class_rows(void)
{
	struct data d = open_data(false, false);
	struct rng r = rng_at(1, 1);
	int got[N] = { 0 }, inside = 0;

	must(!data_by_class(&d, NULL, 0));
	for (int i = 0; i < 8000; i++) got[balance_row(&d.classes, 1, &r)]++;
	for (int i = 16; i < 24; i++) inside += got[i] > 800 && got[i] < 1200;
	ok(inside == 8, "a class has its own rows, evenly");
	data_close(&d);
}

static void check_labels(void)
{
	struct data d = open_data(false, false);
	int right = 0;

	must(!data_by_class(&d, temp("c.mdb"), 1));
	struct batch b = real_batch(&d, 2);
	for (int k = 0; k < BATCH; k++) right += (int)b.y[k] == image(&b, k) % 5;
	ok(right == BATCH, "labels of another store, by key");
	data_close(&d);
	d = open_data(false, false);
	ok(data_by_class(&d, temp("moved.mdb"), 1) && says("expected 5 as in"),
	   "labels of other keys are refused");
	data_close(&d);
	d = open_data(false, false);
	ok(data_by_class(&d, temp("n.mdb"), 1) && says("no labels"), "rows without labels");
	data_close(&d);
}

/* How many samples of two batches show neighbours of one rank, from features mirrored alike. */
static int alike(struct data *d, int64_t a, int64_t b)
{
	struct batch x = real_batch(d, a), y = real_batch(d, b);
	int n = 0;

	for (int k = 0; k < BATCH; k++)
		n += (image(&x, k) - instance(&x, k) + N) % N ==
			     (image(&y, k) - instance(&y, k) + N) % N &&
		     (x.f[2 * k + 1] < 0) == (y.f[2 * k + 1] < 0);
	return n;
}

/* Levels 1 .. 29 of the left pixels are one lower, 0 and the right ones above 99 are not. */
static void check_levels(void)
{
	struct data d = open_data(false, false);
	int low = 0, high = 0;

	d.compat = true, d.step_batches = 1;
	for (int n = 0; n < EPOCH; n++) {
		struct batch b = real_batch(&d, n);
		for (int k = 0; k < BATCH; k++) {
			int i = level(&b, k, 1) - 100;
			low += level(&b, k, 0) == (i > 0 ? i - 1 : 0);
			high += i >= 0 && i < N;
		}
	}
	ok(low == N && high == N, "compat: levels 1 .. 63 are one lower, others as they are");
	data_close(&d);
}

/* An epoch of 30 steps of one image; then of 15 steps of two batches of one. */
static void check_workers(void)
{
	struct data d = open_data(true, true);
	real x[WIDTH], f[2], y;
	int rank[2 * N], same[3] = { 0 };

	must(!data_by_class(&d, NULL, 1));
	ok(alike(&d, 0, 1) < BATCH, "steps choose on their own");
	d.compat = true;
	for (d.step_batches = 1; d.step_batches <= 2; d.step_batches++) {
		for (int n = 0; n < 2 * N; n++) {
			must(!data_real(&d, n, 1, x, &y, f));
			int i = (int)lround(fabs((double)f[0] / (double)f[1])) - 1;
			int j = (int)lround(((double)x[3] + 1) * 127.5) - 100;
			rank[n] = 2 * ((j - i + N) % N) + (f[1] < 0);
		}
		int group = 10 * d.step_batches, all = 0;
		for (int n = 0; n < 2 * N; n++) {
			int first = n / N * N + n % N / group * group + n % d.step_batches;
			all += rank[n] == rank[first];
		}
		same[d.step_batches] = all;
		bool differ = false;
		for (int n = group; n < 2 * N; n += group) differ |= rank[n] != rank[0];
		ok(differ, "compat: the next ten steps choose anew");
	}
	ok(same[1] == 2 * N, "compat: ten steps in turn choose alike");
	ok(same[2] == 2 * N, "compat: each batch of a step for itself");
	data_close(&d);
}

/* A batch is a function of its number, whatever came before. */
static void check_numbers(void)
{
	struct data one = open_data(true, true), two = open_data(true, true);

	must(!data_by_class(&one, NULL, 1) && !data_by_class(&two, NULL, 1));
	for (int64_t n = 0; n < 17; n++) real_batch(&one, n), fake_batch(&one, n);
	struct batch a = real_batch(&one, 3), b = real_batch(&two, 3);
	struct batch c = fake_batch(&one, 5), d = fake_batch(&two, 5);
	ok(!memcmp(&a, &b, sizeof a) && !memcmp(&c, &d, sizeof c),
	   "batches depend on their numbers alone");
	data_close(&one);
	data_close(&two);
}

int main(void)
{
	stores();
	check_epochs();
	check_instances();
	check_classes(1);
	check_classes(2);
	check_classes(0);
	check_cold();
	check_class_rows();
	check_labels();
	check_levels();
	check_workers();
	check_numbers();
	return done_testing();
}
