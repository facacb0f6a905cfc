/* fuzz-npy: any bytes as an npy file; what is accepted is read to its end. */
#include "formats/npy.h"
#include "lib/base/hash.h"

#include <stdlib.h>

static volatile uint64_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct tensor t;

	if (npy_parse(&t, "input", bytes, n)) return 0;
	sink = hash_of(t.data, (size_t)t.count * dtype_size(t.type));
	free((void *)t.data);
	return 0;
}
