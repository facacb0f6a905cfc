/* known: what a file is by its first bytes, in words for messages. */
#ifndef IC_KNOWN_H
#define IC_KNOWN_H

#include <stdbool.h>
#include <stddef.h>

enum { KNOWN_BYTES = 512 };                  /* so many first bytes are enough */

/* "PNG", "a row store", "an empty file", "text", else "a file beginning with 7f 45 4c 46".  Valid
 * until the next call of this thread. */
const char *known_as(const void *first, size_t n);
/* Lines of text: no control characters but tabs and the ends of lines. */
bool known_text(const void *first, size_t n);

#endif
