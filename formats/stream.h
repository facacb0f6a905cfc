/* stream: a row stream (ic-rows(5)) read from a file or pipe, or written to one. */
#ifndef IC_STREAM_H
#define IC_STREAM_H

#include "formats/frame.h"

struct stream {
	FILE *f;
	char *path;
	unsigned char *buf;                  /* one block; grows to the largest met */
	size_t buf_bytes;
	int64_t total;                       /* rows read so far */
	struct hash hash;
	bool ended;
};

int stream_open(struct stream **, const char *path, struct rows_info *);   /* "-" is stdin */
/* 1 a block, 0 the end (then info has count and id), -1 failed. */
int stream_next(struct stream *, struct rows_info *, struct block *);
/* path: "-" is stdout, else a pipe or device. */
int stream_create(struct stream **, const char *path, const struct rows_info *);
int stream_put(struct stream *, const struct rows_info *, const struct block *, uint64_t id);
int stream_seal(struct stream *, int64_t total, uint64_t id);
void stream_close(struct stream *);

#endif
