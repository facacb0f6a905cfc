/* features: feature rows by position: a store through its map, a stream from memory. */
#ifndef IC_FEATURES_H
#define IC_FEATURES_H

#include "formats/rows.h"

struct features {
	struct rows_info info;
	uint64_t *keys;                      /* [count] */
	uint32_t *labels;                    /* [count], NULL when not labelled */
	struct rows rows;                    /* a store, open, */
	const char **block;                  /* of whose map these are the rows; or */
	struct table table;                  /* a stream's rows */
};

/* "-" is stdin; an npy file is read as npy_rows.h says.  Refuses rows that are not f32 or f16.  0,
 * or -1 after fail() with the struct closed. */
int features_open(struct features *, const char *path);
void features_close(struct features *);      /* accepts a zeroed struct */

/* Rows first .. first+n-1 as to[n][width]; any thread. */
void features_get(const struct features *, int64_t first, int n, float *to);
/* One row as stored (info.type), borrowed. */
const void *features_row(const struct features *, int64_t i);

/* Whether two sets of features can be compared: of one width, made by the same network, weights,
 * protocol and layer as far as both say.  0, or -1 after fail() naming what differs. */
int features_alike(const char *name, const struct rows_info *, const char *other_name,
	const struct rows_info *other);
/* Whether the pictures came to their size, and lost their alpha and orientation, in the same way,
 * as far as both say. */
int features_handled_alike(const char *name, const struct rows_info *, const char *other_name,
	const struct rows_info *other);

#endif
