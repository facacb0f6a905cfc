/* fuzz-tfevents: any bytes as an event file; what is kept of it is kept again. */
#include "formats/tfevents.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w+b");

	if (!f || write(fd, bytes, n) != (ssize_t)n) return -1;
	for (int64_t step = 0; step < 3; step++) {
		int64_t end = tfevents_end(f, "input", step);
		if (end < 0 || end > (int64_t)n || ftruncate(fd, end) ||
		    tfevents_end(f, "input", step) != end)
			__builtin_trap();
	}
	fclose(f);
	return 0;
}
