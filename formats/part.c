/* part: an output file that is whole or absent; devices and pipes, which cannot be replaced, are
 * written in place. */
#include "formats/part.h"
#include "formats/lock.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Empty, and of this process alone until it has its name or is gone. */
static FILE *temp_open(const char *path)
{
	int fd = lock_open(path);
	FILE *f = fd < 0 || ftruncate(fd, 0) ? NULL : fdopen(fd, "wb");

	if (f || fd < 0) return f;
	fail("%s:", path);
	unlink(path);
	close(fd);
	return NULL;
}

int part_exists(const char *path)
{
	struct stat st;

	if (!stat(path, &st)) return 1;
	return errno == ENOENT ? 0 : fail("%s:", path);
}

bool part_begins(FILE *f, const void *head, size_t n)
{
	char *first = mem_new(n, 1);
	bool same = !fseek(f, 0, SEEK_SET) && fread(first, 1, n, f) == n && !memcmp(first, head, n);

	free(first);
	return same;
}

int part_check(const char *path, bool force)
{
	struct stat st;

	if (!strcmp(path, "-")) return 0;
	if (stat(path, &st)) return errno == ENOENT ? 0 : fail("%s:", path);
	if (S_ISDIR(st.st_mode))
		return fail("%s: found a folder, expected a file or none", path);
	return S_ISREG(st.st_mode) && !force ? fail("%s: exists (-f overwrites)", path) : 0;
}

int part_open(struct part *p, const char *path, bool force)
{
	struct stat st;

	*p = (struct part){ 0 };
	if (!strcmp(path, "-")) {
		p->f = stdout;
		return 0;
	}
	if (part_check(path, force)) return -1;
	bool special = !stat(path, &st) && !S_ISREG(st.st_mode);
	p->force = force;
	p->temp = special ? NULL : mem_text("%s.part", path);
	p->path = mem_text("%s", path);
	p->f = special ? fopen(path, "wb") : temp_open(p->temp);
	if (p->f) return 0;
	if (special) fail("%s:", path);
	part_drop(p);
	return -1;
}

/* The directory entry must be on disk too before the file counts as written. */
int part_sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? mem_text("%.*s/", (int)(slash - path), path) : mem_text(".");
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* a folder may be written to and not be read, a file system may have nothing to sync */
	int bad = fd < 0 ? errno != EACCES : fsync(fd) && errno != EINVAL && errno != EROFS;

	if (fd >= 0) close(fd);
	free(folder);
	return bad ? fail("%s: folder:", path) : 0;
}

int part_close(struct part *p)
{
	const char *name = p->path ? p->path : "standard output";
	int bad = ferror(p->f) || fflush(p->f) ? write_failed(name) : 0;

	if (!bad && p->temp && fsync(fileno(p->f))) bad = fail("%s:", p->temp);
	if (!bad && p->temp && part_check(p->path, p->force)) bad = -1;
	if (!bad && p->temp && rename(p->temp, p->path)) bad = fail("%s: rename:", p->temp);
	if (bad && p->temp) unlink(p->temp);
	if (p->path && fclose(p->f) && !bad) bad = fail("%s:", name);
	p->f = NULL;
	if (!bad && p->temp) bad = part_sync_folder(p->path);
	part_drop(p);
	return bad;
}

void part_drop(struct part *p)
{
	if (p->path && p->f) {
		if (p->temp) unlink(p->temp);
		fclose(p->f);
	}
	free(p->temp);
	free(p->path);
	*p = (struct part){ 0 };
}
