/* check-lpips: LPIPS of AlexNet and VGG-16 against the published module, with weights that are a
 * formula of their names (tests/golden/lpips.npz); any number of threads gives the same; what is
 * refused. */
#include "formats/weights.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/nets/lpips.h"
#include "tests/formula.h"
#include "tests/tap.h"

enum { CASES = 5, TAPS = 5 };

/* In the order of LPIPS_NETS; channels of the taps. */
static const struct { const char *name, *table; int channels[TAPS]; } nets[] = {
	{ "alex", "alexnet_features", { 64, 192, 384, 256, 256 } },
	{ "vgg", "vgg16_features", { 64, 128, 256, 512, 512 } },
};

static struct tensors golden;

static struct tensors backbone(int net)
{
	char prefix[64];

	snprintf(prefix, sizeof prefix, "lpips_%s/", nets[net].name);
	return formula_tensors(nets[net].table, prefix, 2);
}

/* lin0 to lin4: u of their names; element 3 of lin2 is `third`. */
static struct tensors linear(int net, float third)
{
	char name[32], prefix[64];
	struct tensors w = { .path = mem_text("linear") };

	snprintf(prefix, sizeof prefix, "lpips_%s/", nets[net].name);
	for (int k = 0; k < TAPS; k++) {
		int n = nets[net].channels[k];
		snprintf(name, sizeof name, "lin%d.model.1.weight", k);
		uint64_t h = formula_name(prefix, name);
		float *x = mem_new((size_t)n, sizeof *x);
		for (int c = 0; c < n; c++) x[c] = (float)formula_u(h, c);
		if (k == 2 && third < 0) x[3] = third;
		tensors_own(&w, x);
		tensors_add(&w, name, DT_F32, 4, (int64_t[]){ 1, n, 1, 1 }, x);
	}
	return w;
}

/* Picture k of the golden file; rgb is borrowed. */
static struct image picture(int64_t k)
{
	char name[32];

	snprintf(name, sizeof name, "image_%lld", (long long)k);
	const struct tensor *t = tensors_find(&golden, name);
	must(t && t->type == DT_U8 && t->rank == 3 && t->shape[2] == 3);
	return (struct image){ (int)t->shape[0], (int)t->shape[1], (uint8_t *)t->data };
}

static void check_distances(int net, const struct tensors *w, const struct tensors *lin)
{
	int64_t pair[2 * CASES];
	float want[CASES];
	const struct tensor *pairs = tensors_find(&golden, "pairs");
	const struct tensor *wants = tensors_find(&golden, nets[net].name);

	must(pairs && pairs->count == LEN(pair) && !tensor_ints("golden", pairs, pair));
	must(wants && wants->count == LEN(want) && !tensor_floats("golden", wants, want));
	for (int i = 0; i < CASES; i++) {
		struct image two[2] = { picture(pair[2 * i]), picture(pair[2 * i + 1]) };
		struct lpips l;
		double got = NAN;
		must(!lpips_from(&l, net, w, lin, two[0].height, two[0].width));
		must(!lpips_mean(&l, 2, two, &got));
		if (want[i] == 0) ok(got == 0, "%s: a picture and itself: 0", nets[net].name);
		else is_near(got, want[i], 1e-5 * want[i], "%s: pair %d: %g", nets[net].name, i,
			got);
		lpips_close(&l);
	}
}

/* The mean of three pictures is that of their pairs, on any number of threads. */
static void check_mean(const struct tensors *w, const struct tensors *lin)
{
	struct image three[3] = { picture(0), picture(1), picture(2) };
	double mean[2], pairs = 0, d;

	for (int threads = 1; threads <= 3; threads += 2) {
		struct lpips l;
		par_set_threads(threads);
		must(!lpips_from(&l, 0, w, lin, three[0].height, three[0].width));
		must(!lpips_mean(&l, 3, three, &mean[threads / 2]));
		for (int i = 0; i < 3 && threads == 1; i++) {
			struct image two[2] = { three[i], three[(i + 1) % 3] };
			must(!lpips_mean(&l, 2, two, &d));
			pairs += d / 3;
		}
		lpips_close(&l);
	}
	is_near(mean[0], pairs, 1e-12, "three pictures: the mean of their pairs");
	ok(mean[0] == mean[1], "one thread and three");
}

static void check_refused(const struct tensors *w, const struct tensors *lin, int side,
	const char *text)
{
	struct lpips l;

	ok(lpips_from(&l, 0, w, lin, 64, side) == -1 && strstr(why(), text) && !l.s,
		"refused: %s", why());
}

static void check_refusals(struct tensors *w, const struct tensors *lin)
{
	static const float more = 1;
	struct tensors other = linear(1, 0), negative = linear(0, -1);
	struct lpips l;

	check_refused(w, lin, 30, "found pictures of 30x64, expected at least 31x31");
	check_refused(w, &other, 64, "lin1.model.1.weight: expected [1,192,1,1]");
	check_refused(w, &negative, 64, "lin2.model.1.weight: element 3 is -1, expected 0 or more");
	check_refused(w, w, 64, "tensor lin0.model.1.weight is missing");
	check_refused(lin, lin, 64, "tensor features.0.weight is missing");
	tensors_add(w, "classifier.1.bias", DT_F32, 1, (int64_t[]){ 1 }, &more);
	ok(!lpips_from(&l, 0, w, lin, 31, 31), "a classifier is passed over, at the smallest size");
	lpips_close(&l);
	tensors_add(w, "features.12.bias", DT_F32, 1, (int64_t[]){ 1 }, &more);
	check_refused(w, lin, 64, "features.12.bias");
	tensors_close(&other);
	tensors_close(&negative);
}

/* Sums of the published linear weights of alex (PerceptualSimilarity, weights/v0.1). */
static void check_published(void)
{
	static const double sums[TAPS] = { 2.3495, 16.1430, 39.2684, 27.1972, 20.3172 };
	struct tensors lin;
	float x[512];

	must(!weights_open(&lin, "pipelines/weights/lpips-alex.safetensors"));
	for (int k = 0; k < TAPS; k++) {
		char name[32];
		double sum = 0;
		snprintf(name, sizeof name, "lin%d.model.1.weight", k);
		const struct tensor *t = tensors_find(&lin, name);
		must(t && t->count <= (int64_t)LEN(x) && !tensor_floats("lpips", t, x));
		for (int64_t c = 0; c < t->count; c++) sum += x[c];
		is_near(sum, sums[k], 1e-4, "%s as published", name);
	}
	tensors_close(&lin);
}

int main(void)
{
	par_set_threads(1);
	must(!weights_open(&golden, "tests/golden/lpips.npz"));
	for (int net = 0; net < (int)LEN(nets); net++) {
		struct tensors w = backbone(net), lin = linear(net, 0);
		check_distances(net, &w, &lin);
		if (!net) {
			check_mean(&w, &lin);
			check_refusals(&w, &lin);
		}
		tensors_close(&w);
		tensors_close(&lin);
	}
	check_published();
	tensors_close(&golden);
	return done_testing();
}
