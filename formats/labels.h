/* labels: the keys and labels of any labelled rows, in memory. */
#ifndef IC_LABELS_H
#define IC_LABELS_H

#include "formats/rows.h"

struct labels {
	struct rows_info info;
	uint64_t *keys;                      /* [info.count] */
	uint32_t *labels;                    /* [info.count] */
};

/* "-" is stdin; a store or a stream of any kind.  Refuses rows without labels.  0, or -1 after
 * fail() with the struct closed. */
int labels_open(struct labels *, const char *path);
void labels_close(struct labels *);          /* accepts a zeroed struct */

#endif
