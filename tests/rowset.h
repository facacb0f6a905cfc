/* rowset: sets of rows for the tests of formats: files written, read back and compared. */
#ifndef IC_ROWSET_H
#define IC_ROWSET_H

#include "formats/rows.h"
#include "formats/safetensors.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

/* A path in the test's directory; the same text for the same name, until the end. */
UNUSED static char *temp(const char *name)
{
	static char text[32][512];
	char path[512];
	const char *dir = getenv("TMP");
	int i = 0;

	snprintf(path, sizeof path, "%s/%s", dir ? dir : "/tmp", name);
	while (*text[i] && strcmp(text[i], path)) must(++i < 32);
	return strcpy(text[i], path);
}

/* A file's bytes; *n its size.  NULL when it cannot be read. */
UNUSED static unsigned char *slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	struct stat st;

	*n = 0;
	if (!f || fstat(fileno(f), &st)) return NULL;
	unsigned char *p = mem_new((size_t)st.st_size, 1);
	*n = fread(p, 1, (size_t)st.st_size, f);
	fclose(f);
	return p;
}

UNUSED static void spill(const char *path, const void *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");

	must(f && fwrite(bytes, 1, n, f) == n);
	must(!fclose(f));
}

UNUSED static bool same_file(const char *a, const char *b)
{
	size_t n = 0, m = 0;
	unsigned char *p = slurp(a, &n), *q = slurp(b, &m);
	bool same = p && q && n == m && !memcmp(p, q, n);

	free(p);
	free(q);
	return same;
}

UNUSED static bool says(const char *text)
{
	bool good = strstr(why(), text);
	if (!good) printf("# said: %s\n", why());
	return good;
}

/* Standard output goes to a file while a stream is written there. */
UNUSED static int redirect(const char *path)
{
	fflush(stdout);
	int saved = dup(1), fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	must(saved >= 0 && fd >= 0 && dup2(fd, 1) == 1);
	close(fd);
	return saved;
}

UNUSED static void restore(int saved)
{
	fflush(stdout);
	must(dup2(saved, 1) == 1);
	close(saved);
}

/* Row i of a set: bytes that are sound numbers of any type. */
UNUSED static void row_fill(void *row, const struct rows_info *r, int64_t i)
{
	for (int j = 0; j < r->width; j++) {
		uint32_t x = (uint32_t)(i * 31 + j * 7 + 1);
		if (r->type == ROWS_U8) ((uint8_t *)row)[j] = (uint8_t)x;
		else if (r->type == ROWS_F16)
			((uint16_t *)row)[j] = f32_to_f16((float)(x % 512) / 8);
		else if (r->type == ROWS_F32) ((float *)row)[j] = (float)x / 8;
		else ((uint32_t *)row)[j] = x;
		if (r->type == ROWS_NEAR) ((float *)row)[r->width + j] = (float)x / 16;
	}
}

UNUSED static uint64_t key_of(int64_t i)
{
	return (uint64_t)i * 3 + 5;
}

/* Rows from `at` up to n, then the seal when `seal`. */
UNUSED static int fill(struct rows *r, int64_t at, int64_t n, bool seal)
{
	void *row = mem_new(1, rows_bytes(&r->info));
	int bad = 0;

	for (int64_t i = at; i < n && !bad; i++) {
		row_fill(row, &r->info, i);
		bad = rows_put(r, key_of(i), (uint32_t)i % 10, row);
	}
	free(row);
	return bad || (seal && rows_seal(r)) ? -1 : 0;
}

UNUSED static int write_store(const char *path, const struct rows_info *info, int64_t n,
	uint64_t *id)
{
	struct rows r;

	if (rows_create(&r, path, info, true, NULL)) return -1;
	int bad = fill(&r, 0, n, true);
	if (id) *id = r.info.id;
	rows_close(&r);
	return bad;
}

UNUSED static int write_stream(const char *path, const struct rows_info *info, int64_t n,
	uint64_t *id)
{
	int saved = redirect(path), bad = write_store("-", info, n, id);

	restore(saved);
	return bad;
}

UNUSED static struct rows_info info_of(enum rows_type type, int width, bool labelled)
{
	struct rows_info r = { .kind = "features", .type = type, .width = width,
		.labelled = labelled, .count = -1, .from = 0x0123456789abcdef };

	rows_meta_add(&r, "net", "lite");
	return r;
}

/* Everything that can be read of rows as fill() writes them. */
UNUSED static bool holds(const char *path, const struct rows_info *info, int64_t n,
	uint64_t id)
{
	struct table t;
	void *row = mem_new(1, rows_bytes(info));
	size_t bytes = rows_bytes(info);

	if (rows_load(&t, path)) {
		printf("# %s\n", why());
		free(row);
		return false;
	}
	bool good = t.info.count == n && t.info.id == id && t.info.from == info->from &&
		t.info.type == info->type && t.info.labelled == info->labelled &&
		!strcmp(t.info.meta, info->meta) && !strcmp(t.info.kind, info->kind);
	for (int64_t i = 0; i < n && good; i++) {
		row_fill(row, info, i);
		good = t.keys[i] == key_of(i) && (!info->labelled || t.labels[i] == i % 10) &&
			!memcmp((char *)t.data + (size_t)i * bytes, row, bytes);
	}
	rows_free(&t);
	free(row);
	return good;
}

/* The id by its definition. */
UNUSED static uint64_t id_of(const struct rows_info *info, int64_t n)
{
	size_t bytes = rows_bytes(info), each = 8 + (info->labelled ? 4 : 0) + bytes;
	unsigned char *all = mem_new((size_t)n, each), *p = all, *row = mem_new(1, bytes);

	for (int64_t i = 0; i < n; i++, p += each) {
		uint64_t key = key_of(i);
		uint32_t label = (uint32_t)i % 10;
		memcpy(p, &key, 8);
		if (info->labelled) memcpy(p + 8, &label, 4);
		row_fill(row, info, i);
		memcpy(p + each - bytes, row, bytes);
	}
	uint64_t id = hash_of(all, (size_t)n * each);
	free(all);
	free(row);
	return id;
}

#endif
