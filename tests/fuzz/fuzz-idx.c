/* fuzz-idx: any bytes as an IDX file of pictures and of labels, gzipped or not. */
#include "formats/idx.h"
#include "lib/base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static volatile uint64_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct idx x;

	sink = idx_is(bytes, n);
	for (int rank = 1; rank <= 3; rank += 2) {
		if (idx_parse(&x, "input", bytes, n, rank)) continue;
		size_t count = 1;
		for (int i = 0; i < x.rank; i++) count *= (size_t)x.shape[i];
		sink ^= hash_of(x.data, count);
		idx_close(&x);
	}
	return 0;
}
