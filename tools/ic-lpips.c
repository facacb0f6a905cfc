/* ic-lpips: how unlike the samples of each instance look: the mean LPIPS of their pairs. */
#include "formats/pam.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/say.h"
#include "lib/nets/lpips.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { SAMPLES = 1024 };                     /* of one instance, at most */

static const char *weights;
static int net;
static bool per_instance;

static const struct opt opts[] = {
	{ 'n', "net", LPIPS_NETS, "the network", OPT_WORD, &net, 0, 0 },
	{ 'w', "weights", "FILE", "its weights as torchvision has them, see ic-weights(5)", OPT_STR,
		&weights, 0, 0 },
	{ 0, "per-instance", NULL, "one record for each instance instead", OPT_FLAG, &per_instance,
		0, 0 },
	OPT_COMMON
};

/* A PAM stream, read one picture ahead. */
struct source {
	struct pam pam;
	struct pam_head first, head;
	uint8_t *ahead;
	bool ended;
};

/* The samples of one instance. */
struct group { uint64_t instance; int n; struct image picture[SAMPLES]; };

struct total { int64_t instances, samples; uint64_t *seen; double *lpips; };

static int read_ahead(struct source *s)
{
	int got = pam_read(&s->pam, &s->head, &s->ahead);
	const char *path = s->pam.path;
	int64_t at = s->pam.read - 1;

	if (got < 0) return -1;
	s->ended = !got;
	if (s->ended) return 0;
	if (!at) s->first = s->head;
	if (!s->head.instanced)
		return fail("%s: picture %" PRId64 " names no instance, expected samples of "
			"ic-sample --each", path, at);
	if (s->head.width != s->first.width || s->head.height != s->first.height)
		return fail("%s: picture %" PRId64 ": found %dx%d, expected %dx%d of the first",
			path, at, s->head.width, s->head.height, s->first.width, s->first.height);
	if (s->head.from != s->first.from || s->head.root != s->first.root)
		return fail("%s: picture %" PRId64 ": comes from another place than the first",
			path, at);
	return 0;
}

static void group_clear(struct group *g)
{
	for (int i = 0; i < g->n; i++) free(g->picture[i].rgb);
	g->n = 0;
}

/* The pictures from the one ahead to the last of its instance. */
static int group_read(struct group *g, struct source *s)
{
	g->instance = s->head.instance;
	while (!s->ended && s->head.instance == g->instance) {
		if (g->n == SAMPLES)
			return fail("%s: instance %" PRIu64 ": found more than %d samples",
				s->pam.path, g->instance, SAMPLES);
		g->picture[g->n++] = (struct image){ s->head.height, s->head.width, s->ahead };
		s->ahead = NULL;
		if (stop_check() || read_ahead(s)) return -1;
	}
	if (g->n < 2)
		return fail("%s: instance %" PRIu64 ": found one sample, expected two or more "
			"together", s->pam.path, g->instance);
	return 0;
}

static int total_add(struct total *t, const char *path, const struct group *g, double lpips)
{
	for (int64_t i = 0; i < t->instances; i++)
		if (t->seen[i] == g->instance)
			return fail("%s: instance %" PRIu64 ": found samples again after others, "
				"expected them together", path, g->instance);
	if (!(t->instances & (t->instances - 1))) {
		size_t room = t->instances ? 2 * (size_t)t->instances : 1;
		t->seen = mem_grow(t->seen, room, sizeof *t->seen);
		t->lpips = mem_grow(t->lpips, room, sizeof *t->lpips);
	}
	t->seen[t->instances] = g->instance;
	t->lpips[t->instances++] = lpips;
	t->samples += g->n;
	return 0;
}

static void print_instance(const struct group *g, double lpips)
{
	struct record r = record_begin(stdout);

	record_key(&r, "instance", g->instance);
	record_int(&r, "samples", g->n);
	record_real(&r, "lpips", lpips);
	record_end(&r);
}

/* The mean over instances and its standard error, which one instance does not have. */
static void print_total(const struct total *t)
{
	double n = (double)t->instances, mean = 0, square = 0;
	struct record r = record_begin(stdout);

	for (int64_t i = 0; i < t->instances; i++) mean += t->lpips[i] / n;
	for (int64_t i = 0; i < t->instances; i++)
		square += (t->lpips[i] - mean) * (t->lpips[i] - mean);
	record_int(&r, "instances", t->instances);
	record_int(&r, "samples", t->samples);
	record_real(&r, "lpips", mean);
	record_real(&r, "se", t->instances > 1 ? sqrt(square / (n - 1) / n) : NAN);
	record_end(&r);
}

/* One instance after another. */
static int measure(struct source *s, struct lpips *l, struct total *t)
{
	struct group *g = mem_new(1, sizeof *g);
	double lpips;
	int bad = 0;

	while (!bad && !s->ended) {
		bad = group_read(g, s) || lpips_mean(l, g->n, g->picture, &lpips) ||
			total_add(t, s->pam.path, g, lpips);
		if (!bad && per_instance) print_instance(g, lpips);
		group_clear(g);
		progress("measuring", s->pam.read, s->first.of, "%s", "");
	}
	progress_end();
	group_clear(g);
	free(g);
	return bad;
}

int main(int argc, char **argv)
{
	struct source from = { 0 };
	struct total total = { 0 };
	struct lpips l;

	blas_start(argv);
	int i = opt_parse(argc, argv, "[samples]", "how unlike the samples of an instance look",
		opts, LEN(opts));
	const char *path = i < argc ? argv[i] : "-";
	if (argc - i > 1) misuse("one stream of samples, found %d", argc - i);
	if (!weights) misuse("--weights names the network's weights (see pipelines/fetch.mk)");
	if (pam_open(&from.pam, path) || read_ahead(&from)) die();
	if (from.ended) {
		fail("%s: found no pictures", from.pam.path);
		die();
	}
	if (lpips_open(&l, net, weights, from.first.height, from.first.width)) die();
	if (measure(&from, &l, &total)) die();
	if (!per_instance) print_total(&total);
	lpips_close(&l);
	pam_close(&from.pam);
	free(from.ahead);
	free(total.seen);
	free(total.lpips);
	return done(total.samples, "pictures");
}
