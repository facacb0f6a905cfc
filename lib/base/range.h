/* range: a part of the rows of a file, as --rows gives it. */
#ifndef IC_RANGE_H
#define IC_RANGE_H

#include <stdint.h>

/* "A:B", "A:", ":B" or NULL for all: rows *first to *last-1 of count, at least one; 0, or -1 after
 * fail(). */
int range_parse(const char *text, int64_t count, int64_t *first, int64_t *last);

#endif
