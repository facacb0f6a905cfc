/* sheet: a white canvas on which pictures, rules and short texts are put. */
#ifndef IC_SHEET_H
#define IC_SHEET_H

#include "formats/image.h"

enum { SHEET_LETTER = 6, SHEET_LINE = 7 };   /* pixels a letter is wide, with its gap, and high */

struct sheet { int height, width; uint8_t *rgb; };       /* [height][width][3], owned; free(rgb) */

int sheet_new(struct sheet *, int64_t height, int64_t width);   /* 0 or -1 after fail() */
/* Fills or draws inside the sheet; the caller keeps within it. */
void sheet_rule(struct sheet *, int y, int x, int height, int width, uint8_t grey);
/* The picture, by nearest neighbour as large as fits and centred, in the box at (y, x). */
void sheet_picture(struct sheet *, int y, int x, int height, int width, const struct image *);
/* Black letters, each pixel zoom x zoom; small letters are drawn as capitals, unknown ones as a
 * box, and those beyond the right edge not at all. */
void sheet_text(struct sheet *, int y, int x, int zoom, const char *text);

#endif
