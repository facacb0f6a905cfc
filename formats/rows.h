/* rows: fixed-width rows with keys and optional labels, as a sealed stream (ic-rows(5)) through
 * a pipe or as a sealed LMDB store (ic-store(5)) on disk.  Images, features, neighbours and
 * labels are all rows. */
#ifndef IC_ROWS_H
#define IC_ROWS_H

#include "lib/base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum rows_type {
	ROWS_U8 = 1,                         /* images: height*width*channels bytes, RGB */
	ROWS_F32 = 2,                        /* features */
	ROWS_F16 = 3,                        /* features, half */
	ROWS_U32 = 4,                        /* pseudo-labels and the like */
	ROWS_NEAR = 5,                       /* neighbours: width u32 keys, width f32 distances */
};

struct rows_info {
	char kind[16];                       /* "images", "features", "neighbours", "labels" */
	enum rows_type type;
	int width;                           /* elements a row */
	int height, im_width, channels;      /* images only, else 0 */
	bool labelled;                       /* every row carries a u32 label */
	int64_t count;                       /* rows; -1 unknown (an unsealed or streamed source) */
	uint64_t id;                         /* hash of keys, labels and rows; 0 until sealed */
	uint64_t from;                       /* id of what these rows were computed from; 0 none */
	uint64_t root;                       /* id of the image store of the keys; 0: this one */
	char meta[4096];                     /* "name=value" lines: network, options and the like */
};

size_t rows_bytes(const struct rows_info *);             /* bytes of one row */
uint64_t rows_root(const struct rows_info *);            /* root, or id when this is the root */
/* The value of a meta line into buf; false when there is none. */
bool rows_meta(const struct rows_info *, const char *name, char *buf, size_t size);
int rows_meta_add(struct rows_info *, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));           /* 0; -1 when the meta text is full */

struct block {
	int n;
	const uint64_t *keys;                /* [n] */
	const uint32_t *labels;              /* [n], NULL when not labelled */
	const void *data;                    /* [n][row bytes], 16-byte aligned */
};

struct rows { struct rows_info info; struct rows_state *s; };   /* info: public to read */

/* Reading.  path "-" is stdin; a regular file may hold a stream or a store (told apart by its
 * magic).  All return 0 or -1 after fail(); -1 leaves the struct closed. */
int rows_open(struct rows *, const char *path);
/* 1 a block, 0 the sealed end, -1 failed; borrowed until the next call. */
int rows_next(struct rows *, struct block *);
/* Random access, stores only (rows_is_store): the block from row i to the end of its stored
 * block; zero copy. */
bool rows_is_store(const struct rows *);
int rows_at(struct rows *, int64_t i, struct block *);   /* 0 or -1; from any thread */
/* The first position of key, -1 after fail() when absent; from any thread. */
int64_t rows_find(struct rows *, uint64_t key);
const char *rows_path(const struct rows *);

/* Reads every row and compares with the ids written: fails with the first block that differs;
 * *info has count and id. */
int rows_verify(const char *path, struct rows_info *info);

/* Everything in memory, from stream, store or npy file (npy_rows.h): for what must be held anyway.
 * Free with rows_free. */
struct table { struct rows_info info; uint64_t *keys; uint32_t *labels; void *data; };
int rows_load(struct table *, const char *path);
/* As rows_load, with F16 widened to f32; refuses other types, non-finite rows (named by key);
 * data is float. */
int rows_load_features(struct table *, const char *path);
void rows_free(struct table *);
/* The labels of all rows into *labels, which the caller frees: how many, or -1 after fail(), also
 * where there are none. */
int64_t rows_load_labels(uint32_t **labels, const char *path);

/* Writing.  path NULL or "-": a stream on stdout; else a store at path, written as path.part and
 * renamed when sealed.  Refuses an existing path unless force.  A path.part left by the same
 * command (equal info but count and id) is taken up again: *resume_at is how many rows it
 * already holds (0 for a fresh one); the caller goes on with that row.  resume_at NULL: it is
 * written afresh.  A part of another command is refused unless force. */
int rows_create(struct rows *, const char *path, const struct rows_info *, bool force,
	int64_t *resume_at);
/* Of a command with several outputs: was path finished by a run of it that was killed before `last`
 * was?  Then it is written again, with the same bytes. */
bool rows_again(const char *path, const struct rows_info *, const char *last);
int rows_put(struct rows *, uint64_t key, uint32_t label, const void *row);
/* A row that a path.part taken up should hold: the first, or all one after another.  -1 after
 * fail() where it holds others, as of an input that has changed since. */
int rows_held(struct rows *, uint64_t key, uint32_t label, const void *row);
/* The input had so many rows: -1 after fail() where path.part holds more. */
int rows_ended(const struct rows *, int64_t count);
int rows_seal(struct rows *);                   /* writes count and id; flushes; renames */
void rows_close(struct rows *);                 /* frees, never seals; accepts a zeroed struct */

#endif
