/* fuzz-npz: any bytes as a file of statistics; what is accepted is read to its end. */
#include "formats/npz.h"

static volatile uint64_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct npz s;

	if (npz_parse(&s, "input", bytes, n)) return 0;
	size_t width = (size_t)s.info.width;
	sink = hash_of(s.mean, width * sizeof *s.mean) ^
		hash_of(s.cov, width * width * sizeof *s.cov);
	npz_close(&s);
	return 0;
}
