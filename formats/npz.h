/* npz: statistics of features as pytorch-fid and its kin keep them: a zip of mu.npy and sigma.npy.
 * Ours have a third member, ic.npy: bytes of text that say how they were made. */
#ifndef IC_NPZ_H
#define IC_NPZ_H

#include "formats/rows.h"

struct npz {
	/* Of the features: width, count (-1 unknown), id, and the receipt as meta; else zero. */
	struct rows_info info;
	double *mean, *cov;                  /* [width], [width][width] symmetric; owned */
};

int npz_is(const char *path);                /* 1 a regular file that begins as a zip does, 0, -1 */
/* Members of other names are not looked at.  0, or -1 after fail() with the struct closed. */
int npz_read(struct npz *, const char *path);
int npz_parse(struct npz *, const char *name, const void *bytes, size_t n);
/* By way of path.part, renamed; "-" is stdout. */
int npz_write(const char *path, const struct npz *, bool force);
void npz_close(struct npz *);                /* accepts a zeroed struct */

#endif
