/* keys: lists of keys as text, one a line, or as IC-GAN's k-means writes them. */
#ifndef IC_KEYS_H
#define IC_KEYS_H

#include <stdint.h>
#include <stdio.h>

/* The first fields of the lines, less empty lines and those that begin with '#', so that rows as
 * text will do; or center_examples of an npy file.  path "-" is stdin.  How many, into *list,
 * which the caller frees; or -1 after fail(). */
int64_t keys_read(const char *path, uint64_t **list);
int64_t keys_scan(FILE *, const char *name, uint64_t **list);

#endif
