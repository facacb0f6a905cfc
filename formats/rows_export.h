/* rows_export: rows as arrays that others read, npy or safetensors. */
#ifndef IC_ROWS_EXPORT_H
#define IC_ROWS_EXPORT_H

#include "formats/rows.h"

/* An array [count][width], of images [count][height][width][channels]; refuses neighbours, which
 * are two.  By way of out.part; 0 or -1 after fail(). */
int rows_export_npy(const struct table *, const char *out, bool force);

/* Tensors rows (of neighbours ids and distances), keys and, where there are any, labels; lineage
 * and meta lines as metadata. */
int rows_export_safetensors(const struct table *, const char *out, bool force);

#endif
