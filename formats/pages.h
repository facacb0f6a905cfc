/* pages: the pages of an LMDB file, checked before LMDB, which trusts them, is let near. */
#ifndef IC_PAGES_H
#define IC_PAGES_H

#include <stdbool.h>
#include <stdint.h>

/* Is this file an LMDB environment by its first bytes? */
bool pages_sniff(const void *first, int bytes);
enum { PAGES_SNIFF = 24 };

/* Checks that everything LMDB would follow lies inside the file: both meta pages, the trees of
 * the main database, of its sub-databases and of the free list.  whole: the file must end with
 * the last page in use, as a sealed store does.  0 or -1 after fail(). */
int pages_check(const char *path, bool whole);

/* The size a file has when it ends with its last page in use; -1 after fail(). */
int64_t pages_bytes(const char *path);

#endif
