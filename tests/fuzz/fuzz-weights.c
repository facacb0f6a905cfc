/* fuzz-weights: any bytes as a file of weights; what is accepted is read to its end. */
#include "formats/weights.h"
#include "lib/base/fail.h"
#include "lib/base/hash.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile uint64_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static int fd = -1;
	char path[64];
	struct tensors t;

	if (fd < 0) fd = memfd_create("input", MFD_CLOEXEC);
	must(fd >= 0 && !ftruncate(fd, 0) && pwrite(fd, bytes, n, 0) == (ssize_t)n);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (weights_open_script(&t, path)) return 0;
	for (int i = 0; i < t.n; i++)
		sink = hash_of(t.t[i].data, (size_t)t.t[i].count * dtype_size(t.t[i].type));
	tensors_close(&t);
	return 0;
}
