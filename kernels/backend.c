/* backend: tables of kernels by name. */
#include "kernels/kernels.h"
#include "kernels/ref/ref.h"
#ifndef IC_DOUBLE
#include "kernels/cpu/cpu.h"
#endif

#include <omp.h>
#include <stdlib.h>
#include <string.h>

const char *const op_name[OP_COUNT] = {
#define OP(name, inputs, klass, what) [OP_##name] = #name,
#include "kernels/ops.def"
#undef OP
};

const int op_inputs[OP_COUNT] = {
#define OP(name, inputs, klass, what) [OP_##name] = inputs,
#include "kernels/ops.def"
#undef OP
};

const enum op_class op_klass[OP_COUNT] = {
#define OP(name, inputs, klass, what) [OP_##name] = klass,
#include "kernels/ops.def"
#undef OP
};

static const struct { const char *name; void (*fill)(struct backend *); } known[] = {
	{ "ref", ref_fill },
#ifndef IC_DOUBLE
	{ "cpu", cpu_fill },
#endif
};

struct backend *backend_new(const char *name, int threads)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(name, known[i].name)) continue;
		struct backend *b = calloc(1, sizeof *b);
		if (!b) return NULL;
		b->name = known[i].name;
		b->threads = threads > 0 ? threads : omp_get_max_threads();
		known[i].fill(b);
		return b;
	}
	return NULL;
}

void backend_free(struct backend *b)
{
	if (!b) return;
	free(b->work);
	free(b);
}

int backend_reserve(struct backend *b, size_t bytes)
{
	if (bytes <= b->work_bytes) return 0;
	if (bytes > SIZE_MAX - 63) return -1;
	void *work = aligned_alloc(64, (bytes + 63) / 64 * 64);
	if (!work) return -1;
	free(b->work);
	b->work = work;
	b->work_bytes = bytes;
	return 0;
}

const char *backend_names(void)
{
#ifdef IC_DOUBLE
	return "ref";
#else
	return "ref, cpu";
#endif
}
