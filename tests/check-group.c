/* check-group: products by four warps at once over the emulated device: the right ones from tiles
 * that lie as kernels put them, by the descriptors that another compiler computes for such tiles;
 * and that the device notices what such a kernel may do wrong. */
#include "kernels/cuda/fragment.h"
#include "tests/cuda-host.h"
#include "tests/tap.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEPTH = 8 * DEPTH_CHUNKS };

enum fault { NONE, UNSHOWN, UNREADY, EARLY, CHANGED, UNENDED };

/* a[x,k] and b[x,k], each with k innermost (along) or x. */
struct job {
	const uint16_t *a, *b;
	float *c;                            /* [TILE][TILE] */
	int half, a_along, b_along;
	enum fault fault;
};

DEVICE void copy_tile(const uint16_t *from, int along, struct chunk *to)
{
	for (int id = THREAD; id < TILE_CHUNKS; id += TILE_THREADS) {
		int k = copy_k(along, 1, id), x = copy_other(along, 1, id);
		copy_async(&to[copy_place(along, 1, id)],
			   from + (along ? x * DEPTH + k : k * TILE + x), true);
	}
}

KERNEL_OF(TILE_THREADS, 1, tile, struct job)
{
	SHARED struct stage stage;
	float acc[SUMS] = { 0 };

	copy_tile(a.a, a.a_along, stage.a);
	copy_tile(a.b, a.b_along, stage.b);
	copy_commit();
	copy_wait(0);
	if (a.fault != UNSHOWN) group_show();
	sync_threads();
	if (a.fault == UNREADY)
		group_multiply(0, acc, group_tile(stage.a, a.a_along, 0, 0), a.a_along,
			       group_tile(stage.b, a.b_along, 0, 0), a.b_along);
	multiply_group(&stage, a.half, a.a_along, a.b_along, acc);
	if (a.fault == CHANGED) stage.b[THREAD].word[0] ^= 1;
	if (a.fault == UNENDED) return;
	if (a.fault != EARLY) end_group(acc);
	for (int i = 0; i < ROWS; i++)
		for (int j = 0; j < COLUMNS; j++)
			a.c[fragment_row(i) * TILE + fragment_column(j)] =
				acc[fragment_place(i, j)];
	if (a.fault == EARLY) end_group(acc);
}

static struct job job;

static void run(void)
{
	LAUNCH_OF(TILE_THREADS, NULL, tile, 1, 1, 1, job);
}

static int a_of(int x, int k) { return (7 * x + 3 * k) % 11 - 5; }
static int b_of(int x, int k) { return (5 * x + 2 * k) % 13 - 6; }

static void fill(const uint16_t *to, int along, int (*of)(int, int))
{
	static uint16_t bits[TILE * DEPTH];

	for (int x = 0; x < TILE; x++)
		for (int k = 0; k < DEPTH; k++)
			bits[along ? x * DEPTH + k : k * TILE + x] =
				(uint16_t)round_bf16((float)of(x, k));
	host_send((void *)to, bits, sizeof bits);
	host_settle();
}

static void check_sums(int half, int a_along, int b_along)
{
	static float got[TILE][TILE];
	int wrong = 0;

	job.half = half;
	job.a_along = a_along;
	job.b_along = b_along;
	fill(job.a, a_along, a_of);
	fill(job.b, b_along, b_of);
	run();
	host_fetch(got, job.c, sizeof got);
	for (int m = 0; m < TILE; m++)
		for (int n = 0; n < TILE; n++) {
			int sum = 0;
			for (int k = 0; k < DEPTH && !(half && n >= TILE / 2); k++)
				sum += a_of(m, k) * b_of(n, k);
			wrong += got[m][n] != (float)sum;
		}
	ok(!wrong, "%s, a %s k, b %s k: %d sums are wrong", half ? "half" : "whole",
	   a_along ? "along" : "across", b_along ? "along" : "across", wrong);
}

/* Triton 3.9 compiles tl.dot for compute capability 9.0, of a [128,32] and b [32,128] in bf16, to
 * these: rows of 64 bytes exchanged by 64, or two halves of rows of 128 exchanged by 128. */
static void check_descriptors(void)
{
	static _Alignas(1024) struct chunk chunk[TILE_CHUNKS];
	uint64_t along = 0x8000002000000000, across = 0x4000004001000000;

	host_group_block();
	uint64_t at = shared_at(chunk) >> 4;
	for (int half = 0; half < 2; half++)
		for (int deep = 0; deep < 2; deep++) {
			uint64_t more = at + (uint64_t)half * 256;
			ok(group_tile(chunk, 1, half, deep) ==
				   (along | (more + 2 * (uint64_t)deep)),
			   "along, half %d, k from %d", half, 16 * deep);
			ok(group_tile(chunk, 0, half, deep) ==
				   (across | (more + 128 * (uint64_t)deep)),
			   "across, half %d, k from %d", half, 16 * deep);
		}
}

/* The signal that ends a child that does this wrong; 0: none. */
static int signal_of(enum fault fault)
{
	int status;

	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		freopen("/dev/null", "w", stderr);
		job.fault = fault;
		run();
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0) abort();
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void check_early(void)
{
	static float got[TILE * TILE];
	bool all = true;

	job.fault = EARLY;
	run();
	host_fetch(got, job.c, sizeof got);
	for (int i = 0; i < TILE * TILE; i++) all &= isnan(got[i]);
	ok(all, "sums that are read before they are waited for are NaN");
}

int main(void)
{
	job.a = host_take(TILE * DEPTH * sizeof *job.a);
	job.b = host_take(TILE * DEPTH * sizeof *job.b);
	job.c = host_take(TILE * TILE * sizeof *job.c);
	check_descriptors();
	for (int i = 7; i >= 0; i--) check_sums(i / 4, i / 2 % 2, i % 2);
	ok(!signal_of(NONE), "nothing is wrong");
	ok(signal_of(UNSHOWN) == SIGABRT, "a product of what was not shown");
	ok(signal_of(UNREADY) == SIGABRT, "a product without a beginning");
	ok(signal_of(CHANGED) == SIGABRT, "an operand that changes under a product");
	ok(signal_of(UNENDED) == SIGABRT, "a product that nobody waits for");
	check_early();
	host_give((void *)job.a);
	host_give((void *)job.b);
	host_give(job.c);
	return done_testing();
}
