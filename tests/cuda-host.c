/* cuda-host: the processor of a device without a GPU: the threads of a block are fibers that give
 * way to each other where they wait. For tests: it is slow, and strict: threads that wait at
 * different places end the program, warps and lanes take turns in an order that changes, copies
 * arrive when they are waited for, and what blocks share is NaN at first. */
#include "tests/cuda-host.h"
#include "tests/cuda-races.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

enum { STACK = 64 << 10, KEYS = 4096 };
enum state { FRESH, READY, AT_WARP, AT_GROUP, AT_BLOCK, DONE };

struct host_place host_at;

struct deposit { uint32_t word[6]; float value; const void *row; };

/* A copy into shared memory that is on its way; group: how many commits were before it. */
struct copy { void *to; const void *from; bool any; int group; };

/* Begun on a stack of its own by setcontext; from then on left and taken up by _longjmp, which
 * calls no system. */
static struct fiber {
	ucontext_t context;
	jmp_buf at;
	char *stack;
	void *race;                          /* what ThreadSanitizer knows it by */
	enum state state;
	struct deposit given[2];             /* what others of the warp read; two, taken in turns */
	int turn;
	struct copy copy[64];
	int copies, groups;
} set[SETS][THREADS], *fiber = set[0];
static jmp_buf scheduler;
static struct {
	void (*kernel)(const void *);
	const void *args;
	void *race;                          /* the fiber of the scheduler */
	uint64_t *barrier;                   /* of this block: a place to tell each other at */
} job;
static uint64_t begun, done;                 /* grids: the same */

void host_broken(const char *what)
{
	fprintf(stderr, "emulated device: block %d,%d,%d: %s\n", BLOCK_X, BLOCK_Y, BLOCK_Z, what);
	abort();
}

static void to_scheduler(void)
{
	race_to(job.race);
	_longjmp(scheduler, 1);
}

static void begin(void)
{
	struct fiber *f = &fiber[host_at.thread];

	race_hear(&begun);
	f->copies = f->groups = 0;
	job.kernel(job.args);
	f->state = DONE;
	if (f->copies) host_broken("a copy that nobody waited for");
	host_group_done();
	race_tell(&done);
	to_scheduler();
}

static void wait_as(enum state s)
{
	struct fiber *f = &fiber[host_at.thread];

	f->state = s;
	if (!_setjmp(f->at)) to_scheduler();
}

/* Until the fiber waits or is done. */
static void go_on(int i)
{
	struct fiber *f = &fiber[i];
	bool fresh = f->state == FRESH;

	host_at.thread = i;
	f->state = READY;
	if (_setjmp(scheduler)) return;
	race_to(f->race);
	if (fresh) setcontext(&f->context);
	else _longjmp(f->at, 1);
}

/* A number below n, the same ones in each run of a program. */
int host_drawn(int n)
{
	static uint32_t state;

	state = state * 1664525 + 1013904223;
	return (int)((uint64_t)state * (uint64_t)n >> 32);
}

void host_sync(void)
{
	race_tell(job.barrier);
	wait_as(AT_BLOCK);
	race_hear(job.barrier);
}

void host_gather(void)
{
	wait_as(AT_GROUP);
}

/* Gives a word to the warp; the return value says which of the two places it is in. */
static int give(const struct deposit *d)
{
	struct fiber *f = &fiber[host_at.thread];
	int turn = f->turn ^= 1;

	f->given[turn] = *d;
	wait_as(AT_WARP);
	return turn;
}

static const struct deposit *of_lane(int lane, int turn)
{
	return &fiber[host_at.thread / WARP * WARP + lane].given[turn];
}

void *host_aligned(const void *p, int bytes)
{
	if ((uintptr_t)p % (uintptr_t)bytes) host_broken("a vector that does not lie on its size");
	return (void *)p;
}

float host_xor(float v, int lanes)
{
	int lane = host_at.thread % WARP;
	int turn = give(&(struct deposit){ .value = v });

	return of_lane(lane ^ lanes, turn)->value;
}

/* What is on its way is not to be read: NaN. */
void host_copy_async(void *to, const void *from, bool any)
{
	struct fiber *f = &fiber[host_at.thread];

	if (f->copies == sizeof f->copy / sizeof *f->copy) host_broken("too many copies under way");
	if ((uintptr_t)to % 16 || (uintptr_t)from % 16) host_broken("a copy that is not aligned");
	if (any) race_read(from, 16);
	race_write(to, 16);
	memset(to, 0xff, 16);
	f->copy[f->copies++] = (struct copy){ to, from, any, f->groups };
}

void host_copy_commit(void)
{
	fiber[host_at.thread].groups++;
}

void host_copy_wait(int left)
{
	struct fiber *f = &fiber[host_at.thread];
	int n = 0;

	for (int i = 0; i < f->copies; i++) {
		struct copy c = f->copy[i];
		if (c.group >= f->groups - left) {
			f->copy[n++] = c;
			continue;
		}
		if (c.any) race_read(c.from, 16);
		race_write(c.to, 16);
		if (c.any) memcpy(c.to, c.from, 16);
		else memset(c.to, 0, 16);
		host_group_wrote();
	}
	f->copies = n;
}

void host_load_matrices(uint32_t w[4], const void *row, bool transposed)
{
	int lane = host_at.thread % WARP, quad = lane % 4, turn;

	if ((uintptr_t)row % 16) host_broken("a row of a matrix that is not aligned");
	race_read(row, 16);
	turn = give(&(struct deposit){ .row = row });
	for (int j = 0; j < 4; j++) {
		const uint16_t *at[2] = { of_lane(8 * j + 2 * quad, turn)->row,
					  of_lane(8 * j + 2 * quad + 1, turn)->row };
		const uint32_t *whole = of_lane(8 * j + lane / 4, turn)->row;
		w[j] = transposed ? at[0][lane / 4] | (uint32_t)at[1][lane / 4] << 16 : whole[quad];
	}
}

static int deposit_mma(const uint32_t a[4], const uint32_t b[2])
{
	struct deposit d = { .word = { a[0], a[1], a[2], a[3], b[0], b[1] } };
	return give(&d);
}

/* Element k of row r of the warp's a, or of column c of its b, where each word holds `each` (PTX
 * ISA, the fragments of mma.m16n8k8 in tf32 and of mma.m16n8k16 in bf16). */
static float element(uint32_t word, int each, int k)
{
	return bits_float(each == 1 ? word : k % 2 ? word & 0xffff0000u : word << 16);
}

/* Row r of a and column c of b, whole. */
static void row_of_a(float *v, int r, int each, int turn)
{
	for (int k = 0; k < 8 * each; k++) {
		int quad = k / each % 4, half = k / each / 4;
		v[k] = element(of_lane(r % 8 * 4 + quad, turn)->word[r / 8 + 2 * half], each, k);
	}
}

static void column_of_b(float *v, int c, int each, int turn)
{
	for (int k = 0; k < 8 * each; k++) {
		int quad = k / each % 4, half = k / each / 4;
		v[k] = element(of_lane(c * 4 + quad, turn)->word[4 + half], each, k);
	}
}

static void mma(float d[4], const uint32_t a[4], const uint32_t b[2], int each)
{
	int lane = host_at.thread % WARP, turn = deposit_mma(a, b);
	float row[2][16], column[2][16];

	for (int i = 0; i < 2; i++) {
		row_of_a(row[i], lane / 4 + 8 * i, each, turn);
		column_of_b(column[i], lane % 4 * 2 + i, each, turn);
	}
	for (int i = 0; i < 4; i++) {
		float sum = 0;
		for (int k = 0; k < 8 * each; k++) sum += row[i / 2][k] * column[i % 2][k];
		d[i] += sum;
	}
}

void host_mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2])
{
	for (int i = 0; i < 6; i++)
		if ((i < 4 ? a[i] : b[i - 4]) & 0x1fffu) host_broken("an operand is not in tf32");
	mma(d, a, b, 1);
}

void host_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
	mma(d, a, b, 2);
}

static int count(int first, int n, enum state s)
{
	int found = 0;

	for (int i = first; i < first + n; i++) found += fiber[i].state == s;
	return found;
}

static void release(int first, int n)
{
	for (int i = first; i < first + n; i++) fiber[i].state = READY;
}

/* Runs the lanes of a warp until all wait for other warps or are done. */
static void run_warp(int first)
{
	for (;;) {
		int turn = host_drawn(WARP);
		for (int k = 0; k < WARP; k++)
			if (fiber[first + (k ^ turn)].state <= READY) go_on(first + (k ^ turn));
		if (!count(first, WARP, AT_WARP)) return;
		if (count(first, WARP, AT_WARP) < WARP)
			host_broken("a warp parts where it must not");
		release(first, WARP);
	}
}

static void start(int i)
{
	struct fiber *f = &fiber[i];

	f->state = FRESH;
	if (f->stack) return;                /* made once, begun anew in each block */
	f->race = race_fiber();
	if (!(f->stack = malloc(STACK))) host_broken("no memory");
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->stack;
	f->context.uc_stack.ss_size = STACK;
	makecontext(&f->context, begin, 0);
}

/* Where the linker puts what is SHARED, of all kernels. */
extern char __start_ic_shared[] __attribute__((visibility("hidden")));
extern char __stop_ic_shared[] __attribute__((visibility("hidden")));

/* Not by memset, which ThreadSanitizer takes for a write of the scheduler's. */
static void poison_shared(void)
{
	uint64_t *p = (uint64_t *)__start_ic_shared, *end = (uint64_t *)__stop_ic_shared;

	while (p < end) *p++ = UINT64_MAX;
	race_new(__start_ic_shared, (size_t)(__stop_ic_shared - __start_ic_shared));
}

void host_block(void (*kernel)(const void *), const void *args, int threads)
{
	static uint64_t barrier[KEYS];
	static unsigned blocks;

	fiber = set[++blocks % SETS];
	job.kernel = kernel;
	job.args = args;
	job.race = race_here();
	job.barrier = &barrier[blocks % KEYS];
	race_tell(&begun);
	poison_shared();
	host_group_block();
	for (int i = 0; i < threads; i++) start(i);
	for (;;) {
		int turn = host_drawn(threads / WARP);
		for (int k = 0; k < threads / WARP; k++) run_warp((k ^ turn) * WARP);
		if (count(0, threads, DONE) == threads) return;
		if (count(0, threads, AT_BLOCK) < threads && count(0, threads, AT_GROUP) < threads)
			host_broken("threads part at a barrier");
		release(0, threads);
	}
}

void host_grid_done(void)
{
	race_hear(&done);
}
