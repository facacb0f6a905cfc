/* safetensors: the reader: u64 header length, a JSON object of name -> {dtype, shape,
 * data_offsets}, then the data, which the tensors tile without hole or overlap. */
#include "formats/safetensors.h"
#include "formats/json.h"
#include "formats/map.h"
#include "lib/base/fail.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_MAX = 100000000, RANK_MAX = (int)LEN(((struct tensor *)0)->shape) };

struct reader {
	struct json j;
	struct tensors *to;
	const char *base;                    /* start of the data */
	size_t data_bytes;
	int room, meta_room;
};

static int bad_json(const struct reader *r, const char *expected)
{
	size_t at = (size_t)(r->j.p - (const char *)r->to->map);
	return fail("%s: byte %zu of the header: expected %s", r->to->path, at, expected);
}

/* "__metadata__": { string: string, ... } */
static int read_meta(struct reader *r)
{
	struct tensors *t = r->to;

	if (!json_take(&r->j, '{')) return bad_json(r, "an object of metadata");
	if (json_take(&r->j, '}')) return 0;
	do {
		if (t->n_meta == r->meta_room) {
			r->meta_room = 2 * r->meta_room + 8;
			t->meta = mem_grow(t->meta, (size_t)r->meta_room, sizeof *t->meta);
		}
		char *name = json_string(&r->j);
		if (!name) return bad_json(r, "a metadata name");
		t->meta[t->n_meta].name = name;
		t->meta[t->n_meta++].value = NULL;
		if (!json_take(&r->j, ':')) return bad_json(r, "':'");
		if (!(t->meta[t->n_meta - 1].value = json_string(&r->j)))
			return bad_json(r, "text as metadata value");
	} while (json_take(&r->j, ','));
	return json_take(&r->j, '}') ? 0 : bad_json(r, "',' or '}' after metadata");
}

/* [a, b, ...] of at most max counts: how many, or -1. */
static int read_counts(struct reader *r, int64_t *to, int max)
{
	int n = 0;

	if (!json_take(&r->j, '[')) return bad_json(r, "'['");
	if (json_take(&r->j, ']')) return 0;
	do {
		if (n == max) return fail("%s: a list has more than %d numbers", r->to->path, max);
		if (!json_count(&r->j, &to[n++])) return bad_json(r, "an integer of 0..2^63-1");
	} while (json_take(&r->j, ','));
	return json_take(&r->j, ']') ? n : bad_json(r, "',' or ']'");
}

static int read_dtype(struct reader *r, struct tensor *t)
{
	char *text = json_string(&r->j);

	if (!text) return bad_json(r, "the name of an element type");
	for (int i = DT_F32; i <= DT_U64; i++)
		if (!strcmp(text, dtype_name((enum dtype)i))) t->type = (enum dtype)i;
	int bad = !t->type;
	if (bad) fail("%s: %s: element type %.20s is not known here", r->to->path, t->name, text);
	free(text);
	return bad ? -1 : 0;
}

/* Offsets against shape and file: end - begin = product(shape) * size, inside the data. */
static int place(struct reader *r, struct tensor *t, const int64_t at[2])
{
	size_t bytes = dtype_size(t->type);

	for (int i = 0; i < t->rank; i++)
		if (!mem_mul(bytes, (size_t)t->shape[i], &bytes) || bytes > INT64_MAX)
			return fail("%s: %s: no file is as large as this shape", r->to->path,
				t->name);
	if (at[0] > at[1] || (uint64_t)at[1] > r->data_bytes)
		return fail("%s: %s: found bytes %lld..%lld of data, expected them inside 0..%zu",
			r->to->path, t->name, (long long)at[0], (long long)at[1], r->data_bytes);
	if ((size_t)(at[1] - at[0]) != bytes)
		return fail("%s: %s: found %lld bytes, expected %zu by its shape and type",
			r->to->path, t->name, (long long)(at[1] - at[0]), bytes);
	t->count = (int64_t)(bytes / dtype_size(t->type));
	t->data = r->base + at[0];
	return 0;
}

enum { HAS_DTYPE = 1, HAS_SHAPE = 2, HAS_OFFSETS = 4, HAS_ALL = 7 };

/* One field of a tensor's object: which it was, or -1. */
static int read_field(struct reader *r, struct tensor *t, int64_t at[2])
{
	char *field = json_string(&r->j);

	if (!field || !json_take(&r->j, ':')) {
		free(field);
		return bad_json(r, "a field of a tensor");
	}
	int which = !strcmp(field, "dtype") ? HAS_DTYPE : !strcmp(field, "shape") ? HAS_SHAPE :
		!strcmp(field, "data_offsets") ? HAS_OFFSETS : 0;
	if (!which)
		fail("%s: %s: found field %.20s, expected dtype, shape, data_offsets", r->to->path,
			t->name, field);
	free(field);
	switch (which) {
	case HAS_DTYPE:
		return read_dtype(r, t) ? -1 : which;
	case HAS_SHAPE:
		t->rank = read_counts(r, t->shape, RANK_MAX);
		return t->rank < 0 ? -1 : which;
	case HAS_OFFSETS: ;
		int n = read_counts(r, at, 2);
		if (n == 0 || n == 1)
			fail("%s: %s: found %d data_offsets, expected 2", r->to->path, t->name, n);
		return n == 2 ? which : -1;
	}
	return -1;
}

/* { "dtype": ..., "shape": [...], "data_offsets": [begin, end] } in any order, each once. */
static int read_tensor(struct reader *r, struct tensor *t)
{
	int64_t at[2];
	int seen = 0;

	if (!json_take(&r->j, '{')) return bad_json(r, "an object for a tensor");
	do {
		int which = read_field(r, t, at);
		if (which < 0) return -1;
		if (seen & which)
			return fail("%s: %s: a field is given twice", r->to->path, t->name);
		seen |= which;
	} while (json_take(&r->j, ','));
	if (!json_take(&r->j, '}')) return bad_json(r, "',' or '}' after a field");
	if (seen != HAS_ALL)
		return fail("%s: %s: a field is missing of dtype, shape, data_offsets", r->to->path,
			t->name);
	return place(r, t, at);
}

static int read_header(struct reader *r)
{
	struct tensors *t = r->to;
	bool meta_seen = false;

	if (r->j.p == r->j.end || *r->j.p != '{') return bad_json(r, "'{' as the first byte");
	r->j.p++;
	if (json_take(&r->j, '}')) return json_end(&r->j) ? 0 : bad_json(r, "the end");
	do {
		char *name = json_string(&r->j);
		bool meta = name && !strcmp(name, "__metadata__");
		if (!name || !json_take(&r->j, ':') || (meta && meta_seen)) {
			free(name);
			return bad_json(r, "a new name and ':'");
		}
		if (meta) {
			free(name);
			meta_seen = true;
			if (read_meta(r)) return -1;
			continue;
		}
		if (t->n == r->room) {
			r->room = 2 * r->room + 64;
			t->t = mem_grow(t->t, (size_t)r->room, sizeof *t->t);
		}
		t->t[t->n] = (struct tensor){ .name = name };
		if (read_tensor(r, &t->t[t->n++])) return -1;
	} while (json_take(&r->j, ','));
	if (!json_take(&r->j, '}')) return bad_json(r, "',' or '}' after a tensor");
	return json_end(&r->j) ? 0 : bad_json(r, "the end of the header");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int tensors_unique(const struct tensors *t, const char *path, bool meta)
{
	int n = meta ? t->n_meta : t->n;
	const char **names = mem_new((size_t)n, sizeof *names);
	int bad = 0;

	for (int i = 0; i < n; i++) names[i] = meta ? t->meta[i].name : t->t[i].name;
	if (n) qsort(names, (size_t)n, sizeof *names, by_name);
	for (int i = 1; i < n && !bad; i++)
		if (!strcmp(names[i - 1], names[i]))
			bad = fail("%s: the name %.200s is given twice", path, names[i]);
	free(names);
	return bad;
}

static size_t bytes_of(const struct tensor *t)
{
	return (size_t)t->count * dtype_size(t->type);
}

/* By place; empty tensors before the one that begins where they lie. */
static int by_place(const void *a, const void *b)
{
	const struct tensor *s = a, *t = b;

	if (s->data != t->data) return (const char *)s->data < (const char *)t->data ? -1 : 1;
	if (bytes_of(s) != bytes_of(t)) return bytes_of(s) < bytes_of(t) ? -1 : 1;
	return strcmp(s->name, t->name);
}

static int check_tiling(const struct tensors *t, const char *base, size_t bytes)
{
	const char *at = base;

	for (int i = 0; i < t->n; i++) {
		if ((const char *)t->t[i].data != at)
			return fail("%s: %s: found at byte %zu of the data, expected at %zu",
				t->path, t->t[i].name, (size_t)((const char *)t->t[i].data - base),
				(size_t)(at - base));
		at += bytes_of(&t->t[i]);
	}
	if ((size_t)(at - base) != bytes)
		return fail("%s: found %zu bytes of data, expected %zu by the header", t->path,
			bytes, (size_t)(at - base));
	return 0;
}

static int parse(struct tensors *t)
{
	uint64_t n;

	memcpy(&n, t->map, 8);
	if (n > HEADER_MAX || n > t->map_bytes - 8)
		return fail("%s: found a header of %llu bytes in a file of %zu", t->path,
			(unsigned long long)n, t->map_bytes);
	const char *head = (const char *)t->map + 8, *base = head + n;
	struct reader r = { { head, base }, t, base, t->map_bytes - 8 - n, 0, 0 };
	if (read_header(&r) || tensors_unique(t, t->path, false) ||
	    tensors_unique(t, t->path, true))
		return -1;
	if (t->n) qsort(t->t, (size_t)t->n, sizeof *t->t, by_place);
	return check_tiling(t, base, r.data_bytes);
}

int tensors_open(struct tensors *t, const char *path)
{
	struct map m;

	*t = (struct tensors){ 0 };
	if (map_open(&m, path, 8)) return -1;
	t->path = mem_text("%s", path);
	t->map = m.p;
	t->map_bytes = m.bytes;
	if (!parse(t)) return 0;
	tensors_close(t);
	return -1;
}

const struct tensor *tensors_find(const struct tensors *t, const char *name)
{
	for (int i = 0; i < t->n; i++)
		if (!strcmp(t->t[i].name, name)) return &t->t[i];
	return NULL;
}

const char *tensors_meta(const struct tensors *t, const char *name)
{
	for (int i = 0; i < t->n_meta; i++)
		if (!strcmp(t->meta[i].name, name)) return t->meta[i].value;
	return NULL;
}

uint64_t tensors_id(const struct tensors *t)
{
	static const char *const names[] = { "step", "seed", "images", "features", "neighbours",
					     "options", "returns", "return_from", "return_to" };
	const char *format = tensors_meta(t, "format");
	struct hash h;

	if (!format || strncmp(format, "ic-ckpt ", 8)) return 0;
	hash_start(&h);
	for (size_t i = 0; i < LEN(names); i++) {
		const char *value = tensors_meta(t, names[i]);
		if (value) hash_add(&h, names[i], strlen(names[i]) + 1);
		if (value) hash_add(&h, value, strlen(value) + 1);
	}
	return hash_end(&h);
}

void tensors_own(struct tensors *t, void *data)
{
	t->owned = mem_grow(t->owned, (size_t)t->n_owned + 1, sizeof *t->owned);
	t->owned[t->n_owned++] = data;
}

void tensors_close(struct tensors *t)
{
	for (int i = 0; i < t->n_owned; i++) free(t->owned[i]);
	free(t->owned);
	for (int i = 0; i < t->n; i++) free(t->t[i].name);
	for (int i = 0; i < t->n_meta; i++) {
		free(t->meta[i].name);
		free(t->meta[i].value);
	}
	free(t->t);
	free(t->meta);
	free(t->path);
	map_close(&(struct map){ t->map, t->map_bytes });
	*t = (struct tensors){ 0 };
}
