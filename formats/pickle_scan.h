/* pickle_scan: numbers, texts and lines out of a pickle's bytes, none beyond the end. */
#ifndef IC_PICKLE_SCAN_H
#define IC_PICKLE_SCAN_H

#include <stddef.h>
#include <stdint.h>

struct pickle_scan { const char *name; const uint8_t *start, *p, *end; };

int pickle_scan_bad(const struct pickle_scan *, const char *what);   /* fail() with the place */
uint64_t pickle_scan_left(const struct pickle_scan *);               /* bytes */

/* Each moves p behind what it takes: 0, or -1 after fail(). */
int pickle_scan_number(struct pickle_scan *, int bytes, uint64_t *);   /* little-endian */
/* Bytes behind their length, a number of `width` bytes. */
int pickle_scan_bytes(struct pickle_scan *, int width, const char **text, uint32_t *n);
int pickle_scan_line(struct pickle_scan *, const char **text, uint32_t *n);
/* A line that is a number; the suffix, unless 0, may stand behind it. */
int pickle_scan_integer(struct pickle_scan *, char suffix, int64_t *);
int pickle_scan_real(struct pickle_scan *, double *);

#endif
