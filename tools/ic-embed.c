/* ic-embed: pictures -> rows of features or class scores of a published network. */
#include "formats/pictures.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/flow.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/par.h"
#include "lib/base/say.h"
#include "lib/nets/classes.h"
#include "lib/nets/nets.h"
#include "lib/tape/device.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pictures that a thread takes at a time, at most, and bytes of them, and pictures of a device's
 * batch; the likeliest classes that are printed */
enum { GROUP = NETS_SOME, GROUP_BYTES = 16 << 20, BATCH = 256, BEST = 5 };

static const char *out, *flipped, *weights, *range;
static int which, protocol, layer, device, precision, batch = 32;
static bool by_instance, classify;

static const struct opt opts[] = {
	{ 'o', "output", "FILE", "store to write; without it a row stream on stdout", OPT_OUT,
		&out, 0, 0 },
	{ 'n', "net", NETS, "the network", OPT_WORD, &which, 0, 0 },
	{ 'w', "weights", "FILE",
		"its weights, see ic-weights(5) (default: those that come with ic)", OPT_STR,
		&weights, 0, 0 },
	{ 0, "protocol", NETS_PROTOCOLS, "what is done to the bytes first", OPT_WORD,
		&protocol, 0, 0 },
	{ 0, "layer", NETS_LAYERS, "what a row holds", OPT_WORD, &layer, 0, 0 },
	{ 0, "classify", NULL, "print the five likeliest classes of each picture instead", OPT_FLAG,
		&classify, 0, 0 },
	{ 0, "by-instance", NULL, "rows of generated pictures have the keys of their instances",
		OPT_FLAG, &by_instance, 0, 0 },
	{ 0, "flipped", "FILE", "also write the features of the mirrored pictures here", OPT_OUT,
		&flipped, 0, 0 },
	{ 0, "rows", "A:B", "only pictures A to B-1 of a store, counted from 0", OPT_STR, &range,
		0, 0 },
	{ 'd', "device", DEVICES, "where the network runs", OPT_WORD, &device, 0, 0 },
	{ 0, "precision", PRECISIONS, "of the factors in products on a GPU", OPT_WORD, &precision,
		0, 0 },
	{ 'b', "batch", "N", "pictures together on a GPU", OPT_INT, &batch, 1, BATCH },
	OPT_COMMON
};

/* The features of the pictures, or of their mirror images. */
/* held: rows it has from an interrupted run */
struct sink { struct rows rows; bool mirrored; int64_t held; };

static int sink_open(struct sink *k, const char *path, bool mirrored, const struct pictures *s,
	const struct net *net, const struct backend *on)
{
	struct rows_info info = { .kind = "features", .type = ROWS_F32, .width = net->width };

	k->mirrored = mirrored;
	pictures_inherit(s, &info);
	if (rows_meta_add(&info, "net", "%s", net->name) ||
		rows_meta_add(&info, "weights", "%016" PRIx64, net->weights) ||
		rows_meta_add(&info, "protocol", "%s", net->protocol) ||
		(s->side && rows_meta_add(&info, "side", "%d", s->side)) ||
		pictures_handling(s, &info) ||
		(on && rows_meta_add(&info, "device", "%s", on->name)) ||
		(layer && rows_meta_add(&info, "layer", "%s", net->layer)) ||
		(mirrored && rows_meta_add(&info, "mirrored", "yes")) ||
		(range && rows_meta_add(&info, "rows", "%" PRId64 ":%" PRId64, s->first_row,
				 s->last_row)))
		return -1;
	bool force = common.force || (flipped && !mirrored && rows_again(path, &info, flipped));
	return rows_create(&k->rows, path, &info, force, &k->held);
}

struct group {
	int64_t first;                       /* its first picture, counted from 0 */
	int n;
	uint64_t key[BATCH];
	uint32_t label[BATCH];
	struct image picture[BATCH];
	float *x[2], *f[2];                  /* for each sink: prepared, on a device; rows */
};

/* From pictures to rows, or printed classes. */
struct job {
	struct pictures *from;
	struct net *net;
	struct sink sink[2];
	int sinks;
	struct classes classes;
	struct backend *on;                  /* NULL: the workers' threads */
	int (*write)(void *, int);           /* on a device: what comes after it */
	double started, ended, idle;         /* of the device, in seconds */
	struct group *group;                 /* [items] of the flow */
	int some;                            /* pictures of a group */
	int64_t start, read, written;        /* start: pictures that every sink has already */
	double waiting;
};

/* Up to `most` pictures. */
static int group_fill(struct group *g, struct pictures *s, int64_t most)
{
	int64_t bytes = 0;

	for (g->n = 0; g->n < most && bytes < GROUP_BYTES; g->n++) {
		struct image *m = &g->picture[g->n];
		int got = pictures_next(s, &g->key[g->n], &g->label[g->n], m);
		if (got <= 0) return got;
		bytes += (int64_t)m->height * m->width * 3;
	}
	return 0;
}

static int group_read(void *ctx, int place)
{
	struct job *j = ctx;
	struct group *g = &j->group[place];
	int64_t most = j->some;

	if (j->read < j->start && j->start - j->read < most) most = j->start - j->read;
	g->first = j->read;
	if (stop_check() || group_fill(g, j->from, most)) return -1;
	j->read += g->n;
	return g->n > 0;
}

/* Less what a sink holds already, but for the first: its row is compared. */
static bool is_wanted(const struct job *j, const struct group *g, int k)
{
	return !g->first || g->first + g->n > j->sink[k].held;
}

static int group_embed(void *ctx, int place, int worker)
{
	struct job *j = ctx;
	struct group *g = &j->group[place];

	for (int k = 0; k < j->sinks; k++)
		if (is_wanted(j, g, k) && nets_some(j->net, worker, g->first, g->n, g->picture,
			j->sink[k].mirrored, g->f[k])) return -1;
	return 0;
}

/* For a device threads prepare the pictures only. */
static int group_prepare(void *ctx, int place, int worker)
{
	struct job *j = ctx;
	struct group *g = &j->group[place];

	(void)worker;
	for (int k = 0; k < j->sinks; k++)
		if (is_wanted(j, g, k) && nets_prepare(j->net, g->first, g->n, g->picture,
			j->sink[k].mirrored, g->x[k])) return -1;
	return 0;
}

/* The device is idle from one group to the next. */
static int group_run(void *ctx, int place)
{
	struct job *j = ctx;
	struct group *g = &j->group[place];

	j->idle += say_seconds() - j->ended;
	for (int k = 0; k < j->sinks; k++)
		if (is_wanted(j, g, k) &&
			nets_run(j->net, g->first, g->n, g->x[k], g->f[k])) return -1;
	j->ended = say_seconds();
	j->waiting = j->idle / (j->ended - j->started);
	return j->write(ctx, place);
}

static void count(struct job *j, const struct group *g)
{
	j->written += g->n;
	progress("embedding", j->written, j->from->total, "%.0f%% waiting for pictures",
		100 * j->waiting);
}

static int group_write(void *ctx, int place)
{
	struct job *j = ctx;
	struct group *g = &j->group[place];

	for (int k = 0; k < j->sinks; k++)
		for (int i = 0; i < g->n; i++) {
			bool held = g->first + i < j->sink[k].held;
			if (held && g->first + i) continue;
			if ((held ? rows_held : rows_put)(&j->sink[k].rows, g->key[i], g->label[i],
				g->f[k] + (size_t)i * (size_t)j->net->width)) return -1;
		}
	count(j, g);
	return 0;
}

/* Groups of `most' pictures; -1: no memory. */
static int groups_open(struct job *j, int items, int most)
{
	j->group = mem_new((size_t)items, sizeof *j->group);
	for (int i = 0; i < items; i++)
		for (int k = 0; k < j->sinks; k++) {
			struct group *g = &j->group[i];
			size_t n = (size_t)most;
			g->f[k] = mem_new(n * (size_t)j->net->width, sizeof(float));
			if (j->on && !(g->x[k] = mem_big(n, j->net->input * sizeof(float),
				"prepared pictures"))) return -1;
		}
	return 0;
}

static void groups_close(struct job *j, int items)
{
	for (int i = 0; i < items; i++) {
		struct group *g = &j->group[i];
		for (int k = 0; k < BATCH; k++) free(g->picture[k].rgb);
		for (int k = 0; k < j->sinks; k++) {
			free(g->f[k]);
			free(g->x[k]);
		}
	}
	free(j->group);
}

/* All pictures, written by `write`. */
static int run(struct job *j, int (*write)(void *, int))
{
	int threads = par_threads(), items = j->on ? threads + 2 : 2 * threads + 2;
	int64_t total = j->from->total, share = (total + threads - 1) / threads;
	struct flow flow = { j, items, threads, group_read, j->on ? group_prepare : group_embed,
		j->on ? group_run : write };
	double threads_waiting;

	j->some = j->on ? batch : total > 0 && share < GROUP ? (int)share : GROUP;
	j->write = write;
	j->started = j->ended = say_seconds();
	int bad = groups_open(j, items, j->on ? batch : GROUP) ||
		flow_run(&flow, j->on ? &threads_waiting : &j->waiting);
	progress_end();
	groups_close(j, items);
	if (!bad && common.verbose)
		note("%.1f%% of the network's time was spent waiting for pictures",
			100 * j->waiting);
	return bad;
}

/* The likeliest classes of one picture, by the softmax of its scores, one record each. */
static void print_best(const struct pictures *s, uint64_t key, uint32_t label, const float *score,
	const struct classes *classes)
{
	bool taken[CLASSES] = { false };
	double sum = 0, most = score[0];

	for (int c = 1; c < CLASSES; c++) most = fmax(most, score[c]);
	for (int c = 0; c < CLASSES; c++) sum += exp(score[c] - most);
	for (int k = 0; k < BEST; k++) {
		struct record r = record_begin(stdout);
		int best = -1;
		for (int c = 0; c < CLASSES; c++)
			if (!taken[c] && (best < 0 || score[c] > score[best])) best = c;
		taken[best] = true;
		record_key(&r, "key", key);
		if (s->labelled)
			record_int(&r, "label", label);
		record_int(&r, "rank", k + 1);
		record_int(&r, "class", best);
		record_real(&r, "probability", exp(score[best] - most) / sum);
		record_text(&r, "name", classes->name[best]);
		record_end(&r);
	}
}

static int group_print(void *ctx, int place)
{
	struct job *j = ctx;
	struct group *g = &j->group[place];

	for (int i = 0; i < g->n; i++)
		print_best(j->from, g->key[i], g->label[i], g->f[0] + (size_t)i * CLASSES,
			&j->classes);
	count(j, g);
	return 0;
}

/* The number of pictures, or -1. */
static int64_t print_classes(struct pictures *from, struct net *net, struct backend *on)
{
	struct job j = { .from = from, .net = net, .sinks = 1, .on = on };
	int bad = classes_open(&j.classes) || run(&j, group_print);

	classes_close(&j.classes);
	return bad ? -1 : j.written;
}

/* With --verbose: what of the file was left out. */
static void tell_ignored(const struct net *net)
{
	for (int i = 0; i < net->n_ignored && common.verbose; i++)
		note("%s: left out: %s", net->name, net->ignored[i]);
}

/* Rows to the outputs; the number of pictures, or -1. */
static int64_t write_rows(struct pictures *from, struct net *net, struct backend *on)
{
	struct job j = { .from = from, .net = net, .sinks = flipped ? 2 : 1, .on = on };
	struct sink *k = j.sink;
	int bad = sink_open(&k[0], out, false, from, net, on) ||
		(flipped && sink_open(&k[1], flipped, true, from, net, on));

	j.start = flipped && k[1].held < k[0].held ? k[1].held : k[0].held;
	bad = bad || run(&j, group_write);
	for (int i = 0; i < j.sinks && !bad; i++)
		bad = rows_ended(&k[i].rows, j.read) || rows_seal(&k[i].rows);
	/* removes what holds no rows to go on from */
	for (int i = 0; i < 2; i++) rows_close(&k[i].rows);
	return bad ? -1 : j.written;
}

int main(int argc, char **argv)
{
	struct net net;
	struct nets_device on = { .b = NULL };

	blas_start(argv);
	int i = opt_parse(argc, argv, "[images]", "features or classes of pictures", opts,
		LEN(opts));
	on.batch = batch;
	if (argc - i > 1) misuse("one source of pictures, found %d", argc - i);
	if (flipped && (!out || !strcmp(flipped, "-") || !strcmp(out, "-")))
		misuse("--flipped wants two named files: give --output too");
	if (classify && (out || flipped || layer))
		misuse("--classify writes no rows: leave out --output, --flipped and --layer");
	if (classify) layer = NET_LOGITS;
	if (device_other(device, precision, par_threads(), &on.b) ||
		nets_open(&net, which, protocol, (enum net_layer)layer, weights,
			on.b ? &on : NULL)) die();
	if (classify && !net.imagenet)
		misuse("--classify: the classes of %s have no names here", net.name);
	tell_ignored(&net);
	if (common.verbose && on.b && on.b->engine) note("products by %s", on.b->engine);
	struct pictures from = {
		.square = net.square, .by_instance = by_instance, .range = range
	};
	if (pictures_open(&from, i < argc ? argv[i] : "-")) die();
	int64_t n = classify ? print_classes(&from, &net, on.b) : write_rows(&from, &net, on.b);
	if (n < 0) die();
	pictures_close(&from);
	nets_close(&net);
	backend_free(on.b);
	return done(n, "pictures");
}
