/* cuda-host: what the two halves of the emulated device tell each other: cuda-host.c runs blocks,
 * cuda-runtime.c has its memory and its launches. */
#ifndef IC_CUDA_HOST_H
#define IC_CUDA_HOST_H

#include "kernels/cuda/cuda.h"

/* The block of host_at, by threads that are fibers. */
void host_block(void (*kernel)(const void *), const void *args, int threads);
void host_grid_done(void);
int host_drawn(int n);                       /* a number below n */
void host_broken(const char *what);          /* says so and ends the program */
bool host_recording(void);                   /* launches are kept for later, not done */

#endif
