/* prepare: the table of protocols, and what they do to a picture. */
#include "lib/nets/prepare.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdlib.h>

#define GREY(v) { v, v, v }
#define IMAGENET_MEAN { 255 * .485, 255 * .456, 255 * .406 }
#define IMAGENET_STD { 255 * .229, 255 * .224, 255 * .225 }
#define CLIP_MEAN { 255 * .48145466, 255 * .4578275, 255 * .40821073 }
#define CLIP_STD { 255 * .26862954, 255 * .26130258, 255 * .27577711 }

#define PROTOCOL(name, ...) { name, __VA_ARGS__ },
const struct protocol prepare_protocols[] = {
#include "lib/nets/prepare.def"
};
#undef PROTOCOL
const int prepare_count = LEN(prepare_protocols);

/* The size a picture is resized to, of which the network sees the side x side in the centre. */
static int fit(const struct protocol *p, const struct image *m, int side, int *h, int *w)
{
	double shorter = m->height < m->width ? m->height : m->width;
	double to = nearbyint(side / p->zoom), height = to * m->height / shorter,
		width = to * m->width / shorter;

	*h = *w = side;
	if (p->fit != FIT_CROP && p->fit != FIT_ROUND) return 0;
	if (height * width > IMAGE_MAX_PIXELS)
		return fail("a picture of %dx%d is too narrow for protocol %s", m->width, m->height,
			p->name);
	*h = (int)(p->fit == FIT_CROP ? height : nearbyint(height));
	*w = (int)(p->fit == FIT_CROP ? width : nearbyint(width));
	return 0;
}

static float *floats(const uint8_t *from, size_t n)
{
	float *to = mem_big(n, sizeof *to, "a picture in floats");

	for (size_t i = 0; to && i < n; i++) to[i] = from[i];
	return to;
}

/* The whole picture at h x w, as floats 0..255 (and beyond, where a filter overshoots); owned. */
static float *resized(const struct protocol *p, const struct image *m, int h, int w)
{
	size_t from = 3 * (size_t)m->height * (size_t)m->width, n = 3 * (size_t)h * (size_t)w;
	float *to = NULL;

	if (p->bytes) {
		uint8_t *small = mem_big(n, 1, "a resized picture");
		if (!small) return NULL;
		resize_u8(m->rgb, m->height, m->width, small, h, w, 3, p->filter);
		to = floats(small, n);
		free(small);
		return to;
	}
	float *whole = floats(m->rgb, from);
	if (whole && (to = mem_big(n, sizeof *to, "a resized picture")))
		resize_f32(whole, m->height, m->width, to, h, w, 3, p->filter);
	free(whole);
	return to;
}

/* What a filter of Pillow overshoots is cut off. */
static real normal(const struct protocol *p, float v, int c)
{
	if (p->filter <= FILTER_LANCZOS) v = fminf(fmaxf(v, 0), 255);
	return (real)((v - p->mean[c]) / p->std[c]);
}

int prepare_picture(const struct protocol *p, const struct image *m, int side, bool mirrored,
	real *x)
{
	int h, w;

	must(p->fit != FIT_SQUARE || m->height == m->width);
	float *all = fit(p, m, side, &h, &w) ? NULL : resized(p, m, h, w);
	if (!all) return -1;
	int top = crop_offset(h - side), left = crop_offset(w - side);
	for (int y = 0; y < side; y++)
		for (int i = 0; i < side; i++) {
			int from = mirrored ? side - 1 - i : i;
			const float *v = all + 3 * ((size_t)(top + y) * (size_t)w +
				(size_t)(left + from));
			for (int c = 0; c < 3; c++) *x++ = normal(p, v[c], c);
		}
	free(all);
	return 0;
}
