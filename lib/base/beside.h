/* beside: files that come with the programs: in ../share/ic when installed, in pipelines in the
 * source tree. */
#ifndef IC_BESIDE_H
#define IC_BESIDE_H

#include <limits.h>

/* The place of a file of a kind ("weights", "presets"); 0, or -1 after fail(). */
int beside_find(const char *kind, const char *file, char path[PATH_MAX]);

/* The place of weights: in the folder $IC_WEIGHTS where that is set, else beside_find's. */
int beside_weights(const char *file, char path[PATH_MAX]);

#endif
