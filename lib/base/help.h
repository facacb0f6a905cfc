/* help: what opt prints about a table: --help, --version, --completion, and the hint after a
 * misspelt name. */
#ifndef IC_HELP_H
#define IC_HELP_H

#include "lib/base/opt.h"

#include <stddef.h>

void help_print(const char *usage, const char *summary, const struct opt *, int count);
void help_version(void);
void help_completion(const struct opt *, int count);     /* a bash script */
/* NULL: nothing like it */
const char *help_nearest(const struct opt *, int count, const char *name, size_t len);

/* The present value as text, cut to size; returns its whole length, -1 for a string never given. */
int opt_text(const struct opt *, char *buf, size_t size);

#endif
