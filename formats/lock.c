/* lock: files that one process at a time writes. */
#include "formats/lock.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whoever holds a file may rename or remove it: what was opened must still have the name.
 * busy: another process holds it. */
static int hold(const char *path, bool *busy)
{
	struct stat held, there;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	bool made = fd >= 0, gone;

	*busy = false;
	if (!made && errno == EEXIST) fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0) return fail("%s:", path);
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		*busy = errno == EWOULDBLOCK;
		if (*busy) fail("%s: another program is writing it", path);
		else fail("%s: lock:", path);
		if (made && !*busy) unlink(path);
	} else if (fstat(fd, &held) || ((gone = stat(path, &there)) && errno != ENOENT)) {
		fail("%s: stat:", path);
		if (made) unlink(path);
	} else if (!S_ISREG(held.st_mode)) {
		fail("%s: not a regular file", path);
	} else if (gone || there.st_ino != held.st_ino || there.st_dev != held.st_dev) {
		fail("%s: another program has just finished it", path);
	} else {
		return fd;
	}
	close(fd);
	return -1;
}

int lock_open(const char *path)
{
	bool busy;
	return hold(path, &busy);
}

/* The number that the holder has written, when it has. */
static int name_holder(const char *name, const char *path)
{
	char pid[16] = "?";
	FILE *f = fopen(path, "re");

	if (f && fscanf(f, "%15[0-9]", pid) != 1) strcpy(pid, "?");
	if (f) fclose(f);
	return fail("%s: another %s (pid %s) writes it", name, common.program, pid);
}

int lock_take(struct lock *l, const char *name)
{
	char *path = mem_text("%s.lock", name);
	bool busy;

	*l = (struct lock){ hold(path, &busy), path };
	if (l->fd >= 0 && !ftruncate(l->fd, 0) && dprintf(l->fd, "%ld\n", (long)getpid()) > 0)
		return 0;
	if (busy) name_holder(name, path);
	else if (l->fd >= 0) fail("%s:", path);
	if (l->fd >= 0) lock_drop(l);
	else free(path);
	*l = (struct lock){ 0 };
	return -1;
}

void lock_drop(struct lock *l)
{
	if (!l->path) return;
	unlink(l->path);
	close(l->fd);
	free(l->path);
	*l = (struct lock){ 0 };
}
