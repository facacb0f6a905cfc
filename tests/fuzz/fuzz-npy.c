/* fuzz-npy: any bytes as an npy file, of numbers or of a pickled dictionary; what is accepted is
 * read to its end. */
#include "formats/npy_dict.h"
#include "lib/base/hash.h"

#include <stdlib.h>
#include <string.h>

static volatile uint64_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct npy_array a;
	struct tensor t;
	struct tensors all = { .path = strdup("input") };

	int bad = npy_open(&a, all.path, bytes, n);
	if (!bad && !a.type) bad = npy_dict(&all, &a);
	else if (!bad && !(bad = npy_elements(&t, &a))) {
		tensors_own(&all, (void *)t.data);
		tensors_add(&all, "", t.type, t.rank, t.shape, t.data);
	}
	for (int i = 0; i < all.n && !bad; i++)
		sink = hash_of(all.t[i].data, (size_t)all.t[i].count * dtype_size(all.t[i].type));
	tensors_close(&all);
	return 0;
}
