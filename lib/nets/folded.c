/* folded: layers of published networks with norms and gains folded in. */
#include "lib/nets/folded.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct folded folded_start(const struct tensors *from, double eps)
{
	struct folded f = { .from = from, .eps = eps };
	f.used = mem_new((size_t)from->n, sizeof *f.used);
	hash_start(&f.hash);
	folded_ignore(&f, ".num_batches_tracked");
	return f;
}

void folded_onto(struct folded *f, struct tape *t, struct backend *b)
{
	f->t = t;
	f->second = NULL;
	f->b = b;
	f->at = 0;
}

val folded_later(struct folded *f, val x, int batch)
{
	struct shape s = tape_shape(f->t, x);

	if (!f->second) return x;
	s.d[0] = batch;
	f->cut = x;
	f->t = f->second;
	return f->joint = leaf(f->t, s, NULL);
}

enum { NAME = 128 };

static const char *join(char full[NAME], const char *name, const char *leaf)
{
	snprintf(full, NAME, "%s.%s", name, leaf);
	return full;
}

/* "[64,3,7,7]" */
static const char *shape_text(int rank, const int64_t *shape, char text[160])
{
	int n = snprintf(text, 160, "[");

	for (int i = 0; i < rank; i++)
		n += snprintf(text + n, 160 - (size_t)n, "%s%lld", i ? "," : "",
			(long long)shape[i]);
	snprintf(text + n, 160 - (size_t)n, "]");
	return text;
}

/* The values of tensor `full` with this shape; owned; NULL after fail(). */
static float *fetch(struct folded *f, const char *full, int rank, const int64_t *shape)
{
	char found[160], expected[160];
	const struct tensor *t = tensors_find(f->from, full);

	if (!t) {
		fail("%s: tensor %s is missing", f->from->path, full);
		return NULL;
	}
	if (t->rank != rank || memcmp(t->shape, shape, (size_t)rank * sizeof *shape)) {
		fail("%s: %s: found %s, expected %s", f->from->path, full,
			shape_text(t->rank, t->shape, found), shape_text(rank, shape, expected));
		return NULL;
	}
	float *x = mem_new((size_t)t->count, sizeof *x);
	int bad = tensor_floats(f->from->path, t, x);
	for (int64_t i = 0; i < t->count && !bad; i++)
		if (!isfinite(x[i]))
			bad = fail("%s: %s: element %lld is not finite", f->from->path, full,
				(long long)i);
	if (bad) {
		free(x);
		return NULL;
	}
	hash_add(&f->hash, x, (size_t)t->count * sizeof *x);
	f->used[t - f->from->t] = true;
	return x;
}

/* scale[c] = gamma / sqrt(var + eps), bias[c] = beta - mean * scale. */
static int fetch_norm(struct folded *f, const char *norm, int channels, double *scale, real *bias)
{
	static const char *const leaf[4] = { "weight", "bias", "running_mean", "running_var" };
	const int64_t shape[1] = { channels };
	float *x[4] = { 0 };
	int bad = 0;
	char name[NAME];

	for (int i = 0; i < 4 && !bad; i++)
		bad = !(x[i] = fetch(f, join(name, norm, leaf[i]), 1, shape));
	for (int c = 0; c < channels && !bad; c++) {
		if (x[3][c] < 0)
			bad = fail("%s: %s.running_var: element %d is negative", f->from->path,
				norm, c);
		scale[c] = x[0][c] / sqrt(x[3][c] + f->eps);
		bias[c] = (real)(x[1][c] - x[2][c] * scale[c]);
	}
	for (int i = 0; i < 4; i++) free(x[i]);
	return bad ? -1 : 0;
}

/* scale[c] = gain, or 1 where there is none; bias[c] = bias * scale, or 0. */
static int fetch_bias(struct folded *f, const char *bias_name, const char *gain_name, int channels,
	double *scale, real *bias)
{
	const int64_t shape[1] = { channels };
	float *x = bias_name ? fetch(f, bias_name, 1, shape) : NULL;
	float *gain = gain_name && (x || !bias_name) ? fetch(f, gain_name, 1, shape) : NULL;
	int bad = (bias_name && !x) || (gain_name && !gain);

	for (int c = 0; c < channels && !bad; c++) {
		scale[c] = gain ? gain[c] : 1;
		bias[c] = x ? (real)(x[c] * scale[c]) : 0;
	}
	free(gain);
	free(x);
	return bad ? -1 : 0;
}

static real *weights(size_t n)
{
	return mem_big(n, sizeof(real), "weights of a network");
}

static real *hold(struct folded *f, size_t n)
{
	must(f->n_held < (int)LEN(f->held));
	real *p = weights(n);
	if (p) f->held[f->n_held++] = p;
	return p;
}

/* to[t][i][o] = scale[o] w[o][i][t], n = i taps + t; a few o together, which fill cache lines. */
static void transpose(real *to, const float *w, const double *scale, size_t out, size_t n,
	size_t taps)
{
	enum { TOGETHER = 16 };

	for (size_t from = 0; from < out; from += TOGETHER) {
		size_t end = from + TOGETHER < out ? from + TOGETHER : out;
		for (size_t k = 0; k < n; k++) {
			real *row = to + (k % taps * (n / taps) + k / taps) * out;
			for (size_t o = from; o < end; o++)
				row[o] = (real)(w[o * n + k] * scale[o]);
		}
	}
}

/* How the weights of a layer lie in the file, and what is folded into them. */
struct source { const char *weight, *norm, *bias, *gain; int rank; int64_t shape[4]; };

/* Folds one layer into two more blocks: [O][I][K][L] -> [K][L][I][O], depthwise [C][1][K][L] ->
 * [K][L][1][C], dense [O][I] -> [I][O]; and the bias [O]. */
static int fold(struct folded *f, const struct source *s)
{
	size_t out = (size_t)s->shape[0], depth = (size_t)s->shape[1];
	size_t taps = s->rank == 4 ? (size_t)(s->shape[2] * s->shape[3]) : 1;
	float *w = fetch(f, s->weight, s->rank, s->shape);
	real *to = w ? hold(f, out * depth * taps) : NULL, *bias = to ? hold(f, out) : NULL;
	double *scale = mem_new(out, sizeof *scale);
	int bad = !bias || (s->norm ? fetch_norm(f, s->norm, (int)out, scale, bias) :
		fetch_bias(f, s->bias, s->gain, (int)out, scale, bias));

	if (!bad) transpose(to, w, scale, out, depth * taps, taps);
	free(scale);
	free(w);
	return bad ? -1 : 0;
}

/* Leaves for the weights [k,l,depth,out] and bias of the next layer; without memory once the
 * network has failed, which lets it be built to its end.  Whether they had to be folded. */
static bool leaves(struct folded *f, const struct source *s, struct shape shape, val leaf_of[2])
{
	bool fresh = f->at == f->n_held;

	if (fresh && !f->failed) f->failed = fold(f, s);
	leaf_of[0] = weight(f->t, shape, f->failed ? NULL : f->held[f->at]);
	leaf_of[1] = weight(f->t, shape4(1, 1, 1, shape.d[3]),
			    f->failed ? NULL : f->held[f->at + 1]);
	f->at += 2;
	return fresh;
}

/* The weights of the convolution y, the last layer, packed in the place of the folded ones. */
static void pack(struct folded *f, val y, bool fresh)
{
	size_t n = f->failed ? 0 : tape_packed(f->t, f->b, y);
	real **w = &f->held[f->at - 2], *raw = *w;

	if (!n) return;
	if (fresh && !(*w = weights(n))) f->failed = true;
	else tape_pack(f->t, f->b, y, fresh ? raw : NULL, *w);
	if (fresh) free(raw);
}

val folded_conv(struct folded *f, val x, val more, const struct folded_layer *c)
{
	static const struct { double lo, hi; } bounds[] = {
		[ACT_NONE] = { -INFINITY, INFINITY }, [ACT_RELU] = { 0, INFINITY },
		[ACT_RELU6] = { 0, 6 },
	};
	int in = tape_shape(f->t, x).d[3], depth = c->out ? in : 1, out = c->out ? c->out : in;
	double lo = bounds[c->act].lo, hi = bounds[c->act].hi;
	char weight[NAME], bias[NAME];
	bool plain = c->norm && !*c->norm;
	struct source s = { join(weight, c->name, "weight"), plain ? NULL : c->norm,
		c->norm ? NULL : join(bias, c->name, "bias"), NULL, 4,
		{ out, depth, c->k, c->l } };
	val w[2], y;

	must(c->out || more < 0);
	bool fresh = leaves(f, &s, shape4(c->k, c->l, depth, out), w);
	y = c->out ? conv_act(f->t, x, w[0], w[1], more, c->stride, c->pads, lo, hi) :
		dwconv_act(f->t, x, w[0], w[1], c->stride, c->pads, lo, hi);
	if (c->out) pack(f, y, fresh);
	tape_label(f->t, y, "%s", c->name);
	return y;
}

val folded_linear(struct folded *f, val x, val more, const struct folded_linear *d)
{
	static const struct pads none;
	int in = tape_shape(f->t, x).d[3];
	struct source s = { d->weight, NULL, d->bias, d->gain, 2, { d->out, in } };
	val w[2];

	bool fresh = leaves(f, &s, shape4(1, 1, in, d->out), w);
	val y = conv_act(f->t, x, w[0], w[1], more, 1, none, -INFINITY, INFINITY);
	pack(f, y, fresh);
	tape_label(f->t, y, "%s", d->weight);
	return y;
}

val folded_dense(struct folded *f, val x, const char *name, int out, bool biased)
{
	char weight[NAME], bias[NAME];

	return folded_linear(f, x, -1, &(struct folded_linear){ join(weight, name, "weight"),
		biased ? join(bias, name, "bias") : NULL, NULL, out });
}

val folded_values(struct folded *f, const char *name, int rank, const int64_t *shape,
	struct shape as, folded_make *make)
{
	if (f->at == f->n_held && !f->failed) {
		float *x = fetch(f, name, rank, shape);
		real *to = x ? hold(f, shape_count(as)) : NULL;
		f->failed = !to;
		if (to && make) make(x, to);
		else if (to) for (size_t i = 0; i < shape_count(as); i++) to[i] = (real)x[i];
		free(x);
	}
	return weight(f->t, as, f->failed ? NULL : f->held[f->at++]);
}

val folded_mean(struct folded *f, val x)
{
	struct shape s = tape_shape(f->t, x);
	x = sum_to(f->t, x, shape4(s.d[0], 1, 1, s.d[3]));
	return scale(f->t, x, 1.0 / (s.d[1] * s.d[2]), 0);
}

void folded_ignore(struct folded *f, const char *part)
{
	for (int i = 0; i < f->n_ignored; i++)
		if (!strcmp(f->ignored[i], part)) return;
	must(f->n_ignored < (int)LEN(f->ignored));
	f->ignored[f->n_ignored++] = part;
}

static bool is_ignored(const struct folded *f, const char *name)
{
	size_t m = strlen(name);

	for (int i = 0; i < f->n_ignored; i++) {
		size_t n = strlen(f->ignored[i]);
		const char *part = f->ignored[i];
		if (*part == '.' ? m >= n && !strcmp(name + m - n, part) :
			!strncmp(name, part, n) && (name[n] == '.' || !name[n])) return true;
	}
	return false;
}

int folded_finish(const struct folded *f)
{
	if (f->failed) return -1;
	for (int i = 0; i < f->from->n; i++)
		if (!f->used[i] && !is_ignored(f, f->from->t[i].name))
			return fail("%s: found tensor %s, which this network does not have",
				f->from->path, f->from->t[i].name);
	return 0;
}

void folded_free(struct folded *f)
{
	for (int i = 0; i < f->n_held; i++) free(f->held[i]);
	free(f->used);
	*f = (struct folded){ 0 };
}
