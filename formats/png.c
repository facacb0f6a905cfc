/* png: PNG to RGB8 and back with libpng, damaged or shortened pictures refused. */
#include "formats/image.h"
#include "formats/part.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

/* Deflate cannot shrink data more than 1032 times; a header that promises more is a lie. */
enum { DEFLATE_BEST = 1032, CHUNK_MAX_BYTES = 8 << 20 };

struct input {
	const char *name, *what;
	const uint8_t *p;
	size_t left, n;
	uint8_t *pixels;
	uint8_t **rows;
};

static void on_error(png_structp png, const char *text)
{
	const struct input *in = png_get_error_ptr(png);

	fail("%s: %s: %s", in->name, in->what, text);
	png_longjmp(png, 1);
}

static void on_warning(png_structp png, const char *text)
{
	(void)png, (void)text;               /* ancillary chunks only: no pixel depends on them */
}

static void take(png_structp png, png_bytep to, size_t n)
{
	struct input *in = png_get_io_ptr(png);

	if (n > in->left) png_error(png, "cut short");
	memcpy(to, in->p, n);
	in->p += n;
	in->left -= n;
}

static int check_size(png_structp png, png_infop info, const struct input *in)
{
	uint64_t height = png_get_image_height(png, info), width = png_get_image_width(png, info);

	if (height * width > IMAGE_MAX_PIXELS)
		return fail("%s: found %llu x %llu pixels, expected at most %d", in->name,
			    (unsigned long long)width, (unsigned long long)height,
			    IMAGE_MAX_PIXELS);
	if (height * png_get_rowbytes(png, info) / DEFLATE_BEST > in->n)
		return fail("%s: damaged PNG: %llu x %llu pixels cannot be in %zu bytes", in->name,
			(unsigned long long)width, (unsigned long long)height, in->n);
	return 0;
}

/* Every colour type to 8-bit RGB, or to RGBA when alpha is wanted.  Sixteen bits lose their low
 * byte, as in Pillow. */
static void convert(png_structp png, png_infop info, bool alpha)
{
	png_set_strip_16(png);
	png_set_palette_to_rgb(png);
	png_set_expand_gray_1_2_4_to_8(png);
	png_set_gray_to_rgb(png);
	if (alpha) {
		png_set_tRNS_to_alpha(png);
		png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
	} else {
		png_set_strip_alpha(png);
	}
	png_set_interlace_handling(png);
	png_read_update_info(png, info);
}

static int decode(png_structp png, png_infop info, struct input *in, struct image *image,
		  bool alpha)
{
	/* every fault inside libpng comes back here, already recorded */
	if (setjmp(png_jmpbuf(png))) return -1;
	png_set_read_fn(png, in, take);
	png_set_user_limits(png, IMAGE_MAX_SIDE, IMAGE_MAX_SIDE);
	png_set_chunk_malloc_max(png, CHUNK_MAX_BYTES);
	png_read_info(png, info);
	if (check_size(png, info, in)) return -1;
	convert(png, info, alpha);
	image->height = (int)png_get_image_height(png, info);
	image->width = (int)png_get_image_width(png, info);
	size_t stride = (size_t)image->width * (alpha ? 4 : 3);
	if (png_get_rowbytes(png, info) != stride)
		return fail("%s: damaged PNG: unexpected row size", in->name);
	in->pixels = mem_big((size_t)image->height, stride, in->name);
	if (!in->pixels) return -1;
	in->rows = mem_new((size_t)image->height, sizeof *in->rows);
	for (int y = 0; y < image->height; y++) in->rows[y] = in->pixels + (size_t)y * stride;
	png_read_image(png, in->rows);
	png_read_end(png, NULL);
	return 0;
}

/* RGBA over a grey level, in place: (c a + level (255 - a)) / 255 rounded; the result is packed
 * RGB. */
static void lay_on(uint8_t *p, size_t pixels, int level)
{
	for (size_t i = 0; i < pixels; i++) {
		unsigned a = p[4 * i + 3];
		for (size_t c = 0; c < 3; c++)
			p[3 * i + c] =
				(uint8_t)((p[4 * i + c] * a + (unsigned)level * (255 - a) + 127) /
					  255);
	}
}

int image_decode_png(struct image *image, const char *name, const void *bytes, size_t n,
		     int alpha_on)
{
	struct input in = { .name = name, .what = "damaged PNG", .p = bytes, .left = n, .n = n };
	png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &in, on_error, on_warning);
	png_infop info = png ? png_create_info_struct(png) : NULL;

	*image = (struct image){ 0 };
	must(info);
	int bad = decode(png, info, &in, image, alpha_on >= 0);
	png_destroy_read_struct(&png, &info, NULL);
	free(in.rows);
	if (bad) {
		free(in.pixels);
		*image = (struct image){ 0 };
		return -1;
	}
	if (alpha_on >= 0)
		lay_on(in.pixels, (size_t)image->height * (size_t)image->width, alpha_on);
	image->rgb = in.pixels;
	return 0;
}

static void put(png_structp png, png_bytep from, size_t n)
{
	if (fwrite(from, 1, n, png_get_io_ptr(png)) != n) png_error(png, strerror(errno));
}

static int encode(png_structp png, png_infop info, FILE *f, const uint8_t *rgb, int height,
		  int width)
{
	if (setjmp(png_jmpbuf(png))) return -1;
	png_set_write_fn(png, f, put, NULL);
	png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
	png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_RGB,
		     PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	for (int y = 0; y < height; y++) png_write_row(png, rgb + (size_t)y * (size_t)width * 3);
	png_write_end(png, NULL);
	return 0;
}

int image_put_png(FILE *f, const char *name, const uint8_t *rgb, int height, int width)
{
	struct input out = { .name = name, .what = "writing PNG" };
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &out, on_error,
						  on_warning);
	png_infop info = png ? png_create_info_struct(png) : NULL;

	must(info);
	int bad = encode(png, info, f, rgb, height, width);
	png_destroy_write_struct(&png, &info);
	return bad;
}

int image_write_png(const char *path, const uint8_t *rgb, int height, int width, bool force)
{
	struct part part;

	if (part_open(&part, path, force)) return -1;
	const char *name = strcmp(path, "-") ? path : "standard output";
	if (!image_put_png(part.f, name, rgb, height, width)) return part_close(&part);
	part_drop(&part);
	return -1;
}
