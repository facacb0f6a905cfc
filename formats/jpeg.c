/* jpeg: JPEG to RGB8 with libjpeg-turbo, damaged or shortened pictures refused. */
#include "formats/image.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* A block costs at least one bit in every scan that codes it, and 4:1:0 spends 6 blocks on 512
 * pixels: a file of n bytes holds less than this many pixels times n.  It keeps a small hostile
 * file from asking for much memory. */
enum { PIXELS_PER_BYTE = 2048, SCANS_MAX = 200 };

struct jpeg {
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr error;
	struct jpeg_progress_mgr progress;
	struct jpeg_source_mgr source;
	jmp_buf out;
	const char *name;
	const uint8_t *bytes;
	size_t n;
	int orientation;                     /* EXIF: 1 as stored .. 8; 0 unknown */
};

static struct jpeg *self(j_common_ptr c)
{
	return (struct jpeg *)c->client_data;
}

static void on_error(j_common_ptr c)
{
	char text[JMSG_LENGTH_MAX];

	c->err->format_message(c, text);
	fail("%s: damaged JPEG: %s", self(c)->name, text);
	longjmp(self(c)->out, 1);
}

/* Level -1 is a warning.  These mean that part of the picture is missing or noise; the others
 * (stray bytes between markers, odd version numbers) leave every pixel as it was coded. */
static void on_message(j_common_ptr c, int level)
{
	static const int fatal[] = {
		JWRN_JPEG_EOF,       JWRN_HIT_MARKER,  JWRN_HUFF_BAD_CODE,
		JWRN_ARITH_BAD_CODE, JWRN_MUST_RESYNC,
	};

	for (size_t i = 0; level < 0 && i < LEN(fatal); i++)
		if (c->err->msg_code == fatal[i]) on_error(c);
}

static void on_progress(j_common_ptr c)
{
	if (((j_decompress_ptr)c)->input_scan_number <= SCANS_MAX) return;
	fail("%s: damaged JPEG: found more than %d scans", self(c)->name, SCANS_MAX);
	longjmp(self(c)->out, 1);
}

static void source_nothing(j_decompress_ptr c)
{
	(void)c;
}

static boolean source_more(j_decompress_ptr c)
{
	ERREXIT(c, JERR_INPUT_EOF);
	return FALSE;
}

static void source_skip(j_decompress_ptr c, long count)
{
	struct jpeg_source_mgr *s = c->src;

	if (count <= 0) return;
	if ((size_t)count > s->bytes_in_buffer) ERREXIT(c, JERR_INPUT_EOF);
	s->next_input_byte += count;
	s->bytes_in_buffer -= (size_t)count;
}

static unsigned get(const uint8_t *p, int bytes, bool little)
{
	unsigned value = 0;

	for (int i = 0; i < bytes; i++) value = value << 8 | p[little ? bytes - 1 - i : i];
	return value;
}

/* The orientation in an APP1 segment "Exif\0\0" + TIFF: tag 0x0112, a short, in the first
 * directory; 0 when absent. */
static int exif_orientation(const uint8_t *p, size_t n)
{
	if (n < 14 || memcmp(p, "Exif\0\0", 6)) return 0;
	p += 6, n -= 6;
	bool little = p[0] == 'I';
	size_t at = get(p + 4, 4, little);
	if (at > n || n - at < 2) return 0;
	unsigned entries = get(p + at, 2, little);
	for (at += 2; entries-- && n - at >= 12; at += 12) {
		if (get(p + at, 2, little) != 0x0112) continue;
		unsigned value = get(p + at + 8, 2, little);
		return value <= 8 ? (int)value : 0;
	}
	return 0;
}

/* Walks the segments before the first scan: libjpeg forgives lengths under 2, and EXIF is read on
 * the way. */
static int walk(struct jpeg *j)
{
	size_t at = 2;

	for (;;) {
		/* stray bytes, which libjpeg steps over too */
		while (at < j->n && j->bytes[at] != 0xff) at++;
		while (at < j->n && j->bytes[at] == 0xff) at++;
		if (j->n - at < 3) return fail("%s: JPEG cut short in its header", j->name);
		int marker = j->bytes[at++];
		if (marker == 0xda || marker == 0xd9) return 0;
		/* no length follows */
		if (marker <= 1 || (marker >= 0xd0 && marker <= 0xd7)) continue;
		size_t length = get(j->bytes + at, 2, false);
		if (length < 2 || length > j->n - at)
			return fail("%s: damaged JPEG: segment %02x of %zu bytes, %zu left",
				    j->name, marker, length, j->n - at);
		if (marker == 0xe1 && !j->orientation)
			j->orientation = exif_orientation(j->bytes + at + 2, length - 2);
		at += length;
	}
}

static int check_size(const struct jpeg *j)
{
	int64_t height = j->c.image_height, width = j->c.image_width;

	if (height > IMAGE_MAX_SIDE || width > IMAGE_MAX_SIDE || height * width > IMAGE_MAX_PIXELS)
		return fail("%s: found %lld x %lld pixels, expected at most %d", j->name,
			    (long long)width, (long long)height, IMAGE_MAX_PIXELS);
	if ((uint64_t)(height * width) / PIXELS_PER_BYTE > j->n)
		return fail("%s: damaged JPEG: %lld x %lld pixels cannot be in %zu bytes", j->name,
			(long long)width, (long long)height, j->n);
	return 0;
}

/* Adobe files hold 255 - ink; with c = 255 - C and k = 255 - K, R = k - C k / 255, the quotient
 * rounded. */
static void rgb_of_cmyk(uint8_t *to, const uint8_t *from, int width)
{
	for (int x = 0; x < width; x++, from += 4) {
		for (int c = 0; c < 3; c++) {
			unsigned t = (255u - from[c]) * from[3] + 128;
			*to++ = (uint8_t)(from[3] - (((t >> 8) + t) >> 8));
		}
	}
}

static void rgb_of_grey(uint8_t *to, const uint8_t *from, int width)
{
	for (int x = 0; x < width; x++, to += 3) to[0] = to[1] = to[2] = from[x];
}

static int decode_rows(struct jpeg *j, struct image *image, uint8_t *row)
{
	int width = image->width;

	for (int y = 0; y < image->height; y++) {
		uint8_t *to = image->rgb + (size_t)y * (size_t)width * 3;
		JSAMPROW into = j->c.output_components == 3 ? to : row;
		if (jpeg_read_scanlines(&j->c, &into, 1) != 1)
			return fail("%s: JPEG cut short at row %d of %d", j->name, y,
				    image->height);
		if (j->c.output_components == 1) rgb_of_grey(to, row, width);
		if (j->c.output_components == 4) rgb_of_cmyk(to, row, width);
	}
	return 0;
}

static int start(struct jpeg *j, struct image *image)
{
	struct jpeg_decompress_struct *c = &j->c;

	jpeg_read_header(c, TRUE);
	if (check_size(j)) return -1;
	switch (c->num_components) {
	case 1: c->out_color_space = JCS_GRAYSCALE; break;
	case 3: c->out_color_space = JCS_RGB; break;
	case 4: c->out_color_space = JCS_CMYK; break;
	default:
		return fail("%s: found %d colour components, expected 1, 3 or 4", j->name,
			    c->num_components);
	}
	c->dct_method = JDCT_ISLOW;
	c->do_fancy_upsampling = TRUE;
	jpeg_start_decompress(c);
	image->height = (int)c->output_height;
	image->width = (int)c->output_width;
	image->rgb = mem_big((size_t)image->height * (size_t)image->width, 3, j->name);
	return image->rgb ? 0 : -1;
}

static int decode(struct jpeg *j, struct image *image)
{
	j->c.err = jpeg_std_error(&j->error);
	j->error.error_exit = on_error;
	j->error.emit_message = on_message;
	j->c.client_data = j;
	/* every fault inside libjpeg comes back here, already recorded */
	if (setjmp(j->out)) return -1;
	jpeg_create_decompress(&j->c);
	j->progress.progress_monitor = on_progress;
	j->c.progress = &j->progress;
	j->source = (struct jpeg_source_mgr){
		.next_input_byte = j->bytes, .bytes_in_buffer = j->n, .init_source = source_nothing,
		.fill_input_buffer = source_more, .skip_input_data = source_skip,
		.resync_to_restart = jpeg_resync_to_restart, .term_source = source_nothing,
	};
	j->c.src = &j->source;
	if (start(j, image)) return -1;
	uint8_t *row = (*j->c.mem->alloc_large)((j_common_ptr)&j->c, JPOOL_IMAGE,
						(size_t)image->width * 4);
	if (decode_rows(j, image, row)) return -1;
	jpeg_finish_decompress(&j->c);       /* reads to the end marker */
	return 0;
}

/* Where output pixel (y, x) comes from for each EXIF orientation: 2 mirrored, 3 turned by 180
 * degrees, 4 upside down, 5 transposed, 6 needs a quarter turn clockwise, 7 transposed across the
 * other diagonal, 8 anticlockwise. */
static int turn(struct image *image, int orientation, const char *name)
{
	int h = image->height, w = image->width, turned = orientation >= 5;
	int height = turned ? w : h, width = turned ? h : w;
	bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
	bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
	uint8_t *rgb = mem_big((size_t)h * (size_t)w, 3, name), *to = rgb;

	if (!rgb) return -1;
	for (int y = 0; y < height; y++) {
		for (int x = 0; x < width; x++, to += 3) {
			int from_y = turned ? x : y, from_x = turned ? y : x;
			if (flip_y) from_y = h - 1 - from_y;
			if (flip_x) from_x = w - 1 - from_x;
			memcpy(to, image->rgb + ((size_t)from_y * (size_t)w + (size_t)from_x) * 3,
			       3);
		}
	}
	free(image->rgb);
	*image = (struct image){ height, width, rgb };
	return 0;
}

int image_decode_jpeg(struct image *image, const char *name, const void *bytes, size_t n,
		      bool orient)
{
	struct jpeg j = { .name = name, .bytes = bytes, .n = n };

	*image = (struct image){ 0 };
	if (walk(&j)) return -1;
	int bad = decode(&j, image);
	jpeg_destroy_decompress(&j.c);
	if (!bad && orient && j.orientation > 1) bad = turn(image, j.orientation, name);
	if (!bad) return 0;
	free(image->rgb);
	*image = (struct image){ 0 };
	return -1;
}
