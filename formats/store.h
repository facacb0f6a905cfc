/* store: a row store (ic-store(5)) opened for reading, and the names its writer shares. */
#ifndef IC_STORE_H
#define IC_STORE_H

#include "formats/frame.h"

#include <lmdb.h>

/* The two sub-databases.  "meta" has "head" and, once sealed, "end"; "data" has the blocks,
 * numbered from 0 as big-endian u64. */
#define STORE_META "meta"
#define STORE_DATA "data"
#define STORE_HEAD "head"
#define STORE_END "end"

/* Values this long get pages of their own in every LMDB (its pages are at most 32 KiB), so that
 * they begin 16 bytes into a page and rows are aligned. */
enum { STORE_LEAST = 16 << 10 };

struct store;

size_t store_value_bytes(const struct rows_info *, int n);   /* a block of n rows as a value */
/* unsealed: also opens what a writer left behind; info->count is then -1 and only full blocks
 * are there. */
int store_open(struct store **, const char *path, struct rows_info *, bool unsealed);
int64_t store_blocks(const struct store *);
/* From any thread.  id, when not NULL: as the block states it. */
int store_block(struct store *, int64_t number, struct block *, uint64_t *id);
int64_t store_find(struct store *, uint64_t key);
void store_close(struct store *);

/* fail() with LMDB's reason; -1. */
int store_fail(const char *path, const char *what, int rc);

#endif
