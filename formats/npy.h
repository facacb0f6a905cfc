/* npy: NumPy arrays, version 1.0-3.0, read and written without executing anything. */
#ifndef IC_NPY_H
#define IC_NPY_H

#include "formats/safetensors.h"

/* C-order little-endian arrays of the types of enum dtype; t->data is owned (free it).  0 or -1
 * after fail(). */
int npy_read(struct tensor *, const char *path);
int npy_parse(struct tensor *, const char *name, const void *bytes, size_t n);
/* By way of path.part, renamed; "-" is stdout. */
int npy_write(const char *path, const struct tensor *, bool force);
/* What stands in front of the elements; its length, or 0 for a type that npy has not. */
enum { NPY_HEAD = 512 };
size_t npy_head(unsigned char to[NPY_HEAD], const struct tensor *);

#endif
