/* group: products by four warps at once, which a Hopper's tensor cores read out of shared memory by
 * themselves while threads go on (PTX ISA, wgmma.mma_async).  GROUPED: this device has them. */
#ifndef IC_CUDA_GROUP_H
#define IC_CUDA_GROUP_H

#include "kernels/cuda/cuda.h"

enum { GROUP_ROWS = 64, GROUP_COLUMNS = 128, GROUP_DEPTH = 16, GROUP_SUMS = 64 };

/* An operand in shared memory, as the descriptor of the PTX ISA has it, in units of 16 bytes: lines
 * of 64 or 128 bytes whose chunks of 16 are exchanged among each other, by bits 7 and 8 of their
 * address, or by bits 7 to 9.
 *
 *	along    a line has 32 neighbours in k, of one x; next: from 8 lines to the next 8
 *	across   a line has 64 neighbours in x, of one k; next: the same; far: from 64 x to the
 *		 next 64 */
enum { EXCHANGE_128 = 1, EXCHANGE_64 = 2 };

HOST_DEVICE uint64_t group_operand(unsigned at, int along, int far, int next)
{
	uint64_t exchange = along ? EXCHANGE_64 : EXCHANGE_128;

	return (at >> 4 & 0x3fff) | (uint64_t)far << 16 | (uint64_t)next << 32 | exchange << 62;
}

#ifdef __CUDACC__

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define GROUPED 1
#define GROUP_ASM(...) asm volatile(__VA_ARGS__)
#else
#define GROUPED 0
#define GROUP_ASM(...) ((void)0)
#endif

DEVICE unsigned shared_at(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }

/* Before a barrier: what this thread wrote to shared memory is for tensor cores too. */
DEVICE void group_show(void) { GROUP_ASM("fence.proxy.async.shared::cta;" ::: "memory"); }

/* What threads did to their sums is done. */
DEVICE void group_begin(void) { GROUP_ASM("wgmma.fence.sync.aligned;" ::: "memory"); }

/* The products begun since the last commit are one group. */
DEVICE void group_commit(void) { GROUP_ASM("wgmma.commit_group.sync.aligned;" ::: "memory"); }

/* Until all but the last `left` groups are done, of all four warps. */
#define group_wait(left) GROUP_ASM("wgmma.wait_group.sync.aligned %0;" :: "n"(left) : "memory")

/* From here on the sums are what the products made of them. */
DEVICE void group_end(float *d)
{
	UNROLL
	for (int i = 0; i < GROUP_SUMS; i++) GROUP_ASM("" : "+f"(d[i]) :: "memory");
}

#define FOUR(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define SIXTEEN_OF(d, i) FOUR(d, i), FOUR(d, i + 4), FOUR(d, i + 8), FOUR(d, i + 12)
#define GROUP_HALF(d, a, b, ta, tb) \
	GROUP_ASM("{ .reg .pred all; setp.eq.u32 all, 0, 0;" \
		  "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " \
		  "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15," \
		  "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31}," \
		  "%32, %33, all, 1, 1, " #ta ", " #tb "; }" \
		  : SIXTEEN_OF(d, 0), SIXTEEN_OF(d, 16) : "l"(a), "l"(b) : "memory")
#define GROUP_WHOLE(d, a, b, ta, tb) \
	GROUP_ASM("{ .reg .pred all; setp.eq.u32 all, 0, 0;" \
		  "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 " \
		  "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15," \
		  "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31," \
		  "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47," \
		  "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}," \
		  "%64, %65, all, 1, 1, " #ta ", " #tb "; }" \
		  : SIXTEEN_OF(d, 0), SIXTEEN_OF(d, 16), SIXTEEN_OF(d, 32), SIXTEEN_OF(d, 48) \
		  : "l"(a), "l"(b) : "memory")

#define GROUP_MULTIPLY(half, d, a, b, ta, tb) \
	do { \
		if (half) GROUP_HALF(d, a, b, ta, tb); \
		else GROUP_WHOLE(d, a, b, ta, tb); \
	} while (0)

/* Begins d[64][128] += a[64][16] b[16][128] in bf16, or half of its columns.  Of d thread t has row
 * t / 32 * 16 + t % 32 / 4 and the eighth after that, and of each columns 8 j + t % 4 * 2 and the
 * next: d[4 j .. 4 j + 3]. */
DEVICE void group_multiply(int half, float *d, uint64_t a, int a_along, uint64_t b, int b_along)
{
	if (a_along && b_along) GROUP_MULTIPLY(half, d, a, b, 0, 0);
	else if (a_along) GROUP_MULTIPLY(half, d, a, b, 0, 1);
	else if (b_along) GROUP_MULTIPLY(half, d, a, b, 1, 0);
	else GROUP_MULTIPLY(half, d, a, b, 1, 1);
}

#else

#define GROUPED host_grouped()
#define shared_at host_shared_at
#define group_show host_group_show
#define group_begin host_group_begin
#define group_commit host_group_commit
#define group_wait host_group_wait
#define group_multiply host_group_multiply

DEVICE void group_end(const float *d) { (void)d; }

#endif
#endif
