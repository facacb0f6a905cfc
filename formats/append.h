/* append: a row store being written, as PATH.part, and renamed when sealed. */
#ifndef IC_APPEND_H
#define IC_APPEND_H

#include "formats/store.h"

struct append;

/* What a part holds: how many rows, their hash, and that of the first alone. */
struct held { int64_t rows; struct hash hash; uint64_t first; };

/* resume: takes up a part whose head is the same.  0 or -1 after fail(). */
int append_create(struct append **, const char *path, const struct rows_info *, bool force,
	bool resume, struct held *);
/* Is path the finished store of the same command: with the same head? */
bool append_is_same(const char *path, const struct rows_info *);
/* Full blocks, and a shorter one at the end. */
int append_put(struct append *, const struct block *, uint64_t id);
int append_seal(struct append *, int64_t total, uint64_t id);
void append_close(struct append *);          /* leaves a part of blocks to resume */

#endif
