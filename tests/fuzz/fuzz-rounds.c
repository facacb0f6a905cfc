/* fuzz-rounds: any bytes as the saved rounds of ic-kmeans. */
#include "formats/rounds.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct rounds r = { .k = 2, .width = 3, .n = 4 };
	int fd = memfd_create("input", MFD_CLOEXEC);
	char path[64];

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	rounds_load(&r, path, "c", false);
	rounds_close(&r);
	close(fd);
	return 0;
}
