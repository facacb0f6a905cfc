/* nets: the table of published networks; opening their weights and running them. */
#include "lib/nets/nets.h"
#include "formats/weights.h"
#include "lib/base/beside.h"
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
	/* tensors a published file may hold beside those of the features */
	const char *const *ignored;
} kinds[] = {
	{ "efficientnet-lite0", 224, 1280, 1e-3, efficientnet_lite0,
		(const char *const[]){ "_fc.", ".num_batches_tracked", NULL } },
};

static const struct { const char *name; double mean[3], std[3]; } protocols[] = {
	{ "lite", { 127, 127, 127 }, { 128, 128, 128 } },
	{ "icgan", { 255 * .485, 255 * .456, 255 * .406 }, { 255 * .229, 255 * .224, 255 * .225 } },
};

/* One thread's own program for one picture. */
struct worker {
	struct backend *b;
	struct tape *t;
	real *x;                             /* [side][side][3], which the tape reads */
	val y;                               /* [1][1][1][width] */
	float *scratch;                      /* of prepare */
};

struct net_state {
	const struct kind *kind;
	struct folded layers;                /* shared by the workers */
	struct prepare prepare;
	struct worker *worker;
	int workers;
};

/* NAME.safetensors in $IC_WEIGHTS, else beside this program, into path. */
static int find_weights(const char *name, char path[PATH_MAX])
{
	const char *folder = getenv("IC_WEIGHTS");
	char file[64];

	snprintf(file, sizeof file, "%s.safetensors", name);
	if (!folder) return beside_find("weights", file, path);
	if (snprintf(path, PATH_MAX, "%s/%s", folder, file) >= PATH_MAX)
		return fail("$IC_WEIGHTS is too long for a path");
	return access(path, R_OK) ? fail("%s (by $IC_WEIGHTS):", path) : 0;
}

static int worker_open(struct worker *w, struct net_state *s)
{
	const struct kind *k = s->kind;

	w->b = backend_new("cpu", 1);
	w->x = mem_big((size_t)k->side * (size_t)k->side * 3, sizeof *w->x, "input of the network");
	if (!w->b || !w->x) return -1;
	w->t = tape_new();
	folded_onto(&s->layers, w->t);
	w->y = k->build(&s->layers, leaf(w->t, shape4(1, k->side, k->side, 3), w->x));
	if (w->y < 0) return -1;
	keep(w->t, w->y);
	return tape_plan(w->t, w->b, true);
}

static int workers_open(struct net *net, const struct tensors *from)
{
	struct net_state *s = net->s;

	s->layers = folded_start(from, s->kind->eps);
	s->workers = par_threads();
	s->worker = mem_new((size_t)s->workers, sizeof *s->worker);
	for (int i = 0; i < s->workers; i++)
		if (worker_open(&s->worker[i], s)) return -1;
	net->weights = hash_end(&s->layers.hash);
	return folded_finish(&s->layers, s->kind->ignored);
}

int nets_open(struct net *net, int which, int protocol, const char *weights)
{
	char path[PATH_MAX];
	struct tensors from;

	must(which >= 0 && which < (int)LEN(kinds));
	must(protocol >= 0 && protocol < (int)LEN(protocols));
	const struct kind *kind = &kinds[which];
	*net = (struct net){ .name = kind->name, .width = kind->width };
	net->protocol = protocols[protocol].name;
	if (!weights && find_weights(net->name, path)) return -1;
	if (weights_open(&from, weights ? weights : path)) return -1;
	net->s = mem_new(1, sizeof *net->s);
	net->s->kind = kind;
	prepare_start(&net->s->prepare, protocols[protocol].mean, protocols[protocol].std,
		kind->side);
	int bad = workers_open(net, &from);
	tensors_close(&from);
	if (bad) nets_close(net);
	return bad;
}

struct job { struct net_state *s; const uint8_t *const *rgb; bool mirrored; float *f; };

static void embed_one(void *ctx, int64_t i, int worker)
{
	struct job *j = ctx;
	struct worker *w = &j->s->worker[worker];
	int width = j->s->kind->width;

	prepare_picture(&j->s->prepare, j->rgb[i], j->mirrored, w->scratch, w->x);
	tape_run(w->t);
	const real *y = tape_value(w->t, w->y);
	for (int c = 0; c < width; c++) j->f[i * width + c] = (float)y[c];
}

int nets_features(struct net *net, int n, int side, const uint8_t *const *rgb, bool mirrored,
	float *f)
{
	struct net_state *s = net->s;

	must(par_threads() <= s->workers && side > 0);
	if (s->prepare.from != side) {
		prepare_side(&s->prepare, side);
		size_t room = prepare_scratch(&s->prepare);
		for (struct worker *w = s->worker; w < s->worker + s->workers; w++)
			w->scratch = mem_grow(w->scratch, room, sizeof *w->scratch);
	}
	par_for(n, &(struct job){ s, rgb, mirrored, f }, embed_one);
	for (int64_t i = 0; i < (int64_t)n * net->width; i++)
		if (!isfinite(f[i]))
			return fail("%s: picture %lld: a feature is not finite", net->name,
				(long long)(i / net->width));
	return 0;
}

void nets_close(struct net *net)
{
	struct net_state *s = net->s;

	if (s) {
		for (int i = 0; i < s->workers; i++) {
			tape_free(s->worker[i].t);
			backend_free(s->worker[i].b);
			free(s->worker[i].x);
			free(s->worker[i].scratch);
		}
		free(s->worker);
		folded_free(&s->layers);
		prepare_end(&s->prepare);
		free(s);
	}
	*net = (struct net){ 0 };
}
