/* map: a whole regular file mapped for reading. */
#include "formats/map.h"
#include "lib/base/fail.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int map_open(struct map *m, const char *path, size_t least)
{
	struct stat st;

	*m = (struct map){ 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return fail("%s:", path);
	if (fstat(fd, &st)) {
		fail("%s: stat:", path);
		close(fd);
		return -1;
	}
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size < least) {
		close(fd);
		if (S_ISDIR(st.st_mode)) return fail("%s: found a folder, expected a file", path);
		if (!S_ISREG(st.st_mode)) return fail("%s: found no regular file", path);
		if (!st.st_size) return fail("%s: found an empty file", path);
		return fail("%s: found %lld bytes, expected at least %zu", path,
			(long long)st.st_size, least);
	}
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	int bad = p == MAP_FAILED ? fail("%s: map:", path) : 0;
	close(fd);
	if (!bad) *m = (struct map){ p, (size_t)st.st_size };
	return bad;
}

void map_close(struct map *m)
{
	if (m->p) munmap(m->p, m->bytes);
	*m = (struct map){ 0 };
}
