/* npz: reads and writes statistics of features.  The receipt is lines of name=value: rows, id,
 * from and root of the features, then their meta lines. */
#include "formats/npz.h"
#include "formats/known.h"
#include "formats/map.h"
#include "formats/npy.h"
#include "formats/part.h"
#include "formats/zip.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

enum { WIDTH_MAX = 16384 };                  /* 2 GiB of covariance */

int npz_is(const char *path)
{
	unsigned char first[KNOWN_BYTES];
	int n = known_first(path, first);

	return n < 0 ? -1 : zip_is(first, (size_t)n);
}

/* 1, or 0 when there is no such member, or -1; t->data is owned. */
static int read_member(const struct zip *z, const char *member, struct tensor *t)
{
	const struct zip_entry *e = zip_find(z, member);
	void *owned;

	if (!e) return 0;
	const void *bytes = zip_read(z, e, &owned);
	if (!bytes) return -1;
	char *name = mem_text("%s: %s", z->path, member);
	int bad = npy_parse(t, name, bytes, e->bytes);
	free(name);
	free(owned);
	return bad ? -1 : 1;
}

/* The floats of a tensor, all finite, as doubles; owned by the caller, NULL after fail(). */
static double *doubles(const struct zip *z, const char *member, const struct tensor *t)
{
	const float *f = t->data;
	const double *d = t->data;

	if (t->type != DT_F32 && t->type != DT_F64) {
		fail("%s: %s: found elements of type %s, expected F32 or F64", z->path, member,
			dtype_name(t->type));
		return NULL;
	}
	double *to = mem_big((size_t)t->count, sizeof *to, member);
	for (int64_t i = 0; i < t->count && to; i++) {
		to[i] = t->type == DT_F32 ? (double)f[i] : d[i];
		if (isfinite(to[i])) continue;
		fail("%s: %s: element %" PRId64 " is not finite", z->path, member, i);
		free(to);
		to = NULL;
	}
	return to;
}

/* A matrix of `rank` dimensions of one length; owned by the caller. */
static double *read_square(const struct zip *z, const char *member, int rank, int *width)
{
	struct tensor t = { 0 };
	double *x = NULL;
	int got = read_member(z, member, &t);

	if (!got) fail("%s: found no %s", z->path, member);
	if (got <= 0) return NULL;
	if (t.rank != rank || t.shape[0] < 1 || t.shape[0] > WIDTH_MAX ||
	    t.shape[rank - 1] != t.shape[0])
		fail("%s: %s: expected %s of up to %d columns", z->path, member,
			rank == 1 ? "one row" : "a square matrix", WIDTH_MAX);
	else
		x = doubles(z, member, &t);
	*width = (int)t.shape[0];
	free((void *)t.data);
	return x;
}

/* Symmetric up to rounding: made so exactly. */
static int symmetrize(const char *path, double *cov, int width)
{
	size_t w = (size_t)width;
	double largest = 0;

	for (size_t i = 0; i < w; i++) {
		if (cov[i * w + i] < 0)
			return fail("%s: sigma.npy: column %zu: a negative variance", path, i);
		largest = fmax(largest, cov[i * w + i]);
	}
	for (size_t i = 0; i < w; i++)
		for (size_t j = 0; j < i; j++) {
			double *a = &cov[i * w + j], *b = &cov[j * w + i];
			if (fabs(*a - *b) > 1e-5 * largest)
				return fail("%s: sigma.npy: found %g and %g at %zu, %zu, "
					"expected a symmetric matrix", path, *a, *b, i, j);
			*a = *b = (*a + *b) / 2;
		}
	return 0;
}

static bool number_of(const struct rows_info *info, const char *name, int base, uint64_t *value)
{
	char text[32], *end;

	if (!rows_meta(info, name, text, sizeof text)) return false;
	*value = strtoull(text, &end, base);
	return *text && !*end;
}

static int read_receipt(const struct zip *z, struct rows_info *info)
{
	struct tensor t = { 0 };
	uint64_t rows = 0;
	int got = read_member(z, "ic.npy", &t);

	info->count = -1;
	if (got <= 0) return got;
	size_t n = (size_t)t.count;
	bool good = t.type == DT_U8 && n < sizeof info->meta && !memchr(t.data, 0, n);
	if (good) memcpy(info->meta, t.data, n);
	free((void *)t.data);
	if (!good || !number_of(info, "rows", 10, &rows) || rows < 2 || rows > INT64_MAX ||
	    !number_of(info, "id", 16, &info->id) || !number_of(info, "from", 16, &info->from) ||
	    !number_of(info, "root", 16, &info->root))
		return fail("%s: ic.npy: a damaged receipt", z->path);
	info->count = (int64_t)rows;
	return 0;
}

static int read_all(struct npz *s, const struct zip *z)
{
	int side;

	strcpy(s->info.kind, "features");
	s->mean = read_square(z, "mu.npy", 1, &s->info.width);
	s->cov = s->mean ? read_square(z, "sigma.npy", 2, &side) : NULL;
	if (!s->cov) return -1;
	if (side != s->info.width)
		return fail("%s: sigma.npy of %d columns, expected %d as in mu.npy", z->path, side,
			s->info.width);
	return symmetrize(z->path, s->cov, side) || read_receipt(z, &s->info) ? -1 : 0;
}

int npz_parse(struct npz *s, const char *name, const void *bytes, size_t n)
{
	struct zip z;

	*s = (struct npz){ .mean = NULL };
	if (zip_open(&z, name, bytes, n)) return -1;
	int bad = read_all(s, &z);
	zip_close(&z);
	if (bad) npz_close(s);
	return bad;
}

int npz_read(struct npz *s, const char *path)
{
	struct map m;

	*s = (struct npz){ .mean = NULL };
	if (map_open(&m, path, 1)) return -1;
	int bad = npz_parse(s, path, m.p, m.bytes);
	map_close(&m);
	return bad;
}

void npz_close(struct npz *s)
{
	free(s->mean);
	free(s->cov);
	*s = (struct npz){ .mean = NULL };
}

struct member { const char *name; struct tensor t; uint32_t crc, at, bytes; };

static void put_number(FILE *f, uint32_t value, int bytes)
{
	for (int i = 0; i < bytes; i++) putc((int)(value >> 8 * i & 255), f);
}

/* What the header of a member and its line in the directory have in common: version 2.0, no flags,
 * stored, midnight of 1 January 1980, CRC, sizes, length of the name, no extra field. */
static void put_common(FILE *f, const struct member *m)
{
	put_number(f, 20, 2);
	put_number(f, 0, 4);
	put_number(f, 0, 2);
	put_number(f, 33, 2);
	put_number(f, m->crc, 4);
	put_number(f, m->bytes, 4);
	put_number(f, m->bytes, 4);
	put_number(f, (uint32_t)strlen(m->name), 2);
	put_number(f, 0, 2);
}

static void put_member(FILE *f, struct member *m, uint32_t *at)
{
	unsigned char head[NPY_HEAD];
	size_t n = npy_head(head, &m->t), bytes = (size_t)m->t.count * dtype_size(m->t.type);

	m->at = *at;
	m->bytes = (uint32_t)(n + bytes);
	m->crc = (uint32_t)crc32_z(crc32_z(0, head, n), m->t.data, bytes);
	fwrite("PK\3\4", 1, 4, f);
	put_common(f, m);
	fputs(m->name, f);
	fwrite(head, 1, n, f);
	fwrite(m->t.data, 1, bytes, f);
	*at += (uint32_t)(30 + strlen(m->name)) + m->bytes;
}

static void put_directory(FILE *f, const struct member *m, int count, uint32_t at)
{
	uint32_t bytes = 0;

	for (int i = 0; i < count; i++) {
		fwrite("PK\1\2\24\0", 1, 6, f);
		put_common(f, &m[i]);
		put_number(f, 0, 4);
		put_number(f, 0, 4);
		put_number(f, 0, 2);
		put_number(f, m[i].at, 4);
		fputs(m[i].name, f);
		bytes += (uint32_t)(46 + strlen(m[i].name));
	}
	fwrite("PK\5\6\0\0\0\0", 1, 8, f);
	put_number(f, (uint32_t)count, 2);
	put_number(f, (uint32_t)count, 2);
	put_number(f, bytes, 4);
	put_number(f, at, 4);
	put_number(f, 0, 2);
}

int npz_write(const char *path, const struct npz *s, bool force)
{
	const struct rows_info *i = &s->info;
	int64_t w = i->width;
	struct part out;
	uint32_t at = 0;

	if (w > WIDTH_MAX)
		return fail("%s: %d columns, expected up to %d", path, i->width, WIDTH_MAX);
	char *text = mem_text("rows=%" PRId64 "\nid=%016" PRIx64 "\nfrom=%016" PRIx64
		"\nroot=%016" PRIx64 "\n%s", i->count, i->id, i->from, rows_root(i), i->meta);
	int64_t n = (int64_t)strlen(text);
	struct member m[] = {
		{ .name = "mu.npy", .t = { .type = DT_F64, .rank = 1, .shape = { w }, .count = w,
			.data = s->mean } },
		{ .name = "sigma.npy", .t = { .type = DT_F64, .rank = 2, .shape = { w, w },
			.count = w * w, .data = s->cov } },
		{ .name = "ic.npy", .t = { .type = DT_U8, .rank = 1, .shape = { n }, .count = n,
			.data = text } },
	};
	int bad = (size_t)n < sizeof i->meta ? part_open(&out, path, force) :
		fail("%s: a receipt of %" PRId64 " bytes, expected under %zu", path, n,
			sizeof i->meta);
	for (size_t k = 0; k < LEN(m) && !bad; k++) put_member(out.f, &m[k], &at);
	if (!bad) {
		put_directory(out.f, m, (int)LEN(m), at);
		bad = part_close(&out);
	}
	free(text);
	return bad;
}
