/* fuzz-tar: any bytes as a tar archive and as a font; every member is read. */
#include "formats/font.h"
#include "formats/tar.h"
#include "lib/base/hash.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static volatile uint64_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct tar_member m;
	struct tar t;
	struct font f;
	const uint8_t *png;
	size_t size;

	sink = tar_is(bytes, n);
	tar_start(&t, "input", bytes, n);
	while (tar_next(&t, &m) > 0) sink ^= hash_of(m.bytes, m.size) + strlen(m.name);
	if (font_start(&f, "input", bytes, n)) return 0;
	while (font_next(&f, &png, &size) > 0) sink ^= hash_of(png, size);
	return 0;
}
