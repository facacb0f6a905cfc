/* library: the emulated device for tests that ask for a GPU, with an emulated cuBLASLt, unless
 * $IC_CUDA names another. */
#ifndef IC_LIBRARY_H
#define IC_LIBRARY_H

#include "lib/base/fail.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* It is beside the program. */
static void use_library(void)
{
	char path[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);

	must(n > 0 && n < PATH_MAX);
	path[n] = '\0';
	strcpy(strrchr(path, '/'), "/libic-cuda-host.so");
	if (!getenv("IC_CUDA")) setenv("IC_CUBLAS", path, 1);
	setenv("IC_CUDA", path, 0);
}

#endif
