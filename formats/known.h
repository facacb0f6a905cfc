/* known: what a file is by its first bytes, in words for messages. */
#ifndef IC_KNOWN_H
#define IC_KNOWN_H

#include <stdbool.h>
#include <stddef.h>

enum { KNOWN_BYTES = 512 };                  /* so many first bytes are enough */

/* Reads them: how many there are; 0 also of what is no regular file, which is not touched; -1
 * after fail(). */
int known_first(const char *path, unsigned char first[KNOWN_BYTES]);
/* "PNG", "a row store", "an empty file", "text", else "a file beginning with 7f 45 4c 46".  Valid
 * until the next call of this thread. */
const char *known_as(const void *first, size_t n);
/* Lines of text: no control characters but tabs and the ends of lines. */
bool known_text(const void *first, size_t n);

#endif
