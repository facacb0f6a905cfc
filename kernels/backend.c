/* backend: tables of kernels by name. */
#include "kernels/kernels.h"
#include "kernels/ref/ref.h"
#ifndef IC_DOUBLE
#include "kernels/cpu/cpu.h"
#endif

#include <dlfcn.h>
#include <limits.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char reason[PATH_MAX + 128];

const char *backend_why(void)
{
	return reason;
}

#ifndef IC_DOUBLE

/* $IC_CUDA, or ../lib/libic-cuda.so as seen from the program. */
static void library_path(char *path, size_t size)
{
	const char *given = getenv("IC_CUDA");
	ssize_t n = readlink("/proc/self/exe", path, size - 1);

	if (given && *given) {
		snprintf(path, size, "%s", given);
		return;
	}
	path[n < 0 ? 0 : n] = '\0';
	char *slash = strrchr(path, '/');
	size_t at = slash ? (size_t)(slash - path) : 0;
	snprintf(path + at, size - at, "/../lib/libic-cuda.so");
}

/* The library stays loaded: what it made may outlive any one backend. */
static int cuda_fill(struct backend *b, int precision)
{
	char path[PATH_MAX + 32];
	int (*open)(struct backend *, int);

	library_path(path, sizeof path);
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		snprintf(reason, sizeof reason, "%s", dlerror());
		return -1;
	}
	*(void **)&open = dlsym(library, "ic_cuda_open");
	if (!open) {
		snprintf(reason, sizeof reason, "%s: found no ic_cuda_open in it", path);
		return -1;
	}
	if (!open(b, precision)) return 0;
	const char *fault = b->fault ? b->fault(b) : NULL;
	snprintf(reason, sizeof reason, "%s", fault ? fault : "no memory");
	return -1;
}

static int cuda_f32_fill(struct backend *b) { return cuda_fill(b, 0); }
static int cuda_tf32_fill(struct backend *b) { return cuda_fill(b, 1); }
static int cuda_bf16_fill(struct backend *b) { return cuda_fill(b, 2); }

#endif

static const struct { const char *name; int (*fill)(struct backend *); } known[] = {
	{ "ref", ref_fill },
#ifndef IC_DOUBLE
	{ "cpu", cpu_fill },
	{ "cuda-f32", cuda_f32_fill },
	{ "cuda-tf32", cuda_tf32_fill },
	{ "cuda-bf16", cuda_bf16_fill },
#endif
};

struct backend *backend_new(const char *name, int threads)
{
	snprintf(reason, sizeof reason, "%s: no such backend, expected one of %s", name,
		 backend_names());
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(name, known[i].name)) continue;
		struct backend *b = calloc(1, sizeof *b);
		if (!b) return NULL;
		b->name = known[i].name;
		b->threads = threads > 0 ? threads : omp_get_max_threads();
		if (!known[i].fill(b)) return b;
		backend_free(b);
	}
	return NULL;
}

void backend_free(struct backend *b)
{
	if (!b) return;
	backend_give(b, b->work);
	if (b->close) b->close(b);
	free(b);
}

void *backend_take(struct backend *b, size_t bytes)
{
	if (b->take) return b->take(b, bytes);
	return bytes > SIZE_MAX - 64 ? NULL : aligned_alloc(64, (bytes + 64) / 64 * 64);
}

void backend_give(struct backend *b, void *p)
{
	if (!p) return;
	if (b->give) b->give(b, p);
	else free(p);
}

void backend_put(struct backend *b, void *to, const void *from, size_t bytes)
{
	if (b->put) b->put(b, to, from, bytes);
	else memcpy(to, from, bytes);
}

void backend_get(struct backend *b, void *to, const void *from, size_t bytes)
{
	if (b->get) b->get(b, to, from, bytes);
	else if (bytes) memcpy(to, from, bytes);
}

void backend_copy(struct backend *b, void *to, const void *from, size_t bytes)
{
	if (b->copy) b->copy(b, to, from, bytes);
	else memcpy(to, from, bytes);
}

void backend_wait(struct backend *b)
{
	backend_get(b, NULL, NULL, 0);
}

const char *backend_fault(struct backend *b)
{
	return b->fault ? b->fault(b) : NULL;
}

int backend_reserve(struct backend *b, size_t bytes)
{
	if (bytes <= b->work_bytes) return 0;
	void *work = backend_take(b, bytes);
	if (!work) return -1;
	backend_give(b, b->work);
	b->work = work;
	b->work_bytes = bytes;
	return 0;
}

const char *backend_names(void)
{
#ifdef IC_DOUBLE
	return "ref";
#else
	return "ref, cpu, cuda-f32, cuda-tf32, cuda-bf16";
#endif
}
