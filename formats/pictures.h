/* pictures: those of an image store, a row stream of images or a PAM stream, one by one. */
#ifndef IC_PICTURES_H
#define IC_PICTURES_H

#include "formats/image.h"
#include "formats/pam.h"
#include "formats/rows.h"

struct pictures {
	bool square;                         /* the caller's: only squares of one side; */
	bool by_instance;                    /* keys are those of the instances; */
	const char *range;                   /* only these rows of a store (lib/base/range.h) */
	const char *path;
	int side;                            /* when all are squares of one side, else 0 */
	bool labelled;
	int64_t total;                       /* as announced; -1 unknown */
	int64_t first_row, last_row;         /* of a store: those asked for */
	struct rows rows;                    /* of a store or stream; or */
	struct pam pam;                      /* a PAM stream, read one picture ahead */
	bool is_pam, ended;
	int64_t row;                         /* of a store: the next block's first */
	struct block block;
	int at;                              /* next row of the block */
	struct pam_head first, head;         /* of the first and of the picture read ahead */
	uint8_t *ahead;
};

/* "-" is stdin, as is a pipe given by name.  0, or -1 after fail(). */
int pictures_open(struct pictures *, const char *path);
/* The next picture into *m (rgb is realloc'd, the caller's): 1, 0 at the end, -1 failed. */
int pictures_next(struct pictures *, uint64_t *key, uint32_t *label, struct image *m);
/* What rows made of them inherit: labels, lineage and count.  Keys of generated pictures count in
 * what generated them, keys of instances where these do. */
void pictures_inherit(const struct pictures *, struct rows_info *to);
/* The meta lines of ic-pack that say how pictures came to their size, colours and sides.  0, or -1
 * after fail(). */
int pictures_handling(const struct pictures *, struct rows_info *to);
void pictures_close(struct pictures *);      /* accepts a zeroed struct */

#endif
