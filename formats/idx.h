/* idx: the byte arrays of the MNIST family: 00 00 08 rank, big-endian u32 sizes, bytes; plain or
 * gzipped. */
#ifndef IC_IDX_H
#define IC_IDX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idx {
	int rank, shape[3];                  /* [count] or [count][height][width] */
	/* borrowed from the file's bytes, or owned when it was gzipped */
	const uint8_t *data;
	uint8_t *owned;
};

bool idx_is(const void *bytes, size_t n);    /* begins like an IDX file, or like any gzip file */
/* 0 or -1 after fail() */
int idx_parse(struct idx *, const char *name, const void *bytes, size_t n, int rank);
void idx_close(struct idx *);                /* accepts a zeroed struct */

#endif
