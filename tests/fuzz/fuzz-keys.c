/* fuzz-keys: any bytes as a list of keys. */
#include "formats/keys.h"

#include <stddef.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	FILE *f = n ? fmemopen((void *)(uintptr_t)bytes, n, "r") : NULL;
	uint64_t *list;

	if (!f) return 0;
	int64_t count = keys_scan(f, "input", &list);
	if (count > (int64_t)n || (count <= 0) != !list) __builtin_trap();
	free(list);
	fclose(f);
	return 0;
}
