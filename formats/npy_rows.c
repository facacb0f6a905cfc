/* npy_rows: feature rows, or keys of rows, out of an npy file. */
#include "formats/npy_rows.h"
#include "formats/frame.h"
#include "formats/known.h"
#include "formats/weights.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <stdlib.h>
#include <string.h>

int npy_rows_is(const char *path)
{
	unsigned char first[KNOWN_BYTES];
	int n = known_first(path, first);

	return n < 0 ? -1 : n >= 6 && !memcmp(first, "\x93NUMPY", 6);
}

/* The whole numbers of a tensor that lie in 0..most; NULL after fail(). */
static int64_t *numbers(const char *path, const struct tensor *x, int64_t most)
{
	int64_t *v = mem_big((size_t)x->count, sizeof *v, path);
	int bad = !v || tensor_ints(path, x, v);

	for (int64_t i = 0; i < x->count && !bad; i++)
		if (v[i] < 0 || v[i] > most)
			bad = fail("%s: %s: found %lld at place %lld, expected 0 to %lld", path,
				x->name, (long long)v[i], (long long)i, (long long)most);
	if (!bad) return v;
	free(v);
	return NULL;
}

static int take_labels(struct table *t, const char *path, const struct tensor *x)
{
	if (x->count != t->info.count)
		return fail("%s: found %lld labels of %lld rows", path, (long long)x->count,
			(long long)t->info.count);
	int64_t *v = numbers(path, x, UINT32_MAX);
	if (!v) return -1;
	t->labels = mem_new((size_t)x->count, sizeof *t->labels);
	for (int64_t i = 0; i < x->count; i++) t->labels[i] = (uint32_t)v[i];
	t->info.labelled = true;
	free(v);
	return 0;
}

static int take_rows(struct table *t, const char *path, const struct tensors *from)
{
	const struct tensor *x = tensors_find(from, "instance_features"),
		*labels = tensors_find(from, "labels");
	struct hash hash;

	if (!x) x = tensors_find(from, "");
	if (!x) return fail("%s: found keys of rows, expected rows", path);
	if (x->rank != 2 || x->shape[1] > INT32_MAX)
		return fail("%s: found an array of %d axes, expected two: rows and their width",
			path, x->rank);
	t->info = (struct rows_info){ .kind = "features", .type = ROWS_F32,
		.width = (int)x->shape[1], .count = x->shape[0] };
	if (frame_check(path, &t->info)) return -1;
	t->keys = mem_big((size_t)t->info.count, sizeof *t->keys, path);
	t->data = mem_big((size_t)x->count, sizeof(float), path);
	if (!t->keys || !t->data || tensor_floats(path, x, t->data)) return -1;
	for (int64_t i = 0; i < t->info.count; i++) t->keys[i] = (uint64_t)i;
	if (labels && take_labels(t, path, labels)) return -1;
	hash_start(&hash);
	for (int64_t i = 0; i < t->info.count; i++)
		frame_hash(&hash, &t->info, &(struct block){ 1, t->keys + i,
			labels ? t->labels + i : NULL,
			(const float *)t->data + i * t->info.width });
	t->info.id = hash_end(&hash);
	return 0;
}

int npy_rows(struct table *t, const char *path)
{
	struct tensors from;

	*t = (struct table){ 0 };
	if (weights_open(&from, path)) return -1;
	int bad = take_rows(t, path, &from);
	tensors_close(&from);
	if (bad) rows_free(t);
	return bad;
}

int64_t npy_rows_keys(const char *path, uint64_t **keys)
{
	struct tensors from;

	*keys = NULL;
	if (weights_open(&from, path)) return -1;
	const struct tensor *x = tensors_find(&from, "center_examples");
	int64_t n = x ? x->count : fail("%s: found no center_examples", path);
	int64_t *v = x ? numbers(path, x, INT64_MAX) : NULL;
	if (v) *keys = (uint64_t *)v;
	tensors_close(&from);
	return v ? n : -1;
}
