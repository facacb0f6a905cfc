/* cpu: the table of the cpu backend: ref's, with what vectors, threads and BLAS make faster. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"
#include "kernels/ref/ref.h"

const struct rows *cpu_rows(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
		return &rows_avx512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &rows_avx2;
#endif
	return &rows_base;
}

int cpu_fill(struct backend *b)
{
	ref_fill(b);
	cpu_ew_fill(b);
#define HAS(name) b->op[OP_##name] = cpu_##name
#define HAS_SCRATCH(name) HAS(name), b->scratch[OP_##name] = cpu_##name##_scratch
	HAS(slice);
	HAS(pad);
	HAS(concat);
	HAS(permute);
	HAS(pick);
	HAS(place);
	HAS(up2);
	HAS(max2_pick);
	HAS(max2_place);
	HAS(softmax);
	HAS(sum2);
	HAS_SCRATCH(moments);
	HAS_SCRATCH(fir);
	HAS_SCRATCH(matmul);
	HAS_SCRATCH(power);
	HAS_SCRATCH(attention);
	HAS_SCRATCH(attention_back);
	HAS_SCRATCH(conv);
	HAS_SCRATCH(conv_dx);
	HAS_SCRATCH(conv_dw);
	HAS_SCRATCH(conv_act);
	b->packed = cpu_packed;
	b->pack = cpu_pack;
	HAS(dwconv_act);
	HAS(maxpool);
	HAS(avgpool);
#undef HAS
#undef HAS_SCRATCH
	b->sift = b->sift_kth = NULL;        /* lib/stat/pass.h is for processors */
	return 0;
}
