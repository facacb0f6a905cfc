/* font: the PNG pictures of a colour-bitmap font. */
#include "formats/font.h"
#include "lib/base/fail.h"

#include <string.h>

static const uint8_t signature[8] = "\x89PNG\r\n\x1a\n";

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

bool font_is(const void *bytes, size_t n)
{
	return n >= 12 && (!memcmp(bytes, "\0\1\0\0", 4) || !memcmp(bytes, "OTTO", 4) ||
			   !memcmp(bytes, "true", 4));
}

/* The table directory: 12 bytes of head, number of tables at 4, then records (tag, checksum,
 * offset, length). */
int font_start(struct font *f, const char *path, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	*f = (struct font){ .path = path };
	if (!font_is(p, n)) return fail("%s: found no font", path);
	size_t tables = (size_t)p[4] << 8 | p[5];
	if (tables > (n - 12) / 16) return fail("%s: font cut short in its table directory", path);
	for (const uint8_t *t = p + 12; tables--; t += 16) {
		if (memcmp(t, "CBDT", 4)) continue;
		uint32_t offset = get32(t + 8), length = get32(t + 12);
		if (offset > n || length > n - offset)
			return fail("%s: font cut short: its pictures end at byte %llu of %zu",
				    path, (unsigned long long)offset + length, n);
		f->at = p + offset;
		f->end = f->at + length;
		return 0;
	}
	return fail("%s: found a font of outlines, expected one of colour bitmaps (a CBDT table)",
		    path);
}

/* A PNG is its signature and chunks (length, type, data, CRC) up to IEND. */
int font_next(struct font *f, const uint8_t **png, size_t *n)
{
	*png = memmem(f->at, (size_t)(f->end - f->at), signature, sizeof signature);
	if (!*png) return 0;
	for (const uint8_t *p = *png + sizeof signature; f->end - p >= 12;) {
		size_t length = get32(p), left = (size_t)(f->end - p) - 12;
		if (length > left) break;
		bool last = !memcmp(p + 4, "IEND", 4);
		p += length + 12;
		if (!last) continue;
		f->at = p;
		*n = (size_t)(p - *png);
		return 1;
	}
	return fail("%s: damaged PNG inside the font", f->path);
}
