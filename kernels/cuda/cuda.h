/* cuda: what the kernels are written in: CUDA C, in the part of it that is also C, so that gcc can
 * compile them over an emulated device (tests/cuda-host.c) and run them where no GPU is.
 *
 * A kernel takes one struct, seen as `a`; its threads are in one dimension, THREADS of them unless
 * it says otherwise. */
#ifndef IC_CUDA_H
#define IC_CUDA_H

#include "kernels/kernels.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { THREADS = 256, WARP = 32 };

enum precision { PRECISION_F32, PRECISION_TF32, PRECISION_BF16 };   /* operands of products */

/* Each file puts its ops into the table. */
void cuda_chain_fill(struct backend *);
void cuda_move_fill(struct backend *);
void cuda_matmul_fill(struct backend *);
void cuda_attention_fill(struct backend *);
void cuda_conv_fill(struct backend *);
void cuda_adam_fill(struct backend *);
void cuda_power_fill(struct backend *);
void cuda_sift_fill(struct backend *);

/* The steps of a chain run over its space; the sums of its sum_to steps are multiplied by factor.
 */
void cuda_chain_scaled(struct backend *, const struct chain *, double factor);
void cuda_after(struct backend *, const char *kernel);   /* notes the first error with its name */
void cuda_failed(struct backend *, const char *what, const char *why);   /* the first is kept */
int cuda_precision(const struct backend *);

#ifdef __CUDACC__

#include <cuda_runtime.h>

cudaStream_t cuda_stream(struct backend *);

#define KERNEL(name, type)                                                                         \
	static __global__ void __launch_bounds__(THREADS) name(const __grid_constant__ type a)
/* of so many threads, and of which each processor has so many blocks at once, at least; to ask for
 * one is not the same as not to ask: the compiler then takes more registers */
#define KERNEL_OF(threads, blocks, name, type)                                                     \
	static __global__ void __launch_bounds__(threads, blocks)                                  \
		name(const __grid_constant__ type a)
#define LAUNCH_OF(threads, b, name, gx, gy, gz, args) \
	do { \
		name<<<dim3((unsigned)(gx), (unsigned)(gy), (unsigned)(gz)), threads, 0, \
		       cuda_stream(b)>>>(args); \
		cuda_after(b, #name); \
	} while (0)
#define DEVICE static __device__ __forceinline__
#define HOST_DEVICE static __host__ __device__ __forceinline__
#define SHARED __shared__ __align__(1024)    /* as group.h wants it */
#define SIXTEEN __align__(16)                /* bytes: where it lies */
#define THREAD ((int)threadIdx.x)
#define BLOCK_X ((int)blockIdx.x)
#define BLOCK_Y ((int)blockIdx.y)
#define BLOCK_Z ((int)blockIdx.z)
#define GRID_X ((int)gridDim.x)
#define UNROLL _Pragma("unroll")
#define UNROLL_BY(n) UNROLL_PRAGMA(unroll n)
#define UNROLL_PRAGMA(text) _Pragma(#text)

DEVICE void sync_threads(void) { __syncthreads(); }
DEVICE float shuffle_xor(float v, int lanes) { return __shfl_xor_sync(0xffffffffu, v, lanes); }
DEVICE uint32_t float_bits(float x) { return __float_as_uint(x); }
DEVICE float bits_float(uint32_t x) { return __uint_as_float(x); }
DEVICE unsigned high_word(unsigned a, unsigned b) { return __umulhi(a, b); }
DEVICE uint32_t bits_set(uint32_t x) { return (uint32_t)__popc(x); }
/* n, of which the compiler keeps one register: it may carry an index about as two, for addresses */
DEVICE unsigned one_word(unsigned n) { asm("" : "+r"(n)); return n; }
/* returns what was there */
DEVICE uint32_t add_atomic(uint32_t *to, uint32_t n) { return atomicAdd(to, n); }

/* Two words that lie on 8 bytes. */
DEVICE void read_two(const void *from, uint32_t w[2])
{
	uint2 two = *(const uint2 *)from;
	w[0] = two.x, w[1] = two.y;
}

DEVICE void write_two(void *to, const uint32_t w[2])
{
	*(uint2 *)to = make_uint2(w[0], w[1]);
}

/* Four numbers that lie on 16 bytes. */
DEVICE void read_four(const float *from, float v[4])
{
	float4 four = *(const float4 *)from;
	v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
}

DEVICE void write_four(float *to, const float v[4])
{
	*(float4 *)to = make_float4(v[0], v[1], v[2], v[3]);
}

/* Begins a copy of 16 bytes into shared memory; zeros when there is nothing to copy. */
DEVICE void copy_async(void *to, const void *from, bool any)
{
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
		     :: "r"((unsigned)__cvta_generic_to_shared(to)), "l"(from), "r"(any ? 16 : 0)
		     : "memory");
}

/* The copies begun since the last commit are one group. */
DEVICE void copy_commit(void) { asm volatile("cp.async.commit_group;" ::: "memory"); }

/* Until all but the last `left` groups of this thread are there. */
#define copy_wait(left) asm volatile("cp.async.wait_group %0;" :: "n"(left) : "memory")

/* Four 8x8 matrices of 16 bits, or of 8 rows by 4 words: lane l gives the address of row l % 8 of
 * matrix l / 8, and gets of each word l % 4 of row l / 4; transposed: rows 2 (l % 4) and the next
 * of column l / 4. */
DEVICE void load_matrices(uint32_t w[4], const void *row, bool transposed)
{
	unsigned at = (unsigned)__cvta_generic_to_shared(row);

	if (transposed)
		asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
			     : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3]) : "r"(at) : "memory");
	else
		asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
			     : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3]) : "r"(at) : "memory");
}

/* d[16][8] += a[16][8] b[8][8] by one warp, in tf32. */
DEVICE void mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2])
{
	asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
		     "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
		     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
		     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* d[16][8] += a[16][16] b[16][8] by one warp, in bf16. */
DEVICE void mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
		     "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
		     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
		     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#else

/* A block runs alone, its threads as fibers: what they share is static. */
struct host_place { int thread, block[3], grid_x; };
extern struct host_place host_at;
void host_run(void (*kernel)(const void *), const char *name, const void *args, size_t bytes,
	      int threads, int gx, int gy, int gz);
/* memory of the device: for kernels and copies only */
void *host_take(size_t bytes);
void host_give(void *);
/* within the device, and from there to the host: after all that was begun */
void host_copy(void *to, const void *from, size_t bytes);
void host_fetch(void *to, const void *from, size_t bytes);
/* begun: at the next kernel, copy or settle `from` is read */
void host_send(void *to, const void *from, size_t bytes);
void host_settle(void);
void host_record(void);                      /* from here on kernels are kept, not run */
void *host_recorded(void);
void host_repeat(void *);
void host_forget(void *);
void host_sync(void);                        /* until all threads of the block are here */
void *host_aligned(const void *p, int bytes);   /* p, on as many, or the program ends */
float host_xor(float v, int lanes);          /* of the thread of the warp that is `lanes` away */
void host_copy_async(void *to, const void *from, bool any);   /* done when it is waited for */
void host_copy_commit(void);
void host_copy_wait(int left);
void host_load_matrices(uint32_t w[4], const void *row, bool transposed);
void host_mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2]);
void host_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2]);
bool host_grouped(void);                     /* group.h: what it is of */
unsigned host_shared_at(const void *p);
void host_group_show(void);
void host_group_begin(void);
void host_group_multiply(int half, float *d, uint64_t a, int a_along, uint64_t b, int b_along);
void host_group_commit(void);
void host_group_wait(int left);

#define KERNEL_OF(threads, blocks, name, type) KERNEL(name, type)
#define KERNEL(name, type) \
	static void name##_body(const type a); \
	static void name(const void *args) { name##_body(*(const type *)args); } \
	static void name##_body(const type a)
#define LAUNCH_OF(threads, b, name, gx, gy, gz, args) \
	((void)(b), host_run(name, #name, &(args), sizeof(args), threads, (int)(gx), (int)(gy), \
			     (int)(gz)))
#define DEVICE static inline
#define HOST_DEVICE static inline
#define SHARED static _Alignas(1024) __attribute__((section("ic_shared")))   /* to be found */
#define SIXTEEN _Alignas(16)
#define THREAD host_at.thread
#define BLOCK_X host_at.block[0]
#define BLOCK_Y host_at.block[1]
#define BLOCK_Z host_at.block[2]
#define GRID_X host_at.grid_x
#define UNROLL
#define UNROLL_BY(n)
#define sync_threads host_sync
#define shuffle_xor host_xor
#define copy_async host_copy_async
#define copy_commit host_copy_commit
#define copy_wait host_copy_wait
#define load_matrices host_load_matrices
#define mma_tf32 host_mma_tf32
#define mma_bf16 host_mma_bf16

DEVICE unsigned high_word(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
DEVICE uint32_t bits_set(uint32_t x) { return (uint32_t)__builtin_popcount(x); }
DEVICE unsigned one_word(unsigned n) { return n; }

DEVICE uint32_t add_atomic(uint32_t *to, uint32_t n)
{
	return __atomic_fetch_add(to, n, __ATOMIC_RELAXED);
}

DEVICE void read_two(const void *from, uint32_t w[2]) { memcpy(w, host_aligned(from, 8), 8); }
DEVICE void write_two(void *to, const uint32_t w[2]) { memcpy(host_aligned(to, 8), w, 8); }
DEVICE void read_four(const float *from, float v[4]) { memcpy(v, host_aligned(from, 16), 16); }
DEVICE void write_four(float *to, const float v[4]) { memcpy(host_aligned(to, 16), v, 16); }

DEVICE uint32_t float_bits(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, 4);
	return bits;
}

DEVICE float bits_float(uint32_t bits)
{
	float x;
	memcpy(&x, &bits, 4);
	return x;
}

#endif

#define LAUNCH(b, name, gx, gy, gz, args) LAUNCH_OF(THREADS, b, name, gx, gy, gz, args)

/* The nearest of the numbers that tensor cores read: 10 bits of mantissa, ties to even; NaN and
 * infinity stay. */
DEVICE uint32_t round_tf32(float x)
{
	uint32_t u = float_bits(x);
	if ((u & 0x7f800000u) == 0x7f800000u) return u;
	return (u + 0xfffu + ((u >> 13) & 1u)) & 0xffffe000u;
}

/* ... 7 bits: of x in the lower half of the word, of y in the upper. */
DEVICE uint32_t round_two(float x, float y)
{
#ifdef __CUDACC__
	uint32_t w;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(w) : "f"(y), "f"(x));
	return w;
#else
	uint32_t u[2] = { float_bits(x), float_bits(y) };
	for (int k = 0; k < 2; k++)
		u[k] = (u[k] & 0x7fffffffu) > 0x7f800000u ? 0x7fffu
			: (u[k] + 0x7fffu + ((u[k] >> 16) & 1u)) >> 16;
	return u[0] | u[1] << 16;
#endif
}

DEVICE uint32_t round_bf16(float x)
{
	return round_two(x, 0) & 0xffffu;
}

DEVICE float from_bf16(uint32_t half)
{
	return bits_float(half << 16);
}

/* Numbers in memory: of f32, or of bf16. */
struct data { void *p; int bf16; };

static inline struct data data_of(struct view v)
{
	struct data d = { v.p, v.bf16 };
	return d;
}

HOST_DEVICE size_t data_bytes(int bf16, size_t n)
{
	return n * (bf16 ? sizeof(uint16_t) : sizeof(float));
}

/* ... in scratch, whose pieces begin on 256. */
static inline size_t scratch_bytes(int bf16, size_t n)
{
	return (data_bytes(bf16, n) + 255) / 256 * 256;
}

/* From number n on; NULL stays. */
HOST_DEVICE struct data data_from(struct data d, size_t n)
{
	struct data r = { d.p ? (char *)d.p + data_bytes(d.bf16, n) : NULL, d.bf16 };
	return r;
}

DEVICE float data_get(struct data d, size_t i)
{
	return d.bf16 ? from_bf16(((const uint16_t *)d.p)[i]) : ((const float *)d.p)[i];
}

DEVICE void data_put(struct data d, size_t i, float x)
{
	if (d.bf16) ((uint16_t *)d.p)[i] = (uint16_t)round_bf16(x);
	else ((float *)d.p)[i] = x;
}

/* Four, of which the first is number i, a multiple of four. */
DEVICE void data_get4(struct data d, size_t i, float v[4])
{
	uint32_t w[2];

	if (!d.bf16) {
		read_four((const float *)d.p + i, v);
		return;
	}
	read_two((const uint16_t *)d.p + i, w);
	UNROLL
	for (int k = 0; k < 2; k++) {
		v[2 * k] = bits_float(w[k] << 16);
		v[2 * k + 1] = bits_float(w[k] & 0xffff0000u);
	}
}

DEVICE void data_put4(struct data d, size_t i, const float v[4])
{
	if (!d.bf16) {
		write_four((float *)d.p + i, v);
		return;
	}
	uint32_t w[2] = { round_two(v[0], v[1]), round_two(v[2], v[3]) };
	write_two((uint16_t *)d.p + i, w);
}

/* n / d = (2 n mul >> 32) >> shift, for n below 2^31 (Granlund and Montgomery 1994, theorem 4.2, of
 * 31 bits). */
struct divisor { unsigned d, mul; int shift; };

static inline struct divisor make_divisor(unsigned d)
{
	struct divisor r = { d, 0, 0 };

	while ((uint64_t)1 << r.shift < d) r.shift++;
	r.mul = (unsigned)(((uint64_t)1 << (31 + r.shift)) / d + 1);
	return r;
}

/* Returns n / d and leaves the rest. */
DEVICE unsigned divide(unsigned *n, const struct divisor *d)
{
	unsigned q = high_word(2 * *n, d->mul) >> d->shift;

	*n -= q * d->d;
	return q;
}

/* Which of n jobs this block is of, where blocks from first[i] on are of job i: the last whose
 * first block is not beyond it. */
DEVICE int job_of(const unsigned *first, int n)
{
	int low = 0, high = n - 1;

	while (low < high) {
		int middle = (low + high + 1) / 2;
		if (first[middle] <= (unsigned)BLOCK_X) low = middle;
		else high = middle - 1;
	}
	return low;
}

static inline int blocks_for(size_t n, int each)
{
	return (int)((n + (size_t)each - 1) / (size_t)each);
}

#endif
