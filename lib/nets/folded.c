/* folded: convolutions of published networks with batch norm folded in. */
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
	return f;
}

void folded_onto(struct folded *f, struct tape *t)
{
	f->t = t;
	f->at = 0;
}

/* The values of tensor `name`.`leaf` with this shape; owned; NULL after fail(). */
static float *fetch(struct folded *f, const char *name, const char *leaf, int rank,
	const int64_t *shape)
{
	char full[128];
	snprintf(full, sizeof full, "%s.%s", name, leaf);
	const struct tensor *t = tensors_find(f->from, full);

	if (!t) {
		fail("%s: tensor %s is missing", f->from->path, full);
		return NULL;
	}
	if (t->rank != rank || memcmp(t->shape, shape, (size_t)rank * sizeof *shape)) {
		fail("%s: %s: found rank %d and sizes %lld %lld, expected rank %d and %lld %lld",
			f->from->path, full, t->rank, (long long)t->shape[0],
			(long long)t->shape[1], rank, (long long)shape[0],
			(long long)(rank > 1 ? shape[1] : 0));
		return NULL;
	}
	float *x = mem_new((size_t)t->count, sizeof *x);
	int bad = tensor_floats(t, x);
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

	for (int i = 0; i < 4 && !bad; i++) bad = !(x[i] = fetch(f, norm, leaf[i], 1, shape));
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

static real *hold(struct folded *f, size_t n)
{
	must(f->n_held < (int)LEN(f->held));
	real *p = mem_big(n, sizeof *p, "weights of a network");
	if (p) f->held[f->n_held++] = p;
	return p;
}

/* Folds one layer into two more blocks: [O][I][K][L] -> [K][L][I][O], depthwise [C][1][K][L] ->
 * [K][L][1][C]; and the bias [O]. */
static int fold(struct folded *f, const char *name, const char *norm, const int64_t shape[4])
{
	size_t out = (size_t)shape[0], depth = (size_t)shape[1];
	size_t taps = (size_t)(shape[2] * shape[3]);
	float *w = fetch(f, name, "weight", 4, shape);
	real *to = w ? hold(f, out * depth * taps) : NULL, *bias = to ? hold(f, out) : NULL;
	double *scale = mem_new(out, sizeof *scale);
	int bad = !bias || fetch_norm(f, norm, (int)out, scale, bias);

	for (size_t o = 0; o < out && !bad; o++)
		for (size_t i = 0; i < depth; i++)
			for (size_t s = 0; s < taps; s++)
				to[(s * depth + i) * out + o] =
					(real)(w[(o * depth + i) * taps + s] * scale[o]);
	free(scale);
	free(w);
	return bad ? -1 : 0;
}

val folded_conv(struct folded *f, val x, const char *name, const char *norm, int k, int stride,
	struct pads pads, int out)
{
	int in = tape_shape(f->t, x).d[3], depth = out ? in : 1, o = out ? out : in;

	if (f->at == f->n_held && fold(f, name, norm, (const int64_t[]){ o, depth, k, k }))
		return -1;
	val weight = leaf(f->t, shape4(k, k, depth, o), f->held[f->at]);
	val bias = leaf(f->t, shape4(1, 1, 1, o), f->held[f->at + 1]);
	f->at += 2;
	val y = out ? conv(f->t, x, weight, stride, pads) : dwconv(f->t, x, weight, stride, pads);
	tape_label(f->t, y, "%s", name);
	return add(f->t, y, bias);
}

static bool is_ignored(const char *name, const char *const *ignored)
{
	size_t m = strlen(name);

	for (; *ignored; ignored++) {
		size_t n = strlen(*ignored);
		bool is_end = **ignored == '.';
		if (m >= n && !strncmp(is_end ? name + m - n : name, *ignored, n)) return true;
	}
	return false;
}

int folded_finish(const struct folded *f, const char *const *ignored)
{
	for (int i = 0; i < f->from->n; i++)
		if (!f->used[i] && !is_ignored(f->from->t[i].name, ignored))
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
