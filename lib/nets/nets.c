/* nets: the table of published networks; opening their weights and running them. */
#include "lib/nets/nets.h"
#include "formats/weights.h"
#include "lib/base/beside.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/nets/clip_rn50.h"
#include "lib/nets/efficientnet.h"
#include "lib/nets/inception.h"
#include "lib/nets/prepare.h"
#include "lib/nets/resnet.h"
#include "lib/nets/vit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct kind {
	const char *name;
	val (*build)(struct folded *, val x);
	int side, width, classes;
	const char *dense;                   /* the layer of the classes; NULL: none */
	double eps;                          /* of its norms */
	const char *protocol;                /* its own */
} kinds[] = {
#define NET(name, build, ...) { name, build, __VA_ARGS__ },
#include "lib/nets/nets.def"
#undef NET
};

#define NET(name, ...) "|" name
const char nets_list[] =
#include "lib/nets/nets.def"
;
#undef NET

#define PROTOCOL(name, ...) "|" name
const char nets_protocols[] = "own"
#include "lib/nets/prepare.def"
;
#undef PROTOCOL

static const char *const layers[] = { "pool", "logits", "unbiased" };

/* One thread's own program for one picture. */
struct worker {
	struct backend *b;
	struct tape *t;
	real *x;                             /* [side][side][3], which the tape reads */
	val y;                               /* [1][1][1][width] */
};

struct net_state {
	const struct kind *kind;
	enum net_layer layer;
	const struct protocol *protocol;
	struct folded layers;                /* shared by the workers */
	struct worker *worker;
	int workers;
};

static const struct protocol *protocol_of(const char *name)
{
	for (int i = 0; i < prepare_count; i++)
		if (!strcmp(prepare_protocols[i].name, name)) return &prepare_protocols[i];
	must(!"a protocol of the table");
	return NULL;
}

/* The network on the worker's tape, up to the layer asked for. */
static val build(struct worker *w, struct net *net)
{
	struct net_state *s = net->s;
	const struct kind *k = s->kind;
	val y = k->build(&s->layers, leaf(w->t, shape4(1, k->side, k->side, 3), w->x));

	if (s->layer == NET_POOL) return y;
	return folded_dense(&s->layers, y, k->dense, k->classes, s->layer == NET_LOGITS);
}

static int worker_open(struct worker *w, struct net *net)
{
	struct net_state *s = net->s;

	w->b = backend_new("cpu", 1);
	w->x = mem_big((size_t)s->kind->side * (size_t)s->kind->side * 3, sizeof *w->x,
		"input of the network");
	if (!w->b || !w->x) return -1;
	w->t = tape_new();
	folded_onto(&s->layers, w->t, w->b);
	w->y = build(w, net);
	keep(w->t, w->y);
	return folded_finish(&s->layers) ? -1 : tape_plan(w->t, w->b, true);
}

/* The tensors of the file that the network has no use for, and those its reader left out. */
static void list_ignored(struct net *net, const struct tensors *from)
{
	const bool *used = net->s->layers.used;

	net->ignored = mem_new((size_t)(from->n + from->n_meta), sizeof *net->ignored);
	for (int i = 0; i < from->n; i++)
		if (!used[i]) net->ignored[net->n_ignored++] = mem_text("%s", from->t[i].name);
	for (int i = 0; i < from->n_meta; i++)
		if (!strcmp(from->meta[i].name, "left out"))
			net->ignored[net->n_ignored++] = mem_text("%s", from->meta[i].value);
}

static int start(struct net *net, const struct tensors *from)
{
	struct net_state *s = net->s;

	s->layers = folded_start(from, s->kind->eps);
	if (s->layer != NET_LOGITS && s->kind->dense) folded_ignore(&s->layers, s->kind->dense);
	s->workers = par_threads();
	s->worker = mem_new((size_t)s->workers, sizeof *s->worker);
	for (int i = 0; i < s->workers; i++)
		if (worker_open(&s->worker[i], net)) return -1;
	net->weights = hash_end(&s->layers.hash);
	list_ignored(net, from);
	return 0;
}

int nets_from(struct net *net, int which, int protocol, enum net_layer layer,
	const struct tensors *from)
{
	must(which >= 0 && which < (int)LEN(kinds));
	must(protocol >= 0 && protocol <= prepare_count);
	const struct kind *kind = &kinds[which];
	const struct protocol *p = protocol ? &prepare_protocols[protocol - 1] :
		protocol_of(kind->protocol);

	*net = (struct net){
		.name = kind->name, .protocol = p->name, .layer = layers[layer],
		.width = layer == NET_POOL ? kind->width : kind->classes,
		.square = p->fit == FIT_SQUARE, .imagenet = kind->classes == 1000,
		.s = mem_new(1, sizeof *net->s),
	};
	net->s->kind = kind;
	net->s->protocol = p;
	net->s->layer = layer;
	int bad = layer != NET_POOL && !kind->dense ?
		fail("network %s has no classes: found layer %s, expected pool", net->name,
			net->layer) : start(net, from);
	if (bad) nets_close(net);
	return bad;
}

int nets_open(struct net *net, int which, int protocol, enum net_layer layer, const char *weights)
{
	char path[PATH_MAX], file[64];
	struct tensors from;

	*net = (struct net){ 0 };
	must(which >= 0 && which < (int)LEN(kinds));
	snprintf(file, sizeof file, "%s.safetensors", kinds[which].name);
	if (!weights && beside_weights(file, path)) return -1;
	if (weights_open_script(&from, weights ? weights : path)) return -1;
	int bad = nets_from(net, which, protocol, layer, &from);
	tensors_close(&from);
	return bad;
}

/* Position of word in "a|b|c", or -1. */
static int word_in(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (int i = 0; ; i++) {
		size_t m = strcspn(list, "|");
		if (m == n && !strncmp(list, word, n)) return i;
		if (!list[m]) return -1;
		list += m + 1;
	}
}

int nets_again(struct net *net, const char *path, const struct rows_info *rows, const char *weights)
{
	char name[64] = "", protocol[64] = "", layer[64] = "pool", hash[17] = "", found[17];

	rows_meta(rows, "net", name, sizeof name);
	rows_meta(rows, "protocol", protocol, sizeof protocol);
	rows_meta(rows, "layer", layer, sizeof layer);
	int n = word_in(NETS, name), p = word_in(NETS_PROTOCOLS, protocol);
	int l = word_in(NETS_LAYERS, layer);
	if (n < 0 || p < 0 || l < 0)
		return fail("%s: made by network \"%s\", protocol \"%s\"; expected %s and %s", path,
			name, protocol, NETS, NETS_PROTOCOLS);
	if (nets_open(net, n, p, (enum net_layer)l, weights)) return -1;
	snprintf(found, sizeof found, "%016" PRIx64, net->weights);
	int bad = 0;
	if (net->width != rows->width)
		bad = fail("%s: rows of %d, expected %d of network %s", path, rows->width,
			net->width, name);
	else if (rows_meta(rows, "weights", hash, sizeof hash) && strcmp(hash, found))
		bad = fail("%s: made with weights %s of %s, found %s", path, hash, name, found);
	if (bad) nets_close(net);
	return bad;
}

struct job {
	struct net *net;
	const struct image *picture;
	bool mirrored;
	char **failed;                       /* [n]: why, in the words of the thread that did it */
	float *f;
};

static void embed_one(void *ctx, int64_t i, int worker)
{
	struct job *j = ctx;
	struct net_state *s = j->net->s;
	struct worker *w = &s->worker[worker];
	int width = j->net->width;

	if (prepare_picture(s->protocol, &j->picture[i], s->kind->side, j->mirrored, w->x)) {
		j->failed[i] = mem_text("%s", why());
		return;
	}
	tape_run(w->t);
	const real *y = tape_value(w->t, w->y);
	for (int c = 0; c < width; c++) j->f[i * width + c] = (float)y[c];
}

int nets_features(struct net *net, int n, const struct image *picture, bool mirrored, float *f)
{
	char **failed = mem_new((size_t)n, sizeof *failed);
	int bad = 0;

	must(par_threads() <= net->s->workers);
	par_for(n, &(struct job){ net, picture, mirrored, failed, f }, embed_one);
	for (int i = 0; i < n && !bad; i++)
		if (failed[i]) bad = fail("%s: picture %d: %s", net->name, i, failed[i]);
	for (int64_t i = 0; i < (int64_t)n * net->width && !bad; i++)
		if (!isfinite(f[i]))
			bad = fail("%s: picture %lld: a feature is not finite", net->name,
				(long long)(i / net->width));
	for (int i = 0; i < n; i++) free(failed[i]);
	free(failed);
	return bad;
}

void nets_close(struct net *net)
{
	struct net_state *s = net->s;

	for (int i = 0; i < net->n_ignored; i++) free(net->ignored[i]);
	free(net->ignored);
	if (s) {
		for (int i = 0; i < s->workers; i++) {
			tape_free(s->worker[i].t);
			backend_free(s->worker[i].b);
			free(s->worker[i].x);
		}
		free(s->worker);
		folded_free(&s->layers);
		free(s);
	}
	*net = (struct net){ 0 };
}
