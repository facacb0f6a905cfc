/* fuzz-ckpt: any bytes as a checkpoint or an export of a generator. */
#include "lib/gan/state.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char path[64];
	struct gan g;
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (!gan_load_sampler(&g, path)) gan_free(&g);
	if (!gan_load(&g, path)) gan_free(&g);
	close(fd);
	return 0;
}
