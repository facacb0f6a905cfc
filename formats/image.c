/* image: tells encoded pictures apart by their first bytes. */
#include "formats/image.h"
#include "lib/base/fail.h"

#include <stdio.h>
#include <string.h>

/* What people call files that begin like this; NULL when nobody knows. */
static const char *foreign(const uint8_t *p, size_t n)
{
	static const struct { const char *magic, *name; } known[] = {
		{ "BM", "BMP" }, { "GIF8", "GIF" }, { "RIFF", "WebP or another RIFF file" },
		{ "II*", "TIFF" }, { "MM", "TIFF" }, { "<", "XML, HTML or SVG" }, { "%PDF", "PDF" },
	};

	for (size_t i = 0; i < LEN(known); i++) {
		size_t length = strlen(known[i].magic);
		if (n >= length && !memcmp(p, known[i].magic, length)) return known[i].name;
	}
	return n > 11 && !memcmp(p + 4, "ftyp", 4) ? "HEIF or AVIF" : NULL;
}

static bool is_text(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n && i < 256; i++)
		if ((p[i] < ' ' && !strchr("\t\n\r\f", p[i])) || p[i] == 127) return false;
	return true;
}

static int refuse(const char *name, const uint8_t *p, size_t n)
{
	const char *format = foreign(p, n), *expected = "expected JPEG, PNG or PNM";
	char hex[16] = "";

	if (!n) return fail("%s: found an empty file, %s", name, expected);
	if (format) return fail("%s: found %s, %s", name, format, expected);
	if (is_text(p, n)) return fail("%s: found text, %s", name, expected);
	for (size_t i = 0; i < n && i < 4; i++) snprintf(hex + 3 * i, 4, " %02x", p[i]);
	return fail("%s: found a file beginning with%s, %s", name, hex, expected);
}

int image_decode(struct image *image, const char *name, const void *bytes, size_t n, int alpha_on,
		 bool orient)
{
	const uint8_t *p = bytes;

	*image = (struct image){ 0 };
	if (n >= 2 && p[0] == 0xff && p[1] == 0xd8)
		return image_decode_jpeg(image, name, p, n, orient);
	if (n >= 4 && !memcmp(p, "\x89PNG", 4))
		return image_decode_png(image, name, p, n, alpha_on);
	if (n >= 2 && p[0] == 'P' && p[1] >= '1' && p[1] <= '7')
		return image_decode_pnm(image, name, p, n);
	return refuse(name, p, n);
}
