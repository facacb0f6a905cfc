/* font: the PNG pictures of a colour-bitmap font (OpenType with a CBDT table), in file order. */
#ifndef IC_FONT_H
#define IC_FONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* what is left of the CBDT table; borrowed */
struct font { const char *path; const uint8_t *at, *end; };

bool font_is(const void *bytes, size_t n);   /* begins like a TrueType or OpenType font */
/* 0 or -1 after fail() */
int font_start(struct font *, const char *path, const void *bytes, size_t n);
/* 1 a picture, 0 the end, -1 after fail() */
int font_next(struct font *, const uint8_t **png, size_t *n);

#endif
