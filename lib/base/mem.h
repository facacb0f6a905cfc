/* mem: checked sizes and memory. */
#ifndef IC_MEM_H
#define IC_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Small host allocations: zeroed; the program ends when there is no memory.  Free with free(). */
void *mem_new(size_t count, size_t size);
void *mem_grow(void *p, size_t count, size_t size);   /* realloc; new bytes are not zeroed */
/* owned by the caller */
char *mem_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A stream into memory: *text and *n are set, all of it there, when it is closed; free(*text). */
FILE *mem_stream(char **text, size_t *n);
void mem_stream_close(FILE *);

/* Arenas and data-set sized buffers: 64-byte aligned, not zeroed; NULL after fail() with the size
 * wanted and what it is for.  Free with free(). */
void *mem_big(size_t count, size_t size, const char *what);

/* a * b into *out; false on overflow. */
bool mem_mul(size_t a, size_t b, size_t *out);

int64_t mem_peak_bytes(void);                /* peak resident set of this process */

#endif
