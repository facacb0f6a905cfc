/* part: an output file that is whole or absent: written as NAME.part, synced, renamed; "-" is
 * stdout. */
#ifndef IC_PART_H
#define IC_PART_H

#include <stdbool.h>
#include <stdio.h>

struct part { FILE *f; char *path, *temp; bool force; };

int part_exists(const char *path);            /* 1, 0 nothing has that name, -1 after fail() */
bool part_begins(FILE *, const void *head, size_t n);   /* so?  Moves its place. */
/* Refuses an existing file unless force, and a folder; devices and pipes are written to.  0, or -1
 * after fail(). */
int part_check(const char *path, bool force);
/* The same, and begins to write. */
int part_open(struct part *, const char *path, bool force);
int part_close(struct part *);   /* flush, fsync, rename; on -1 NAME.part is gone */
int part_sync_folder(const char *path);      /* fsync of the folder that path is in; 0 or -1 */
void part_drop(struct part *);   /* gives up: removes NAME.part; also when closed */

#endif
