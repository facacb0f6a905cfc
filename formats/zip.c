/* zip: reads the central directory, then each entry's local header for the place of its data. */
#include "formats/zip.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
	END = 22, LOCATOR = 20, END64 = 56, CENTRAL = 46, LOCAL = 30,     /* bytes of the records */
	COMMENT_MAX = 65535, ENCRYPTED = 1, STORED = 0, DEFLATED = 8,
	RATIO_MAX = 1040                     /* of deflate: 1032, and its last block */
};

static uint64_t number(const uint8_t *p, int bytes)
{
	uint64_t x = 0;
	memcpy(&x, p, (size_t)bytes);
	return le64toh(x);
}

static bool marked(const uint8_t *p, int a, int b)
{
	return p[0] == 'P' && p[1] == 'K' && p[2] == a && p[3] == b;
}

bool zip_is(const void *bytes, size_t n)
{
	return n >= 4 && marked(bytes, 3, 4);
}

/* The central directory: `count` headers in bytes from..to of the file. */
struct directory { uint64_t count, from, to; };

/* The zip64 end record, which the locator in front of the end record at `at` points to: its numbers
 * stand where those of the end record are all ones. */
static int read_end64(const struct zip *z, size_t at, struct directory *d, uint64_t *size)
{
	const uint8_t *locator = z->bytes + at - LOCATOR, *end;
	uint64_t place = number(locator + 8, 8);

	if (number(locator + 4, 4) || number(locator + 16, 4) > 1)
		return fail("%s: found a zip of several disks", z->path);
	if (at < LOCATOR + END64 || place != at - LOCATOR - END64)
		return fail("%s: the zip64 end record is not where it is said to be", z->path);
	end = z->bytes + place;
	if (!marked(end, 6, 6) || number(end + 4, 8) != END64 - 12)
		return fail("%s: no zip64 end record where one is said to be", z->path);
	uint64_t count = number(end + 32, 8), bytes = number(end + 40, 8),
		from = number(end + 48, 8);
	if ((d->count != 0xffff && d->count != count) || (*size != 0xffffffff && *size != bytes) ||
	    (d->from != 0xffffffff && d->from != from) || number(end + 24, 8) != count)
		return fail("%s: the two end records of the zip differ", z->path);
	*d = (struct directory){ count, from, place };
	*size = bytes;
	return 0;
}

/* The end record is the last whose comment ends with the file and whose directory ends in front of
 * it. */
static int find_directory(const struct zip *z, struct directory *d)
{
	size_t first = z->n > END + COMMENT_MAX ? z->n - END - COMMENT_MAX : 0;

	for (size_t at = z->n < END ? 0 : z->n - END + 1; at-- > first;) {
		const uint8_t *p = z->bytes + at;
		if (!marked(p, 5, 6) || number(p + 20, 2) != z->n - at - END) continue;
		uint64_t size = number(p + 12, 4);
		*d = (struct directory){ number(p + 10, 2), number(p + 16, 4), at };
		if (number(p + 4, 4) || number(p + 8, 2) != d->count)
			return fail("%s: found a zip of several disks", z->path);
		if (at >= LOCATOR && marked(p - LOCATOR, 6, 7) && read_end64(z, at, d, &size))
			return -1;
		if (d->from <= d->to && d->to - d->from == size) return 0;
	}
	return fail("%s: found no zip directory at the end: the file is cut or damaged", z->path);
}

/* Extra field 1 has eight bytes for each of the numbers that are all ones in the header. */
static int read_extra(const struct zip *z, const uint8_t *p, size_t n, uint64_t *const wide[3])
{
	while (n >= 4) {
		size_t id = number(p, 2), length = number(p + 2, 2);
		p += 4, n -= 4;
		if (length > n) break;
		const uint8_t *at = p;
		for (int i = 0; i < 3 && id == 1; i++) {
			if (*wide[i] != 0xffffffff) continue;
			if (p + length - at < 8)
				return fail("%s: a zip64 field is too short", z->path);
			*wide[i] = number(at, 8);
			at += 8;
		}
		p += length, n -= length;
	}
	return n ? fail("%s: a damaged extra field in the zip directory", z->path) : 0;
}

/* The local header repeats flags, method and name; its own extra field only shifts the data. */
static int place_data(const struct zip *z, struct zip_entry *e, const struct directory *d)
{
	size_t length = strlen(e->name);

	if (e->header > d->from || d->from - e->header < LOCAL + length ||
	    !marked(z->bytes + e->header, 3, 4))
		return fail("%s: %s: no zip entry where one is said to be", z->path, e->name);
	const uint8_t *p = z->bytes + e->header;
	if (number(p + 26, 2) != length || memcmp(p + LOCAL, e->name, length) ||
	    number(p + 8, 2) != (e->deflated ? DEFLATED : STORED) || p[6] & ENCRYPTED)
		return fail("%s: %s: the entry's own header says otherwise", z->path, e->name);
	uint64_t from = e->header + LOCAL + length + number(p + 28, 2);
	if (from > d->from || d->from - from < e->packed_bytes)
		return fail("%s: %s: %zu bytes run past the entries", z->path, e->name,
			e->packed_bytes);
	e->packed = z->bytes + from;
	return 0;
}

/* One header of the directory at *at, which moves behind it. */
static int read_header(struct zip *z, uint64_t *at, const struct directory *d)
{
	const uint8_t *p = z->bytes + *at;

	if (d->to - *at < CENTRAL || !marked(p, 1, 2))
		return fail("%s: the zip directory is damaged at byte %llu", z->path,
			(unsigned long long)*at);
	size_t name = number(p + 28, 2), extra = number(p + 30, 2), note = number(p + 32, 2);
	uint64_t method = number(p + 10, 2), packed = number(p + 20, 4), bytes = number(p + 24, 4),
		header = number(p + 42, 4);
	if (d->to - *at - CENTRAL < name + extra + note || !name || memchr(p + CENTRAL, 0, name))
		return fail("%s: a bad name in the zip directory", z->path);
	if (p[8] & ENCRYPTED || (method != STORED && method != DEFLATED))
		return fail("%s: %.*s: found method %d%s, expected stored or deflated bytes",
			z->path, (int)name, (const char *)p + CENTRAL, (int)method,
			p[8] & ENCRYPTED ? ", encrypted" : "");
	uint64_t *const wide[3] = { &bytes, &packed, &header };
	if (read_extra(z, p + CENTRAL + name, extra, wide)) return -1;
	if (packed > z->n || (method == STORED ? bytes != packed : bytes / RATIO_MAX > packed + 1))
		return fail("%s: %.*s: found %llu bytes packed into %llu", z->path, (int)name,
			(const char *)p + CENTRAL, (unsigned long long)bytes,
			(unsigned long long)packed);
	struct zip_entry *e = &z->entry[z->count++];
	*e = (struct zip_entry){
		.name = mem_text("%.*s", (int)name, (const char *)p + CENTRAL),
		.packed_bytes = packed, .bytes = bytes, .header = header,
		.crc = (uint32_t)number(p + 16, 4), .deflated = method == DEFLATED,
	};
	*at += CENTRAL + name + extra + note;
	return place_data(z, e, d);
}

static int by_place(const void *a, const void *b)
{
	const struct zip_entry *x = a, *y = b;
	return x->header < y->header ? -1 : x->header > y->header;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct zip_entry *)a)->name, ((const struct zip_entry *)b)->name);
}

/* No two entries share a byte or a name; what they hold is not out of proportion to the file. */
static int check_entries(struct zip *z)
{
	size_t sum = 0, most = 16 * ((size_t)1 << 20) + 16 * z->n;
	struct zip_entry *e = z->entry;

	qsort(e, (size_t)z->count, sizeof *e, by_place);
	for (int i = 0; i < z->count; i++) {
		if (i && z->bytes + e[i].header < e[i - 1].packed + e[i - 1].packed_bytes)
			return fail("%s: %s and %s overlap", z->path, e[i - 1].name, e[i].name);
		if (__builtin_add_overflow(sum, e[i].bytes, &sum) || sum > most)
			return fail("%s: %zu bytes hold more than %zu: not unpacked", z->path, z->n,
				most);
	}
	qsort(e, (size_t)z->count, sizeof *e, by_name);
	for (int i = 1; i < z->count; i++)
		if (!strcmp(e[i - 1].name, e[i].name))
			return fail("%s: two entries are called %s", z->path, e[i].name);
	return 0;
}

int zip_open(struct zip *z, const char *path, const void *bytes, size_t n)
{
	struct directory d = { 0 };
	int bad;

	*z = (struct zip){ .path = path, .bytes = bytes, .n = n };
	if (find_directory(z, &d)) return -1;
	if (d.count > (d.to - d.from) / CENTRAL)
		return fail("%s: %llu zip entries in a directory of %llu bytes", path,
			(unsigned long long)d.count, (unsigned long long)(d.to - d.from));
	z->entry = mem_new(d.count, sizeof *z->entry);
	uint64_t at = d.from;
	for (bad = 0; !bad && (uint64_t)z->count < d.count;) bad = read_header(z, &at, &d);
	if (!bad && at != d.to)
		bad = fail("%s: the zip directory goes on after its %d entries", path, z->count);
	if (!bad) bad = check_entries(z);
	if (bad) zip_close(z);
	return bad;
}

const struct zip_entry *zip_find(const struct zip *z, const char *name)
{
	struct zip_entry key = { .name = (char *)name };
	if (!z->count) return NULL;
	return bsearch(&key, z->entry, (size_t)z->count, sizeof key, by_name);
}

/* Raw deflate that ends exactly with `to` full. */
static int inflate_to(const struct zip *z, const struct zip_entry *e, uint8_t *to)
{
	z_stream s = { .next_in = (Bytef *)e->packed, .next_out = to };
	size_t in = e->packed_bytes, out = e->bytes;
	int got = Z_OK;

	if (inflateInit2(&s, -15) != Z_OK)   /* a window of 2^15 bytes, no framing */
		return fail("%s: %s: no memory to unpack it", z->path, e->name);
	while (got == Z_OK) {
		uInt give = in > UINT32_MAX ? UINT32_MAX : (uInt)in;
		uInt room = out > UINT32_MAX ? UINT32_MAX : (uInt)out;
		s.avail_in = give;
		s.avail_out = room;
		got = inflate(&s, Z_NO_FLUSH);
		in -= give - s.avail_in;
		out -= room - s.avail_out;
	}
	inflateEnd(&s);
	if (got != Z_STREAM_END || in || out)
		return fail("%s: %s: damaged deflate data, or not %zu bytes of it", z->path,
			e->name, e->bytes);
	return 0;
}

const void *zip_read(const struct zip *z, const struct zip_entry *e, void **owned)
{
	const uint8_t *p = e->packed;

	*owned = NULL;
	if (e->deflated) {
		p = *owned = mem_big(e->bytes, 1, e->name);
		if (!p) return NULL;
		if (inflate_to(z, e, *owned)) goto fail;
	}
	if (e->crc && crc32_z(0, p, e->bytes) != e->crc) {
		fail("%s: %s: the bytes do not have the CRC of the zip directory", z->path,
			e->name);
		goto fail;
	}
	return p;
fail:
	free(*owned);
	*owned = NULL;
	return NULL;
}

void zip_close(struct zip *z)
{
	for (int i = 0; i < z->count; i++) free(z->entry[i].name);
	free(z->entry);
	*z = (struct zip){ 0 };
}
