/* fuzz-ckpt: any bytes as a checkpoint, an export of a network, and weights to begin with. */
#include "lib/gan/init.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char path[64], list[80];
	struct gan g = { 0 };
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (!gan_load_sampler(&g, path)) gan_free(&g);
	if (!gan_load(&g, path)) gan_free(&g);
	if (!gan_init(&g, path, 1)) gan_free(&g);
	snprintf(list, sizeof list, "%s,new", path);
	if (!gan_init(&g, list, 1)) gan_free(&g);
	close(fd);
	return 0;
}
