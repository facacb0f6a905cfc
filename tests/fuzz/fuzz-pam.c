/* fuzz-pam: any bytes as a picture stream and as one PNM file. */
#include "formats/image.h"
#include "formats/pam.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static volatile uint8_t sink;

static void stream(FILE *f)
{
	struct pam p = { .f = f, .path = "input" };
	struct pam_head h;
	uint8_t *pixels = NULL;

	while (pam_read(&p, &h, &pixels) > 0)
		sink = pixels[(size_t)h.width * (size_t)h.height * 3 - 1];
	free(pixels);
	pam_close(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct image m;
	FILE *f = n ? fmemopen((void *)(uintptr_t)bytes, n, "rb") : NULL;

	if (f) stream(f);
	if (image_decode_pnm(&m, "input", bytes, n)) return 0;
	sink = m.rgb[(size_t)m.width * (size_t)m.height * 3 - 1];
	free(m.rgb);
	return 0;
}
