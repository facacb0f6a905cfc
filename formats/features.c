/* features: positions instead of blocks over a row store's map, or over a row stream held in
 * memory. */
#include "formats/features.h"
#include "formats/frame.h"
#include "formats/npy_rows.h"
#include "formats/safetensors.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int type_check(const struct rows *r)
{
	if (r->info.type == ROWS_F32 || r->info.type == ROWS_F16) return 0;
	return fail("%s: found rows of kind %s, expected features (f32 or f16)", rows_path(r),
		    r->info.kind);
}

/* Keys and labels of a store, which are needed at random while its rows stay on disk, and where
 * these begin. */
static int read_keys(struct features *f)
{
	struct block b;
	int64_t n = 0, blocks = 0;
	int got;

	f->keys = mem_big((size_t)f->info.count, sizeof *f->keys, "keys");
	if (f->info.labelled)
		f->labels = mem_big((size_t)f->info.count, sizeof *f->labels, "labels");
	if (!f->keys || (f->info.labelled && !f->labels)) return -1;
	f->block = mem_new((size_t)(f->info.count / frame_rows(&f->info) + 1), sizeof *f->block);
	while ((got = rows_next(&f->rows, &b)) > 0) {
		memcpy(f->keys + n, b.keys, (size_t)b.n * sizeof *f->keys);
		if (f->labels) memcpy(f->labels + n, b.labels, (size_t)b.n * sizeof *f->labels);
		f->block[blocks++] = b.data;
		n += b.n;
	}
	return got;
}

/* 1 a store, left open; 0 something else, -1 failed.  A pipe is not touched: what is read from it
 * is gone. */
static int open_store(struct features *f, const char *path)
{
	struct stat st;

	if (!strcmp(path, "-")) return 0;
	if (stat(path, &st)) return fail("%s:", path);
	if (!S_ISREG(st.st_mode)) return 0;
	int npy = npy_rows_is(path);
	if (npy) return npy < 0 ? -1 : 0;
	if (rows_open(&f->rows, path)) return -1;
	if (rows_is_store(&f->rows)) return 1;
	rows_close(&f->rows);
	return 0;
}

int features_open(struct features *f, const char *path)
{
	*f = (struct features){ .info.count = 0 };
	int store = open_store(f, path);
	if (store > 0) {
		f->info = f->rows.info;
		if (!type_check(&f->rows) && !read_keys(f)) return 0;
	} else if (!store && !rows_load_features(&f->table, path)) {
		f->info = f->table.info;
		f->keys = f->table.keys;
		f->labels = f->info.labelled ? f->table.labels : NULL;
		return 0;
	}
	features_close(f);
	return -1;
}

void features_close(struct features *f)
{
	if (!f->table.keys) {
		free(f->keys);
		free(f->labels);
	}
	free(f->block);
	rows_free(&f->table);
	rows_close(&f->rows);
	*f = (struct features){ .info.count = 0 };
}

const void *features_row(const struct features *f, int64_t i)
{
	int per = frame_rows(&f->info);
	size_t bytes = rows_bytes(&f->info);

	if (f->table.data) return (const char *)f->table.data + (size_t)i * bytes;
	return f->block[i / per] + (size_t)(i % per) * bytes;
}

void features_get(const struct features *f, int64_t first, int n, float *to)
{
	size_t width = (size_t)f->info.width;

	for (int i = 0; i < n; i++, to += width) {
		const void *row = features_row(f, first + i);
		const uint16_t *half = row;
		if (f->info.type == ROWS_F32) memcpy(to, row, width * sizeof *to);
		else for (size_t j = 0; j < width; j++) to[j] = f16_to_f32(half[j]);
	}
}

/* The first of the fields that both tell of and that differs; NULL when there is none. */
static const char *differing(const struct rows_info *a, const struct rows_info *b,
	const char *const *field, char x[256], char y[256])
{
	for (; *field; field++)
		if (rows_meta(a, *field, x, 256) && rows_meta(b, *field, y, 256) && strcmp(x, y))
			return *field;
	return NULL;
}

int features_alike(const char *name, const struct rows_info *a, const char *other_name,
	const struct rows_info *b)
{
	static const char *const extractor[] = { "net", "weights", "protocol", "layer", NULL };
	char x[256], y[256];

	if (a->width != b->width)
		return fail("%s: rows of %d, expected %d as in %s", name, a->width, b->width,
			other_name);
	const char *field = differing(a, b, extractor, x, y);
	return !field ? 0 : fail("%s: made by another extractor: %s %s, expected %s as in %s",
		name, field, x, y, other_name);
}

int features_handled_alike(const char *name, const struct rows_info *a, const char *other_name,
	const struct rows_info *b)
{
	static const char *const handling[] = { "side", "crop", "filter", "alpha", "orient", NULL };
	char x[256], y[256];
	const char *field = differing(a, b, handling, x, y);

	return !field ? 0 : fail("%s: of pictures handled in another way: %s %s, expected %s as "
		"in %s", name, field, x, y, other_name);
}
