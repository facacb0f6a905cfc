/* idx: the byte arrays of the MNIST family: 00 00 08 rank, big-endian u32 sizes, bytes; plain or gzipped. */
#ifndef IC_IDX_H
#define IC_IDX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idx {
	int rank, shape[3];                  /* [count] or [count][height][width] */
	const uint8_t *data;                 /* borrowed from the file's bytes, or owned when it was gzipped */
	uint8_t *owned;
};

bool idx_is(const void *bytes, size_t n);    /* begins like an IDX file, or like any gzip file */
int idx_parse(struct idx *, const char *name, const void *bytes, size_t n, int rank);   /* 0 or -1 after fail() */
void idx_close(struct idx *);                /* accepts a zeroed struct */

#endif
