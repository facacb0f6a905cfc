/* device: where a program computes. */
#include "lib/tape/device.h"
#include "lib/base/fail.h"

#include <string.h>

enum { CPU, CUDA, AUTO, REF };

struct backend *device_open(int device, int precision, int threads)
{
	static const char *const gpu[] = { "cuda-f32", "cuda-tf32", "cuda-bf16" };
	struct backend *b = NULL;

	if (device == CUDA || device == AUTO) b = backend_new(gpu[precision], threads);
	if (!b && device == CUDA) {
		fail("--device cuda: %s", backend_why());
		return NULL;
	}
	if (!b) b = backend_new(device == REF ? "ref" : "cpu", threads);
	if (!b) fail("no memory for a backend");
	return b;
}

int device_other(int device, int precision, int threads, struct backend **b)
{
	*b = NULL;
	if (device == CPU) return 0;
	if (!(*b = device_open(device, precision, threads))) return -1;
	if (strcmp((*b)->name, "cpu")) return 0;
	backend_free(*b);
	*b = NULL;
	return 0;
}
