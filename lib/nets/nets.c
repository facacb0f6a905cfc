/* nets: the table of published networks; opening their weights and running them. */
#include "lib/nets/nets.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/nets/efficientnet.h"
#include "lib/nets/prepare.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct kind {
	const char *name;
	int side, width;
	double eps;                          /* of its batch norms */
	val (*build)(struct folded *, val x);
	const char *const *ignored;          /* tensors a published file may hold beside those of the features */
} kinds[] = {
	{ "efficientnet-lite0", 224, 1280, 1e-3, efficientnet_lite0, (const char *const[]){ "_fc.", ".num_batches_tracked", NULL } },
};

static const struct { const char *name; double mean[3], std[3]; } protocols[] = {
	{ "lite", { 127, 127, 127 }, { 128, 128, 128 } },
	{ "icgan", { 255 * .485, 255 * .456, 255 * .406 }, { 255 * .229, 255 * .224, 255 * .225 } },
};

struct net_state {
	const struct kind *kind;
	struct tape *t;
	struct folded layers;
	struct prepare prepare;
	real *x;                             /* [batch][side][side][3], which the tape reads */
	val y;                               /* [batch][1][1][width] */
	float *scratch;                      /* of prepare, per worker */
	size_t scratch_each;
};

/* The first of the places where NAME.safetensors may lie, into path. */
static int find_weights(const char *name, char path[PATH_MAX])
{
	static const char *const beside[] = { "../share/ic/weights", "../../pipelines/weights", "../../../pipelines/weights" };
	const char *folder = getenv("IC_WEIGHTS");
	char self[PATH_MAX / 2];

	if (folder && snprintf(path, PATH_MAX, "%s/%s.safetensors", folder, name) < PATH_MAX && !access(path, R_OK)) return 0;
	ssize_t n = readlink("/proc/self/exe", self, sizeof self);
	if (n <= 0 || n == (ssize_t)sizeof self) return fail("the place of this program is unknown: name the weights");
	while (n > 0 && self[n - 1] != '/') n--;
	for (size_t i = 0; i < LEN(beside); i++) {
		snprintf(path, PATH_MAX, "%.*s%s/%s.safetensors", (int)n, self, beside[i], name);
		if (!access(path, R_OK)) return 0;
	}
	return fail("%s.safetensors: found neither in $IC_WEIGHTS nor in %.*s%s", name, (int)n, self, beside[0]);
}

static int build(struct net *net, const struct tensors *from, struct backend *b)
{
	struct net_state *s = net->s;
	const struct kind *k = s->kind;
	size_t pixels = (size_t)k->side * (size_t)k->side;

	s->x = mem_big((size_t)net->batch * pixels * 3, sizeof *s->x, "input of the network");
	if (!s->x) return -1;
	memset(s->x, 0, (size_t)net->batch * pixels * 3 * sizeof *s->x);
	s->t = tape_new();
	s->layers = folded_start(s->t, from, k->eps);
	s->y = k->build(&s->layers, leaf(s->t, shape4(net->batch, k->side, k->side, 3), s->x));
	if (s->y < 0 || folded_finish(&s->layers, k->ignored)) return -1;
	net->weights = hash_end(&s->layers.hash);
	keep(s->t, s->y);
	return tape_plan(s->t, b, true);
}

int nets_open(struct net *net, int which, int protocol, const char *weights, int batch, struct backend *b)
{
	char path[PATH_MAX];
	struct tensors from;

	must(which >= 0 && which < (int)LEN(kinds) && protocol >= 0 && protocol < (int)LEN(protocols) && batch > 0);
	*net = (struct net){ .name = kinds[which].name, .protocol = protocols[protocol].name, .width = kinds[which].width,
		.batch = batch };
	if (!weights && find_weights(net->name, path)) return -1;
	if (tensors_open(&from, weights ? weights : path)) return -1;
	net->s = mem_new(1, sizeof *net->s);
	net->s->kind = &kinds[which];
	prepare_start(&net->s->prepare, protocols[protocol].mean, protocols[protocol].std, kinds[which].side);
	int bad = build(net, &from, b);
	tensors_close(&from);
	if (bad) nets_close(net);
	return bad;
}

struct job { struct net_state *s; const uint8_t *const *rgb; bool mirrored; };

static void prepare_one(void *ctx, int64_t i, int worker)
{
	struct job *j = ctx;
	struct net_state *s = j->s;
	size_t each = (size_t)s->kind->side * (size_t)s->kind->side * 3;

	prepare_picture(&s->prepare, j->rgb[i], j->mirrored, s->scratch + (size_t)worker * s->scratch_each, s->x + (size_t)i * each);
}

/* Room for the taps and rows of this side. */
static void set_side(struct net_state *s, int side)
{
	if (s->prepare.from == side) return;
	prepare_side(&s->prepare, side);
	s->scratch_each = (prepare_scratch(&s->prepare) + 15) / 16 * 16;
	s->scratch = mem_grow(s->scratch, s->scratch_each * (size_t)par_threads(), sizeof *s->scratch);
}

int nets_features(struct net *net, int n, int side, const uint8_t *const *rgb, bool mirrored, float *f)
{
	struct net_state *s = net->s;

	must(n > 0 && n <= net->batch && side > 0);
	set_side(s, side);
	par_for(n, &(struct job){ s, rgb, mirrored }, prepare_one);
	tape_run(s->t);
	const real *y = tape_value(s->t, s->y);
	for (int i = 0; i < n * net->width; i++) {
		f[i] = (float)y[i];
		if (!isfinite(f[i])) return fail("%s: feature %d of a picture is not finite", net->name, i % net->width);
	}
	return 0;
}

void nets_close(struct net *net)
{
	if (net->s) {
		tape_free(net->s->t);
		folded_free(&net->s->layers);
		prepare_end(&net->s->prepare);
		free(net->s->x);
		free(net->s->scratch);
		free(net->s);
	}
	*net = (struct net){ 0 };
}
