/* fuzz-rows: any bytes as a row stream; what is accepted is read to its end, into memory too. */
#include "formats/rows.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct rows_info info;
	struct table t;
	char path[64];
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int bad = rows_verify(path, &info);
	if (!rows_load(&t, path)) {
		if (bad || t.info.id != info.id) __builtin_trap();
		rows_free(&t);
	}
	if (!rows_load_features(&t, path)) rows_free(&t);
	close(fd);
	return 0;
}
