/* map: a whole regular file mapped for reading. */
#ifndef IC_MAP_H
#define IC_MAP_H

#include <stddef.h>

struct map { void *p; size_t bytes; };

/* Refuses files under `least` (1 or more) bytes; 0 or -1 */
int map_open(struct map *, const char *path, size_t least);
void map_close(struct map *);                /* accepts a zeroed struct */

#endif
