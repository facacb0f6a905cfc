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
#include "lib/nets/together.h"
#include "lib/nets/worker.h"
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

struct net_state {
	const struct kind *kind;
	enum net_layer layer;
	const struct protocol *protocol;
	struct folded layers;                /* shared by the workers */
	struct worker *worker;
	int workers;
	struct together together;            /* instead of these: on a device */
};

static const struct protocol *protocol_of(const char *name)
{
	for (int i = 0; i < prepare_count; i++)
		if (!strcmp(prepare_protocols[i].name, name)) return &prepare_protocols[i];
	must(!"a protocol of the table");
	return NULL;
}

/* The network up to the layer asked for. */
static val build(void *state, struct folded *f, val x)
{
	const struct net_state *s = state;
	const struct kind *k = s->kind;
	val y = k->build(f, x);

	if (s->layer == NET_POOL) return y;
	return folded_dense(f, y, k->dense, k->classes, s->layer == NET_LOGITS);
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

static int start_workers(struct net_state *s)
{
	s->workers = par_threads();
	s->worker = mem_new((size_t)s->workers, sizeof *s->worker);
	for (int i = 0; i < s->workers; i++)
		if (worker_open(&s->worker[i], &s->layers, s->kind->side, build, s)) return -1;
	return 0;
}

static int start(struct net *net, const struct tensors *from, const struct nets_device *on)
{
	struct net_state *s = net->s;

	s->layers = folded_start(from, s->kind->eps);
	if (s->layer != NET_LOGITS && s->kind->dense) folded_ignore(&s->layers, s->kind->dense);
	if (on ? together_open(&s->together, &s->layers, on->b, on->batch, s->kind->side, build, s)
	       : start_workers(s))
		return -1;
	net->weights = hash_end(&s->layers.hash);
	list_ignored(net, from);
	return 0;
}

int nets_from(struct net *net, int which, int protocol, enum net_layer layer,
	const struct tensors *from, const struct nets_device *device)
{
	must(which >= 0 && which < (int)LEN(kinds));
	must(protocol >= 0 && protocol <= prepare_count);
	const struct kind *kind = &kinds[which];
	const struct protocol *p = protocol ? &prepare_protocols[protocol - 1] :
		protocol_of(kind->protocol);

	*net = (struct net){
		.name = kind->name, .protocol = p->name, .layer = layers[layer],
		.width = layer == NET_POOL ? kind->width : kind->classes,
		.input = (size_t)kind->side * (size_t)kind->side * 3,
		.square = p->fit == FIT_SQUARE, .imagenet = kind->classes == 1000,
		.s = mem_new(1, sizeof *net->s),
	};
	net->s->kind = kind;
	net->s->protocol = p;
	net->s->layer = layer;
	int bad = layer != NET_POOL && !kind->dense ?
		fail("network %s has no classes: found layer %s, expected pool", net->name,
			net->layer) : start(net, from, device);
	if (bad) nets_close(net);
	return bad;
}

static int fail_weights(void)
{
	char *what = mem_text("%s", why());

	fail("%s (-w FILE; pipelines/fetch.mk knows where weights are published)", what);
	free(what);
	return -1;
}

int nets_open(struct net *net, int which, int protocol, enum net_layer layer, const char *weights,
	const struct nets_device *device)
{
	char path[PATH_MAX], file[64];
	struct tensors from;

	*net = (struct net){ 0 };
	must(which >= 0 && which < (int)LEN(kinds));
	snprintf(file, sizeof file, "%s.safetensors", kinds[which].name);
	if (!weights && beside_weights(file, path)) return fail_weights();
	if (weights_open_script(&from, weights ? weights : path)) return -1;
	int bad = nets_from(net, which, protocol, layer, &from, device);
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
	if (nets_open(net, n, p, (enum net_layer)l, weights, NULL)) return -1;
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

_Static_assert((int)NETS_SOME == (int)WORKER_BATCH, "a worker takes as many at a time");

int nets_prepare(const struct net *net, int64_t number, int n, const struct image *picture,
	bool mirrored, float *x)
{
	const struct net_state *s = net->s;

	for (int i = 0; i < n; i++)
		if (prepare_picture(s->protocol, &picture[i], s->kind->side, mirrored,
			    x + (size_t)i * net->input))
			return fail("%s: picture %" PRId64 ": %s", net->name, number + i, why());
	return 0;
}

static int check_rows(const struct net *net, int64_t number, int n, const float *f)
{
	for (int64_t i = 0; i < (int64_t)n * net->width; i++)
		if (!isfinite(f[i]))
			return fail("%s: picture %" PRId64 ": a feature is not finite", net->name,
				number + i / net->width);
	return 0;
}

int nets_some(struct net *net, int worker, int64_t number, int n, const struct image *picture,
	bool mirrored, float *f)
{
	struct worker *w = &net->s->worker[worker];

	must(worker < net->s->workers && n <= NETS_SOME);
	for (int i = 0; i < n; i++) {
		if (nets_prepare(net, number + i, 1, &picture[i], mirrored, w->x)) return -1;
		worker_put(w, i);
	}
	memcpy(f, worker_get(w), (size_t)n * (size_t)net->width * sizeof *f);
	return check_rows(net, number, n, f);
}

int nets_run(struct net *net, int64_t number, int n, const float *x, float *f)
{
	return together_run(&net->s->together, n, x, f) ? -1 : check_rows(net, number, n, f);
}

struct job {
	struct net *net;
	int n, some;                         /* pictures, and how many of them at a time */
	const struct image *picture;
	bool mirrored;
	char **failed;                       /* why, in the words of the thread that did it */
	float *f;
};

static void embed_some(void *ctx, int64_t i, int worker)
{
	struct job *j = ctx;
	int first = (int)i * j->some, n = j->n - first < j->some ? j->n - first : j->some;

	if (nets_some(j->net, worker, first, n, j->picture + first, j->mirrored,
		j->f + (size_t)first * (size_t)j->net->width)) j->failed[i] = mem_text("%s", why());
}

int nets_features(struct net *net, int n, const struct image *picture, bool mirrored, float *f)
{
	int share = (n + par_threads() - 1) / par_threads();
	int some = share < NETS_SOME ? share : NETS_SOME, jobs = (n + some - 1) / some;
	char **failed = mem_new((size_t)jobs, sizeof *failed);
	int bad = 0;

	must(n > 0 && par_threads() <= net->s->workers);
	par_for(jobs, &(struct job){ net, n, some, picture, mirrored, failed, f }, embed_some);
	for (int i = 0; i < jobs; i++) {
		if (failed[i] && !bad) bad = fail("%s", failed[i]);
		free(failed[i]);
	}
	free(failed);
	return bad;
}

void nets_close(struct net *net)
{
	struct net_state *s = net->s;

	for (int i = 0; i < net->n_ignored; i++) free(net->ignored[i]);
	free(net->ignored);
	if (s) {
		for (int i = 0; i < s->workers; i++) worker_close(&s->worker[i]);
		free(s->worker);
		together_close(&s->together);
		folded_free(&s->layers);
		free(s);
	}
	*net = (struct net){ 0 };
}
