/* frame: the bytes of ic-rows(5): a head, blocks of rows, an end.  A stream is these one after
 * the other; a store (ic-store(5)) keeps the same bytes as the values of a database. */
#ifndef IC_FRAME_H
#define IC_FRAME_H

#include "formats/rows.h"

#define FRAME_MAGIC "ICROWS1\n"

enum {
	FRAME_ALIGN = 16,                    /* each part is padded with zeros to a multiple */
	FRAME_MAX_META = 4095,
	FRAME_FILL = 512 << 10,              /* bytes of rows in a full block, or one row */
	FRAME_MAX_ROW = 64 << 20,
	FRAME_LABELLED = 1,                  /* flags */
};

struct frame_head {
	char magic[8];
	uint32_t type, width;
	int64_t count;
	uint64_t from, root;
	uint32_t flags, meta_bytes;
	char kind[16];
	uint32_t height, im_width, channels, zero;
};                                           /* then the meta text, then zeros */

struct frame_block { uint32_t n, zero; uint64_t id; };   /* then keys, labels, zeros, rows, zeros */
struct frame_end { uint32_t n, zero; uint64_t id, total, zero2; };

/* Can these rows be written or read at all?  0 or -1 after fail(). */
int frame_check(const char *path, const struct rows_info *);

/* The head.  frame_head_put returns its length; frame_head_bytes tells the length, with meta text
 * and padding, from the fixed part alone, or -1 after fail(). */
enum { FRAME_HEAD_MAX = sizeof(struct frame_head) + FRAME_MAX_META + 1 };
size_t frame_head_put(unsigned char out[FRAME_HEAD_MAX], const struct rows_info *);
int frame_head_bytes(const char *path, const struct frame_head *);
int frame_head_get(struct rows_info *, const char *path, const unsigned char *head, size_t bytes);

/* A block of n rows. */
int frame_rows(const struct rows_info *);                 /* rows in a full block */
size_t frame_bytes(const struct rows_info *, int n);      /* a multiple of FRAME_ALIGN */
void frame_put(void *out, const struct rows_info *, const struct block *, uint64_t id);
/* Borrows from frame, which holds frame_bytes(n) bytes and is aligned; -1 after fail() when it is
 * not a block of n rows. */
int frame_get(struct block *, const char *path, const struct rows_info *, const void *frame, int n);

struct frame_end frame_end(int64_t total, uint64_t id);
int frame_end_check(const char *path, const struct frame_end *, int64_t total, uint64_t id);

/* The id of rows: XXH64 over key (8 bytes), label (4, when labelled) and row bytes of each row
 * in turn. */
void frame_hash(struct hash *, const struct rows_info *, const struct block *);

#endif
