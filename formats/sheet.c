/* sheet: a white canvas on which pictures, rules and short texts are put. */
#include "formats/sheet.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <ctype.h>
#include <string.h>

/* Rows of five pixels, from the top. */
static const struct { char letter; char rows[42]; } glyphs[] = {
	{ 'A', "01110 10001 10001 11111 10001 10001 10001" },
	{ 'B', "11110 10001 10001 11110 10001 10001 11110" },
	{ 'C', "01110 10001 10000 10000 10000 10001 01110" },
	{ 'D', "11110 10001 10001 10001 10001 10001 11110" },
	{ 'E', "11111 10000 10000 11110 10000 10000 11111" },
	{ 'F', "11111 10000 10000 11110 10000 10000 10000" },
	{ 'G', "01110 10001 10000 10111 10001 10001 01110" },
	{ 'H', "10001 10001 10001 11111 10001 10001 10001" },
	{ 'I', "01110 00100 00100 00100 00100 00100 01110" },
	{ 'J', "00111 00010 00010 00010 00010 10010 01100" },
	{ 'K', "10001 10010 10100 11000 10100 10010 10001" },
	{ 'L', "10000 10000 10000 10000 10000 10000 11111" },
	{ 'M', "10001 11011 10101 10101 10001 10001 10001" },
	{ 'N', "10001 11001 10101 10101 10011 10001 10001" },
	{ 'O', "01110 10001 10001 10001 10001 10001 01110" },
	{ 'P', "11110 10001 10001 11110 10000 10000 10000" },
	{ 'Q', "01110 10001 10001 10001 10101 10010 01101" },
	{ 'R', "11110 10001 10001 11110 10100 10010 10001" },
	{ 'S', "01111 10000 10000 01110 00001 00001 11110" },
	{ 'T', "11111 00100 00100 00100 00100 00100 00100" },
	{ 'U', "10001 10001 10001 10001 10001 10001 01110" },
	{ 'V', "10001 10001 10001 10001 10001 01010 00100" },
	{ 'W', "10001 10001 10001 10101 10101 11011 10001" },
	{ 'X', "10001 01010 00100 00100 00100 01010 10001" },
	{ 'Y', "10001 10001 01010 00100 00100 00100 00100" },
	{ 'Z', "11111 00001 00010 00100 01000 10000 11111" },
	{ '0', "01110 10001 10011 10101 11001 10001 01110" },
	{ '1', "00100 01100 00100 00100 00100 00100 01110" },
	{ '2', "01110 10001 00001 00110 01000 10000 11111" },
	{ '3', "11110 00001 00001 01110 00001 00001 11110" },
	{ '4', "00010 00110 01010 10010 11111 00010 00010" },
	{ '5', "11111 10000 11110 00001 00001 10001 01110" },
	{ '6', "00110 01000 10000 11110 10001 10001 01110" },
	{ '7', "11111 00001 00010 00100 01000 01000 01000" },
	{ '8', "01110 10001 10001 01110 10001 10001 01110" },
	{ '9', "01110 10001 10001 01111 00001 00010 01100" },
	{ '.', "00000 00000 00000 00000 00000 01100 01100" },
	{ ':', "00000 01100 01100 00000 01100 01100 00000" },
	{ '-', "00000 00000 00000 01110 00000 00000 00000" },
	{ '+', "00000 00100 00100 11111 00100 00100 00000" },
	{ '=', "00000 00000 11111 00000 11111 00000 00000" },
	{ '/', "00000 00001 00010 00100 01000 10000 00000" },
	{ '(', "00010 00100 01000 01000 01000 00100 00010" },
	{ ')', "01000 00100 00010 00010 00010 00100 01000" },
	{ '_', "00000 00000 00000 00000 00000 00000 11111" },
	{ '%', "11001 11010 00010 00100 01000 01011 10011" },
	{ ' ', "00000 00000 00000 00000 00000 00000 00000" },
};

static const char unknown[] = "11111 10001 10001 10001 10001 10001 11111";

int sheet_new(struct sheet *s, int64_t height, int64_t width)
{
	*s = (struct sheet){ 0 };
	if (height < 1 || width < 1 || height > IMAGE_MAX_PIXELS || width > IMAGE_MAX_PIXELS ||
	    height * width > IMAGE_MAX_PIXELS)
		return fail("a sheet of %lld x %lld pixels, expected at most %d", (long long)width,
			    (long long)height, IMAGE_MAX_PIXELS);
	*s = (struct sheet){ (int)height, (int)width,
			     mem_big((size_t)(height * width), 3, "the sheet") };
	if (!s->rgb) return -1;
	memset(s->rgb, 255, (size_t)(height * width) * 3);
	return 0;
}

static uint8_t *at(struct sheet *s, int y, int x)
{
	return s->rgb + ((size_t)y * (size_t)s->width + (size_t)x) * 3;
}

void sheet_rule(struct sheet *s, int y, int x, int height, int width, uint8_t grey)
{
	must(y >= 0 && x >= 0 && y + height <= s->height && x + width <= s->width);
	for (int i = 0; i < height; i++) memset(at(s, y + i, x), grey, (size_t)width * 3);
}

void sheet_picture(struct sheet *s, int y, int x, int height, int width, const struct image *m)
{
	bool wide = (int64_t)m->width * height > (int64_t)m->height * width;
	int64_t w = wide ? width : (int64_t)height * m->width / m->height;
	int64_t h = wide ? (int64_t)width * m->height / m->width : height;

	must(y >= 0 && x >= 0 && y + height <= s->height && x + width <= s->width);
	if (w < 1) w = 1;
	if (h < 1) h = 1;
	y += (int)(height - h) / 2;
	x += (int)(width - w) / 2;
	for (int i = 0; i < h; i++) {
		const uint8_t *row =
			m->rgb + (size_t)(i * (int64_t)m->height / h) * (size_t)m->width * 3;
		for (int j = 0; j < w; j++)
			memcpy(at(s, y + i, x + j), row + (size_t)(j * (int64_t)m->width / w) * 3,
			       3);
	}
}

static const char *glyph(char letter)
{
	for (size_t i = 0; i < LEN(glyphs); i++)
		if (glyphs[i].letter == toupper((unsigned char)letter)) return glyphs[i].rows;
	return unknown;
}

void sheet_text(struct sheet *s, int y, int x, int zoom, const char *text)
{
	for (; *text && x + SHEET_LETTER * zoom <= s->width; text++, x += SHEET_LETTER * zoom) {
		const char *rows = glyph(*text);
		for (int i = 0; rows[i]; i++)
			if (rows[i] == '1')
				sheet_rule(s, y + i / 6 * zoom, x + i % 6 * zoom, zoom, zoom, 0);
	}
}
