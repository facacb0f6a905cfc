/* npy_rows: feature rows out of an npy file: an array of two axes, or IC-GAN's stored instances. */
#ifndef IC_NPY_ROWS_H
#define IC_NPY_ROWS_H

#include "formats/rows.h"

int npy_rows_is(const char *path);           /* 1 a regular file that begins as npy does, 0, -1 */

/* Floats as f32, by keys 0, 1, ...; labels when a dictionary has them.  0, or -1 after fail(). */
int npy_rows(struct table *, const char *path);

/* The keys that IC-GAN's k-means chose (center_examples), which the caller frees; how many, or -1
 * after fail(). */
int64_t npy_rows_keys(const char *path, uint64_t **keys);

#endif
