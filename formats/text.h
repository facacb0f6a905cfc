/* text: rows as lines, the portable twin of ic-rows(5); the lines are described in ic-store(1). */
#ifndef IC_TEXT_H
#define IC_TEXT_H

#include "formats/rows.h"

const char *text_type(enum rows_type);                        /* "u8" */
/* What cannot be written is left to ferror(). */
void text_head(FILE *, const struct rows_info *);
void text_row(FILE *, const struct rows_info *, uint64_t key, uint32_t label, const void *row);
void text_end(FILE *);

struct text { FILE *f; const char *path; int64_t line; void *row; };

/* "-" is stdin; reads the head. */
int text_open(struct text *, const char *path, struct rows_info *);
/* The next row into *key, *label and t->row: 1 a row, 0 the end, -1 failed. */
int text_next(struct text *, const struct rows_info *, uint64_t *key, uint32_t *label);
void text_close(struct text *);

#endif
