/* image: tells encoded pictures apart by their first bytes. */
#include "formats/image.h"
#include "formats/known.h"
#include "lib/base/fail.h"

#include <string.h>

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
	return fail("%s: found %s, expected JPEG, PNG or PNM", name, known_as(p, n));
}
