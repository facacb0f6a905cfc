/* tar: the regular files and links of a tar archive held in memory, in order: ustar, GNU long names
 * and sizes, PAX. */
#ifndef IC_TAR_H
#define IC_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* borrowed from the caller */
struct tar { const char *path; const uint8_t *bytes; size_t n, at; };

/* bytes: borrowed from the archive; a link has none, and what it leads to may be anywhere */
struct tar_member { char name[4096]; const uint8_t *bytes; size_t size; bool link; };

bool tar_is(const void *bytes, size_t n);    /* begins with a header whose checksum holds */
void tar_start(struct tar *, const char *path, const void *bytes, size_t n);
/* Next regular file or link; folders and devices are passed over.  1 a member, 0 the end mark, -1
 * after fail(). */
int tar_next(struct tar *, struct tar_member *);

#endif
