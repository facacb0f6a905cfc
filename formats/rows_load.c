/* rows_load: all rows of a stream or store in memory; the interface is in rows.h. */
#include "formats/rows.h"
#include "formats/npy_rows.h"
#include "formats/safetensors.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void rows_free(struct table *t)
{
	free(t->keys);
	free(t->labels);
	free(t->data);
	*t = (struct table){ 0 };
}

static int grow_one(void *at, int64_t n, size_t size, const char *path)
{
	void **p = at, *bigger;
	size_t bytes;

	if (!mem_mul((size_t)n, size, &bytes) || !(bigger = realloc(*p, bytes ? bytes : 1)))
		return fail("%s: no memory for %lld rows of %zu bytes", path, (long long)n, size);
	*p = bigger;
	return 0;
}

static int grow(struct table *t, int64_t n, const char *path)
{
	if (grow_one(&t->keys, n, sizeof *t->keys, path)) return -1;
	if (t->info.labelled && grow_one(&t->labels, n, sizeof *t->labels, path)) return -1;
	return grow_one(&t->data, n, rows_bytes(&t->info), path);
}

static void copy(struct table *t, int64_t at, const struct block *b)
{
	size_t n = (size_t)b->n, bytes = rows_bytes(&t->info);

	memcpy(t->keys + at, b->keys, n * sizeof *b->keys);
	if (b->labels) memcpy(t->labels + at, b->labels, n * sizeof *b->labels);
	memcpy((char *)t->data + (size_t)at * bytes, b->data, n * bytes);
}

/* A stream's count is not believed before its rows have come: memory grows by half as they do. */
static int read_all(struct table *t, struct rows *r)
{
	struct block b;
	int64_t n = 0, room = rows_is_store(r) ? r->info.count : 0;
	int got;

	if (grow(t, room, rows_path(r))) return -1;
	while ((got = rows_next(r, &b)) > 0) {
		if (n + b.n > room) {
			room = n + b.n + n / 2;
			if (grow(t, room, rows_path(r))) return -1;
		}
		copy(t, n, &b);
		n += b.n;
	}
	if (got < 0) return -1;
	t->info = r->info;
	return grow(t, n, rows_path(r));
}

int rows_load(struct table *t, const char *path)
{
	struct rows r;

	int npy = npy_rows_is(path);
	if (npy > 0) return npy_rows(t, path);
	*t = (struct table){ 0 };
	if (npy < 0 || rows_open(&r, path)) return -1;
	t->info = r.info;
	int bad = read_all(t, &r);
	rows_close(&r);
	if (bad) rows_free(t);
	return bad;
}

int64_t rows_load_labels(uint32_t **labels, const char *path)
{
	struct rows r;
	struct block b;
	int64_t n = 0, room = 0;
	int got;

	*labels = NULL;
	if (rows_open(&r, path)) return -1;
	int bad = r.info.labelled ? 0 : fail("%s: rows without labels", rows_path(&r));
	while (!bad && (got = rows_next(&r, &b))) {
		bad = got < 0 ? -1 : 0;
		if (!bad && n + b.n > room) {
			room = n + b.n + n / 2;
			bad = grow_one(labels, room, sizeof **labels, path);
		}
		if (bad) break;
		memcpy(*labels + n, b.labels, (size_t)b.n * sizeof **labels);
		n += b.n;
	}
	if (!bad && !n) bad = fail("%s: no rows", rows_path(&r));
	rows_close(&r);
	if (!bad) return n;
	free(*labels);
	*labels = NULL;
	return -1;
}

static int widen(struct table *t)
{
	size_t n = (size_t)t->info.count * (size_t)t->info.width;
	const uint16_t *half = t->data;
	float *wide = mem_big(n, sizeof *wide, "features");

	if (!wide) return -1;
	for (size_t i = 0; i < n; i++) wide[i] = f16_to_f32(half[i]);
	free(t->data);
	t->data = wide;
	t->info.type = ROWS_F32;
	return 0;
}

static int finite_check(const struct table *t, const char *path)
{
	const float *x = t->data;
	int width = t->info.width;

	for (int64_t i = 0; i < t->info.count; i++)
		for (int j = 0; j < width; j++)
			if (!isfinite(x[i * width + j]))
				return fail("%s: row %lld (key %llu) is not finite: "
					"found %g at place %d", path, (long long)i,
					(unsigned long long)t->keys[i], x[i * width + j], j);
	return 0;
}

int rows_load_features(struct table *t, const char *path)
{
	if (rows_load(t, path)) return -1;
	if (t->info.type != ROWS_F32 && t->info.type != ROWS_F16)
		fail("%s: found rows of kind %s, expected features (f32 or f16)", path,
			t->info.kind);
	else if ((t->info.type == ROWS_F32 || !widen(t)) && !finite_check(t, path))
		return 0;
	rows_free(t);
	return -1;
}
