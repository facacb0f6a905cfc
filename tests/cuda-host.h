/* cuda-host: what the parts of the emulated device tell each other: cuda-host.c runs blocks,
 * cuda-group.c multiplies by four warps, cuda-runtime.c has its memory and its launches. */
#ifndef IC_CUDA_HOST_H
#define IC_CUDA_HOST_H

#include "kernels/cuda/cuda.h"

/* A sanitizer has memory of its own, where numbers may seem to point. */
#if defined IC_RACES || defined __SANITIZE_ADDRESS__
enum { SHADOWS = 1 };
#else
enum { SHADOWS = 0 };
#endif

/* The block of host_at, by threads that are fibers. */
void host_block(void (*kernel)(const void *), const void *args, int threads);
void host_grid_done(void);
int host_drawn(int n);                       /* a number below n */
void host_broken(const char *what);          /* says so and ends the program */
bool host_recording(void);                   /* launches are kept for later, not done */
/* Until all threads of the block are here; no barrier. */
void host_gather(void);
/* cuda-group.c is told: a block begins, a thread ends, or has its copies in shared memory. */
void host_group_block(void);
void host_group_done(void);
void host_group_wrote(void);

#endif
