/* check-batch: a row of a network does not depend on the picture's place in a batch, on the size of
 * the batch or on the threads: the bytes are equal. */
#include "lib/base/par.h"
#include "lib/nets/nets.h"
#include "tests/formula.h"
#include "tests/tap.h"

/* one picture more than networks take at once */
enum { SIDE = 40, MOST = NETS_SOME + 1, THREADS = 3 };

/* ways: how many of those below. */
static const struct { const char *name, *table; double gain; size_t ways; } nets[] = {
	{ "efficientnet-lite0", "efficientnet_lite0", 1, 3 },
	{ "resnet50", "resnet50_torchvision", 1, 3 },
	{ "inception-fid", "inception_fid", 2, 2 },
	{ "clip-vitb32", "clip_vitb32_visual", 1, 2 },
};

static const struct { int first, n, threads; } ways[] = {
	{ 8, 1, 1 }, { 1, 8, THREADS }, { 4, 5, 2 },
};

/* Position of a network in the list of all, "|" between. */
static int position(const char *name)
{
	const char *at = strstr(NETS, name);
	int n = 0;

	must(at);
	for (const char *p = NETS; p < at; p++) n += *p == '|';
	return n;
}

/* Rows of n pictures; owned. */
static float *rows_of(struct net *net, const struct image *picture, int n, int threads)
{
	float *f = mem_new((size_t)n * (size_t)net->width, sizeof *f);

	par_set_threads(threads);
	if (nets_features(net, n, picture, false, f)) printf("# %s\n", why());
	return f;
}

static void check_net(int which, const struct image *picture)
{
	const char *name = nets[which].name;
	struct tensors weights = formula_tensors(nets[which].table, "", nets[which].gain);
	struct net net;

	par_set_threads(THREADS);
	must(!nets_from(&net, position(name), 0, NET_POOL, &weights, NULL));
	float *want = rows_of(&net, picture, MOST, 1);
	size_t row = (size_t)net.width * sizeof *want;
	ok(memcmp(want, want + net.width, row), "%s: rows differ", name);
	for (size_t i = 0; i < nets[which].ways; i++) {
		int first = ways[i].first, n = ways[i].n;
		float *f = rows_of(&net, picture + first, n, ways[i].threads);

		ok(!memcmp(f, want + first * net.width, (size_t)n * row),
			"%s: %d from %d on, threads %d: the rows as of %d, one thread", name, n,
			first, ways[i].threads, MOST);
		free(f);
	}
	free(want);
	nets_close(&net);
	tensors_close(&weights);
}

int main(void)
{
	struct image picture[MOST];

	for (int i = 0; i < MOST; i++) {
		size_t n = (size_t)SIDE * SIDE * 3;
		char name[16];

		snprintf(name, sizeof name, "picture %d", i);
		picture[i] = (struct image){ SIDE, SIDE, mem_new(n, 1) };
		for (size_t k = 0; k < n; k++)
			picture[i].rgb[k] = (uint8_t)(256 * formula_u(formula_name("", name),
				(int64_t)k));
	}
	for (size_t i = 0; i < LEN(nets); i++) check_net((int)i, picture);
	for (int i = 0; i < MOST; i++) free(picture[i].rgb);
	return done_testing();
}
