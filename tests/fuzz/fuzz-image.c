/* fuzz-image: any bytes as an encoded picture, with and without a background, turned or not. */
#include "formats/image.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static volatile uint8_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct image m;

	for (int way = 0; way < 2; way++) {
		if (image_decode(&m, "input", bytes, n, way ? 255 : -1, way)) continue;
		for (size_t i = 0; i < (size_t)m.height * (size_t)m.width * 3; i++)
			sink ^= m.rgb[i];
		free(m.rgb);
	}
	return 0;
}
