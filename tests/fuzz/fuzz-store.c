/* fuzz-store: any bytes as a row store; blocks, positions and keys of what is accepted are looked
 * at. */
#include "formats/rows.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void look(const char *path)
{
	struct rows r;
	struct block b;
	struct hash h;

	if (rows_open(&r, path)) return;
	hash_start(&h);
	while (rows_next(&r, &b) > 0) {
		hash_add(&h, b.keys, 8 * (size_t)b.n);
		hash_add(&h, b.data, (size_t)b.n * rows_bytes(&r.info));
		if (b.labels) hash_add(&h, b.labels, 4 * (size_t)b.n);
	}
	if (rows_is_store(&r) && r.info.count > 0) {
		if (!rows_at(&r, r.info.count - 1, &b)) hash_add(&h, b.data, rows_bytes(&r.info));
		rows_find(&r, hash_end(&h));
	}
	rows_close(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct rows_info info;
	char path[64];
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	look(path);
	rows_verify(path, &info);
	close(fd);
	return 0;
}
