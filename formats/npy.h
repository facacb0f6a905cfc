/* npy: NumPy arrays, version 1.0-3.0, read and written without executing anything. */
#ifndef IC_NPY_H
#define IC_NPY_H

#include "formats/safetensors.h"

/* An array whose elements have not been looked at. */
struct npy_array {
	const char *name;                    /* for messages */
	enum dtype type;                     /* 0: Python's objects, which `bytes` pickles */
	int rank;
	int64_t shape[8];
	bool swap, fortran;                  /* big-endian; the first axis innermost */
	const void *bytes; size_t n;         /* borrowed */
};
/* The header of an npy file of n bytes. */
int npy_open(struct npy_array *, const char *name, const void *bytes, size_t n);
/* type and swap from "<f4" and the like. */
int npy_type(struct npy_array *, const char *text);
/* The elements in C order and this machine's bytes; t->data is owned.  Refuses objects. */
int npy_elements(struct tensor *, const struct npy_array *);

/* Both at once.  0 or -1 after fail(), as above. */
int npy_read(struct tensor *, const char *path);
int npy_parse(struct tensor *, const char *name, const void *bytes, size_t n);
/* By way of path.part, renamed; "-" is stdout. */
int npy_write(const char *path, const struct tensor *, bool force);
/* What stands in front of the elements; its length, or 0 for a type that npy has not. */
enum { NPY_HEAD = 512 };
size_t npy_head(unsigned char to[NPY_HEAD], const struct tensor *);

#endif
