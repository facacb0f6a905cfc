/* image: encoded pictures in memory to RGB8, as Pillow's convert("RGB") gives them: grey
 * replicated, palette looked up, alpha dropped, 16 bit to 8, CMYK by 255-K arithmetic, EXIF
 * orientation as asked. */
#ifndef IC_IMAGE_H
#define IC_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { IMAGE_MAX_SIDE = 65500 };
#define IMAGE_MAX_PIXELS (1 << 28)

struct image { int height, width; uint8_t *rgb; };        /* [height][width][3], owned; free(rgb) */

/* Decodes JPEG, PNG or PNM by magic.  name is for messages.  alpha_on: background level 0..255
 * under transparent pixels, or -1 to drop alpha as Pillow does.  orient: apply EXIF orientation
 * (JPEG).  0 or -1 after fail(). */
int image_decode(struct image *, const char *name, const void *bytes, size_t n, int alpha_on,
		 bool orient);

/* formats/jpeg.c */
int image_decode_jpeg(struct image *, const char *name, const void *bytes, size_t n, bool orient);
/* formats/png.c */
int image_decode_png(struct image *, const char *name, const void *bytes, size_t n, int alpha_on);
/* formats/pam.c */
int image_decode_pnm(struct image *, const char *name, const void *bytes, size_t n);
/* P5, P6 or P7 whose samples do not end at 255: no stream of ic-image(5), but a picture. */
bool image_pnm_scaled(const void *bytes, size_t n);
int image_put_png(FILE *, const char *name, const uint8_t *rgb, int height, int width);
/* By way of path.part, renamed; "-" is stdout. */
int image_write_png(const char *path, const uint8_t *rgb, int height, int width, bool force);

#endif
