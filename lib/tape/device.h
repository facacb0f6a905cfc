/* device: where a program computes, as its options say. */
#ifndef IC_DEVICE_H
#define IC_DEVICE_H

#include "kernels/kernels.h"

#define DEVICES "cpu|cuda|auto|ref"          /* auto: cuda where a GPU answers, else cpu */
#define PRECISIONS "f32|tf32|bf16" /* how products on a GPU read their factors; sums are f32 */

enum { DEVICE_BF16 = 2 };                    /* its index */

/* device, precision: indices into the words above.  NULL after fail(), with the reason; free it
 * with backend_free(). */
struct backend *device_open(int device, int precision, int threads);
/* The same for what has a way of its own on the processor, which is *b NULL.  0, or -1. */
int device_other(int device, int precision, int threads, struct backend **b);

#endif
