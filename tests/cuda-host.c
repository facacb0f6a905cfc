/* cuda-host: a device without a GPU: grids run block after block, the threads of a block as fibers
 * that give way to each other where they wait; memory of the device is out of reach outside of
 * kernels. For tests: it is slow, and strict: threads that wait at different places end the
 * program. */
#include "kernels/cuda/cuda.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { STACK = 64 << 10 };
enum state { FRESH, READY, AT_WARP, AT_BLOCK, DONE };

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
	enum state state;
	struct deposit given[2];             /* what others of the warp read; two, taken in turns */
	int turn;
	struct copy copy[64];
	int copies, groups;
} fiber[THREADS];
static jmp_buf scheduler;
static struct { void (*kernel)(const void *); const void *args; } job;

static void broken(const char *what)
{
	fprintf(stderr, "emulated device: block %d,%d,%d: %s\n", BLOCK_X, BLOCK_Y, BLOCK_Z, what);
	abort();
}

static void begin(void)
{
	fiber[host_at.thread].copies = fiber[host_at.thread].groups = 0;
	job.kernel(job.args);
	fiber[host_at.thread].state = DONE;
	if (fiber[host_at.thread].copies) broken("a copy that nobody waited for");
	_longjmp(scheduler, 1);
}

static void wait_as(enum state s)
{
	struct fiber *f = &fiber[host_at.thread];

	f->state = s;
	if (!_setjmp(f->at)) _longjmp(scheduler, 1);
}

/* Until the fiber waits or is done. */
static void go_on(int i)
{
	struct fiber *f = &fiber[i];
	bool fresh = f->state == FRESH;

	host_at.thread = i;
	f->state = READY;
	if (_setjmp(scheduler)) return;
	if (fresh) setcontext(&f->context);
	else _longjmp(f->at, 1);
}

void host_sync(void)
{
	wait_as(AT_BLOCK);
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

	if (f->copies == sizeof f->copy / sizeof *f->copy) broken("too many copies on their way");
	if ((uintptr_t)to % 16 || (uintptr_t)from % 16) broken("a copy that is not aligned");
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
		if (c.group >= f->groups - left) f->copy[n++] = c;
		else if (c.any) memcpy(c.to, c.from, 16);
		else memset(c.to, 0, 16);
	}
	f->copies = n;
}

void host_load_matrices(uint32_t w[4], const void *row, bool transposed)
{
	int lane = host_at.thread % WARP, quad = lane % 4, turn;

	if ((uintptr_t)row % 16) broken("a row of a matrix that is not aligned");
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
		if ((i < 4 ? a[i] : b[i - 4]) & 0x1fffu) broken("an operand is not in tf32");
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

/* Runs the lanes of a warp until all wait for the block or are done. */
static void run_warp(int first)
{
	for (;;) {
		for (int i = first; i < first + WARP; i++)
			if (fiber[i].state <= READY) go_on(i);
		if (!count(first, WARP, AT_WARP)) return;
		if (count(first, WARP, AT_WARP) < WARP) broken("a warp parts where it must not");
		release(first, WARP);
	}
}

static void start(int i)
{
	struct fiber *f = &fiber[i];

	f->state = FRESH;
	if (f->stack) return;                /* made once, begun anew in each block */
	if (!(f->stack = malloc(STACK))) broken("no memory");
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->stack;
	f->context.uc_stack.ss_size = STACK;
	makecontext(&f->context, begin, 0);
}

static void run_block(void)
{
	for (int i = 0; i < THREADS; i++) start(i);
	for (;;) {
		for (int i = 0; i < THREADS; i += WARP) run_warp(i);
		if (count(0, THREADS, DONE) == THREADS) return;
		if (count(0, THREADS, AT_BLOCK) < THREADS) broken("threads part at a barrier");
		release(0, THREADS);
	}
}

/* Memory of the device: whole pages, open to kernels only. */
static struct area { char *p; size_t bytes; } *area;
static int areas;

static void each_area(int how)
{
	for (int i = 0; i < areas; i++)
		if (mprotect(area[i].p, area[i].bytes, how)) broken("mprotect");
}

/* Filled with NaN: who reads what was never written shall see it. */
void *host_take(size_t bytes)
{
	size_t page = 4096, whole = (bytes + page) / page * page;
	char *p = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct area *more = realloc(area, (size_t)(areas + 1) * sizeof *area);

	if (p == MAP_FAILED || !more) return NULL;
	madvise(p, whole, MADV_HUGEPAGE);    /* fewer to open and shut */
	memset(p, 0xff, whole);
	area = more;
	area[areas++] = (struct area){ p, whole };
	mprotect(p, whole, PROT_NONE);
	return p;
}

void host_give(void *p)
{
	host_settle();
	for (int i = 0; i < areas; i++) {
		if (area[i].p != p) continue;
		munmap(p, area[i].bytes);
		area[i] = area[--areas];
		return;
	}
	if (p) broken("memory that is not the device's given back");
}

/* What the device has yet to do: transfers, which it begins when it pleases. */
static struct transfer { void *to; const void *from; size_t bytes; } *transfer;
static int transfers;

/* Kernels in the order of their launches, with copies of their arguments. */
struct launch { void (*kernel)(const void *); void *args; int grid[3]; };
struct recording { struct launch *at; int n; };
static struct recording *recording;          /* NULL: kernels run */

static void *more(void *p, int n, size_t each)
{
	if (!(p = realloc(p, (size_t)n * each))) broken("no memory");
	return p;
}

void host_send(void *to, const void *from, size_t bytes)
{
	if (recording) broken("a transfer is recorded");
	transfer = more(transfer, transfers + 1, sizeof *transfer);
	transfer[transfers++] = (struct transfer){ to, from, bytes };
}

void host_settle(void)
{
	if (!transfers) return;
	each_area(PROT_READ | PROT_WRITE);
	for (int i = 0; i < transfers; i++)
		memcpy(transfer[i].to, transfer[i].from, transfer[i].bytes);
	transfers = 0;
	each_area(PROT_NONE);
}

void host_copy(void *to, const void *from, size_t bytes)
{
	if (recording) broken("a copy is recorded");
	host_settle();
	each_area(PROT_READ | PROT_WRITE);
	if (bytes) memmove(to, from, bytes);
	each_area(PROT_NONE);
}

static void run_grid(const struct launch *l)
{
	job.kernel = l->kernel;
	job.args = l->args;
	host_at.grid_x = l->grid[0];
	host_settle();
	each_area(PROT_READ | PROT_WRITE);
	for (int z = 0; z < l->grid[2]; z++)
		for (int y = 0; y < l->grid[1]; y++)
			for (int x = 0; x < l->grid[0]; x++) {
				host_at.block[0] = x, host_at.block[1] = y, host_at.block[2] = z;
				run_block();
			}
	each_area(PROT_NONE);
}

void host_run(void (*kernel)(const void *), const void *args, size_t bytes, int gx, int gy, int gz)
{
	struct launch l = { kernel, (void *)args, { gx, gy, gz } };

	if (!recording) {
		run_grid(&l);
		return;
	}
	l.args = memcpy(more(NULL, 1, bytes), args, bytes);
	recording->at = more(recording->at, recording->n + 1, sizeof l);
	recording->at[recording->n++] = l;
}

void host_record(void)
{
	if (recording) broken("a recording within another");
	recording = memset(more(NULL, 1, sizeof *recording), 0, sizeof *recording);
}

void *host_recorded(void)
{
	struct recording *r = recording;

	recording = NULL;
	return r;
}

void host_repeat(void *what)
{
	const struct recording *r = what;

	for (int i = 0; i < r->n; i++) run_grid(&r->at[i]);
}

void host_forget(void *what)
{
	struct recording *r = what;

	for (int i = 0; i < r->n; i++) free(r->at[i].args);
	free(r->at);
	free(r);
}
