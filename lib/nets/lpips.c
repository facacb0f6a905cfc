/* lpips: how unlike pictures look.  With the features f_k[H][W][C] of tap k at unit length in C,
 *   d(a, b) = sum_k mean over H, W of sum_c w_k[c] (f_k(a) - f_k(b))^2,
 * which is a squared Euclidean distance of rows of sqrt(w_k[c] / (H W)) f_k: a picture goes through
 * the network once, however many pairs it is in. */
#include "lib/nets/lpips.h"
#include "formats/weights.h"
#include "lib/base/beside.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/nets/folded.h"

#include <math.h>
#include <stdlib.h>

enum { TAPS = 5, CHANNELS = 512 };           /* at most so many in a tap */

/* Convolution features.`number` with its bias and relu, after a max pooling of `pool` pixels and
 * stride 2 (0: none). */
struct stage { int pool, number, k, stride, pad, out; bool tap; };

static const struct stage alex[] = {
	{ 0, 0, 11, 4, 2, 64, true }, { 3, 3, 5, 1, 2, 192, true }, { 3, 6, 3, 1, 1, 384, true },
	{ 0, 8, 3, 1, 1, 256, true }, { 0, 10, 3, 1, 1, 256, true },
};
static const struct stage vgg[] = {
	{ 0, 0, 3, 1, 1, 64, false }, { 0, 2, 3, 1, 1, 64, true },
	{ 2, 5, 3, 1, 1, 128, false }, { 0, 7, 3, 1, 1, 128, true },
	{ 2, 10, 3, 1, 1, 256, false }, { 0, 12, 3, 1, 1, 256, false },
	{ 0, 14, 3, 1, 1, 256, true },
	{ 2, 17, 3, 1, 1, 512, false }, { 0, 19, 3, 1, 1, 512, false },
	{ 0, 21, 3, 1, 1, 512, true },
	{ 2, 24, 3, 1, 1, 512, false }, { 0, 26, 3, 1, 1, 512, false },
	{ 0, 28, 3, 1, 1, 512, true },
};

/* In the order of LPIPS_NETS; least: the side below which a pooling has nothing left. */
static const struct kind {
	const char *name, *linear;
	const struct stage *stage;
	int stages, least;
} kinds[] = {
	{ "alex", "lpips-alex.safetensors", alex, LEN(alex), 31 },
	{ "vgg", "lpips-vgg.safetensors", vgg, LEN(vgg), 16 },
};

/* One thread's own program for one picture. */
struct worker {
	struct backend *b;
	struct tape *t;
	real *x;                             /* [height][width][3], which the tape reads */
	val tap[TAPS];                       /* [1][H][W][C], which together are a row */
};

struct lpips_state {
	const struct kind *kind;
	struct folded layers;                /* shared by the workers */
	double linear[TAPS][CHANNELS];
	struct worker *worker;
	int workers;
	size_t row;                          /* numbers in a row */
};

/* lin0 to lin4, which keep distances from being negative only if they are not. */
static int read_linear(struct lpips_state *s, const struct tensors *from)
{
	int tap = 0;

	for (int i = 0; i < s->kind->stages; i++) {
		const struct stage *g = &s->kind->stage[i];
		float w[CHANNELS];
		char name[32];
		if (!g->tap) continue;
		snprintf(name, sizeof name, "lin%d.model.1.weight", tap);
		const struct tensor *t = tensors_find(from, name);
		if (!t) return fail("%s: tensor %s is missing", from->path, name);
		if (t->rank != 4 || t->shape[1] != g->out || t->count != g->out)
			return fail("%s: %s: expected [1,%d,1,1]", from->path, name, g->out);
		if (tensor_floats(from->path, t, w)) return -1;
		for (int c = 0; c < g->out; c++)
			if (!(w[c] >= 0 && isfinite(w[c])))
				return fail("%s: %s: element %d is %g, expected 0 or more",
					from->path, name, c, (double)w[c]);
		for (int c = 0; c < g->out; c++) s->linear[tap][c] = w[c];
		tap++;
	}
	return 0;
}

/* sqrt(w[c] / (H W)) f / (|f| + 1e-10) */
static val weighted(struct tape *t, val f, const double *w)
{
	struct shape s = tape_shape(t, f);
	double by[CHANNELS];
	val norm = root(t, sum_to(t, mul(t, f, f), shape4(1, s.d[1], s.d[2], 1)));

	for (int c = 0; c < s.d[3]; c++) by[c] = sqrt(w[c] / ((double)s.d[1] * s.d[2]));
	f = mul(t, f, recip(t, scale(t, norm, 1, 1e-10)));
	return mul(t, f, numbers(t, shape4(1, 1, 1, s.d[3]), by));
}

static void build(struct worker *w, struct lpips_state *s, val x)
{
	static const struct pads none;
	int taps = 0;

	for (int i = 0; i < s->kind->stages; i++) {
		const struct stage *g = &s->kind->stage[i];
		char name[32];
		snprintf(name, sizeof name, "features.%d", g->number);
		if (g->pool) x = maxpool(w->t, x, g->pool, g->pool, 2, none);
		x = folded_conv(&s->layers, x, -1, &(struct folded_layer){ name, NULL, g->k, g->k,
			g->stride, { g->pad, g->pad, g->pad, g->pad }, g->out, ACT_RELU });
		if (!g->tap) continue;
		w->tap[taps] = weighted(w->t, x, s->linear[taps]);
		keep(w->t, w->tap[taps++]);
	}
}

static int worker_open(struct worker *w, struct lpips *l)
{
	struct lpips_state *s = l->s;

	w->b = backend_new("cpu", 1);
	w->x = mem_big((size_t)l->height * (size_t)l->width * 3, sizeof *w->x,
		"input of the network");
	if (!w->b || !w->x) return -1;
	w->t = tape_new();
	folded_onto(&s->layers, w->t, w->b);
	build(w, s, leaf(w->t, shape4(1, l->height, l->width, 3), w->x));
	return folded_finish(&s->layers) ? -1 : tape_plan(w->t, w->b, true);
}

static int start(struct lpips *l, const struct tensors *weights, const struct tensors *linear)
{
	struct lpips_state *s = l->s;

	s->layers = folded_start(weights, 0);
	folded_ignore(&s->layers, "classifier");
	if (read_linear(s, linear)) return -1;
	s->workers = par_threads();
	s->worker = mem_new((size_t)s->workers, sizeof *s->worker);
	for (int i = 0; i < s->workers; i++)
		if (worker_open(&s->worker[i], l)) return -1;
	for (int k = 0; k < TAPS; k++)
		s->row += shape_count(tape_shape(s->worker->t, s->worker->tap[k]));
	return 0;
}

int lpips_from(struct lpips *l, int net, const struct tensors *weights,
	const struct tensors *linear, int height, int width)
{
	must(net >= 0 && net < (int)LEN(kinds));
	const struct kind *kind = &kinds[net];

	*l = (struct lpips){ .name = kind->name, .height = height, .width = width };
	if (height < kind->least || width < kind->least)
		return fail("lpips of %s: found pictures of %dx%d, expected at least %dx%d",
			kind->name, width, height, kind->least, kind->least);
	l->s = mem_new(1, sizeof *l->s);
	l->s->kind = kind;
	int bad = start(l, weights, linear);
	if (bad) lpips_close(l);
	return bad;
}

int lpips_open(struct lpips *l, int net, const char *weights, int height, int width)
{
	char path[PATH_MAX];
	struct tensors from, linear;

	*l = (struct lpips){ 0 };
	must(net >= 0 && net < (int)LEN(kinds));
	if (beside_find("weights", kinds[net].linear, path) || weights_open(&linear, path))
		return -1;
	int bad = weights_open(&from, weights);
	if (!bad) {
		bad = lpips_from(l, net, &from, &linear, height, width);
		tensors_close(&from);
	}
	tensors_close(&linear);
	return bad;
}

struct job {
	struct lpips *l;
	const struct image *picture;
	int n;
	float *row;                          /* [n][s->row] */
	double *sum;                         /* [n]: distances of i to all after it */
};

/* v / 127.5 - 1 in [-1,1], then (x - shift) / scale, through the network into its row. */
static void embed_one(void *ctx, int64_t i, int worker)
{
	static const double shift[3] = { -.030, -.088, -.188 }, by[3] = { .458, .448, .450 };
	struct job *j = ctx;
	struct worker *w = &j->l->s->worker[worker];
	size_t pixels = (size_t)j->l->height * (size_t)j->l->width;
	float *row = j->row + (size_t)i * j->l->s->row;

	for (size_t p = 0; p < 3 * pixels; p++)
		w->x[p] = (real)((j->picture[i].rgb[p] / 127.5 - 1 - shift[p % 3]) / by[p % 3]);
	tape_run(w->t);
	for (int k = 0; k < TAPS; k++) {
		const real *y = tape_value(w->t, w->tap[k]);
		size_t n = shape_count(tape_shape(w->t, w->tap[k]));
		for (size_t c = 0; c < n; c++) *row++ = (float)y[c];
	}
}

static void pairs_of(void *ctx, int64_t i, int worker)
{
	struct job *j = ctx;
	size_t n = j->l->s->row;
	const float *a = j->row + (size_t)i * n;

	(void)worker;
	for (int o = (int)i + 1; o < j->n; o++) {
		const float *b = j->row + (size_t)o * n;
		double d = 0;
		for (size_t c = 0; c < n; c++) d += ((double)a[c] - b[c]) * ((double)a[c] - b[c]);
		j->sum[i] += d;
	}
}

int lpips_mean(struct lpips *l, int n, const struct image *picture, double *mean)
{
	must(n >= 2 && par_threads() <= l->s->workers);
	for (int i = 0; i < n; i++)
		must(picture[i].height == l->height && picture[i].width == l->width);
	float *row = mem_big((size_t)n * l->s->row, sizeof *row, "features of pictures");
	if (!row) return -1;
	double *sum = mem_new((size_t)n, sizeof *sum), all = 0;
	struct job job = { l, picture, n, row, sum };

	par_for(n, &job, embed_one);
	par_for(n, &job, pairs_of);
	for (int i = 0; i < n; i++) all += sum[i];
	*mean = all / (0.5 * n * (n - 1.0));
	free(sum);
	free(row);
	return isfinite(*mean) ? 0 : fail("lpips of %s: a distance is not finite", l->name);
}

void lpips_close(struct lpips *l)
{
	struct lpips_state *s = l->s;

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
	*l = (struct lpips){ 0 };
}
