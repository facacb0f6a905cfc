/* check-embed: features of photographs by the EfficientNet-Lite0 that comes with the programs,
 * against PyTorch; rows must not depend on the other pictures or on the threads. */
#include "formats/npy.h"
#include "formats/pam.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/nets/nets.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/embed/"
#define WEIGHTS "pipelines/weights/efficientnet-lite0.safetensors"

/* of nets_protocols */
enum { LITE = 1, ICGAN = 3, MAX = 8 };

/* The pictures of one file and the features expected of them. */
struct set { int n; struct image picture[MAX]; struct tensor want; };

static struct set load(const char *pictures, const char *features)
{
	struct set s = { 0 };
	struct pam in;
	struct pam_head head;
	char path[256];

	snprintf(path, sizeof path, GOLDEN "%s.ppm", pictures);
	must(!pam_open(&in, path));
	while (s.n < MAX && pam_read(&in, &head, &s.picture[s.n].rgb) == 1) {
		s.picture[s.n].height = head.height;
		s.picture[s.n++].width = head.width;
	}
	pam_close(&in);
	snprintf(path, sizeof path, GOLDEN "%s.npy", features);
	must(!npy_read(&s.want, path) && s.want.type == DT_F32 && s.want.shape[0] == s.n);
	return s;
}

static void drop(struct set *s)
{
	for (int i = 0; i < MAX; i++) free(s->picture[i].rgb);
	free((void *)s->want.data);
}

static double distance(const float *got, const float *want, int n)
{
	double d = 0, w = 0;

	for (int i = 0; i < n; i++) {
		d += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
		w += (double)want[i] * want[i];
	}
	return sqrt(d / w);
}

static void check_set(int protocol, enum net_layer layer, const char *weights,
	const char *pictures, const char *features, bool mirrored)
{
	struct set s = load(pictures, features);
	struct net net;

	if (ok(!nets_open(&net, 0, protocol, layer, weights, NULL), "%s: weights", features)) {
		float *f = mem_new((size_t)MAX * (size_t)net.width, sizeof *f);
		must(s.want.shape[1] == net.width && s.n > 0);
		ok(!nets_features(&net, s.n, s.picture, mirrored, f),
			"%s: computed", features);
		for (int i = 0; i < s.n; i++) {
			size_t at = (size_t)i * (size_t)net.width;
			double d = distance(f + at, (const float *)s.want.data + at, net.width);
			is_near(d, 0, 1e-4, "%s: picture %d: off by %.1e", features, i, d);
		}
		free(f);
	} else {
		printf("# %s\n", why());
	}
	nets_close(&net);
	drop(&s);
}

/* Rows of all pictures, so many at a time. */
static float *rows_of(const struct set *s, int together, int threads)
{
	struct net net;
	float *f = mem_new((size_t)s->want.count, sizeof *f);

	par_set_threads(threads);
	must(!nets_open(&net, 0, LITE, NET_POOL, WEIGHTS, NULL));
	for (int i = 0; i < s->n; i += together) {
		int n = s->n - i < together ? s->n - i : together;
		must(!nets_features(&net, n, s->picture + i, false,
			f + (size_t)i * (size_t)net.width));
	}
	nets_close(&net);
	return f;
}

static void check_independence(void)
{
	static const struct { int together, threads; } ways[] = {
		{ 1, 2 }, { 4, 1 }, { 4, 2 }, { 5, 3 },
	};
	struct set s = load("64", "64-lite");
	size_t bytes = (size_t)s.want.count * sizeof(float);
	float *want = rows_of(&s, 1, 1);

	for (size_t i = 0; i < LEN(ways); i++) {
		float *f = rows_of(&s, ways[i].together, ways[i].threads);
		ok(!memcmp(f, want, bytes),
			"%d at a time on %d threads give the bytes of one by one", ways[i].together,
			ways[i].threads);
		free(f);
	}
	free(want);
	drop(&s);
}

int main(void)
{
	check_set(LITE, NET_POOL, WEIGHTS, "64", "64-lite", false);
	check_set(LITE, NET_POOL, WEIGHTS, "64", "64-flipped", true);
	check_set(LITE, NET_LOGITS, WEIGHTS, "64", "64-logits", false);
	check_set(ICGAN, NET_POOL, WEIGHTS, "64", "64-icgan", false);
	check_set(LITE, NET_POOL, WEIGHTS, "32", "32-lite", false);
	check_set(LITE, NET_POOL, NULL, "128", "128-lite", false);
	check_independence();
	return done_testing();
}
