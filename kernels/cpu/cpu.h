/* cpu: the kernels of the cpu backend.  Private to kernels. */
#ifndef IC_CPU_H
#define IC_CPU_H

#include "kernels/kernels.h"

enum { CPU_ALONE = 65536 };                  /* elements not worth a second thread */

int cpu_fill(struct backend *);              /* the whole table; 0 */

/* ew.c, chain.c: all element-wise ops and sum_to */
void cpu_ew_fill(struct backend *);
void cpu_chain(struct backend *, const struct chain *);
size_t cpu_chain_scratch(struct backend *, const struct chain *);

/* move.c, max2.c, pool.c, reduce.c, fir.c */
op_fn cpu_slice, cpu_pad, cpu_concat, cpu_permute, cpu_pick, cpu_place, cpu_up2, cpu_max2_pick,
	cpu_max2_place;
op_fn cpu_moments, cpu_softmax, cpu_sum2, cpu_fir, cpu_maxpool, cpu_avgpool;
op_scratch cpu_moments_scratch, cpu_fir_scratch;

/* conv.c, dw.c, gemm.c, power.c, attention.c */
op_fn cpu_conv, cpu_conv_dx, cpu_conv_dw, cpu_conv_act, cpu_dwconv_act, cpu_matmul, cpu_power,
	cpu_attention, cpu_attention_back;
size_t cpu_packed(struct backend *, struct shape y, const struct shape *x, const struct attr *);
void cpu_pack(struct backend *, float *to, struct shape y, const struct view *x,
	const struct attr *);
op_scratch cpu_conv_act_scratch, cpu_conv_scratch, cpu_conv_dx_scratch, cpu_conv_dw_scratch;
op_scratch cpu_matmul_scratch, cpu_power_scratch, cpu_attention_scratch,
	cpu_attention_back_scratch;

#endif
