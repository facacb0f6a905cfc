/* cpu: the table of the cpu backend: ref's, with what vectors, threads and BLAS make faster. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"
#include "kernels/ref/ref.h"

const struct rows *cpu_rows(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) return &rows_avx512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &rows_avx2;
#endif
	return &rows_base;
}

void cpu_fill(struct backend *b)
{
	ref_fill(b);
	cpu_ew_fill(b);
#define HAS(name) b->op[OP_##name] = cpu_##name, b->scratch[OP_##name] = cpu_##name##_scratch
	HAS(matmul);
	HAS(conv);
	HAS(conv_dx);
	HAS(conv_dw);
	HAS(dwconv);
#undef HAS
}
