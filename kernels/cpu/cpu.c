/* cpu: the table of the cpu backend: ref's, with what vectors, threads and BLAS make faster. */
#include "kernels/cpu/cpu.h"
#include "kernels/ref/ref.h"

void cpu_fill(struct backend *b)
{
	ref_fill(b);
#define HAS(name) b->op[OP_##name] = cpu_##name, b->scratch[OP_##name] = cpu_##name##_scratch
	HAS(matmul);
	HAS(conv);
	HAS(conv_dx);
	HAS(conv_dw);
	HAS(dwconv);
#undef HAS
}
