/* cuda-runtime: memory, transfers and launches of the emulated device. Strict like it: blocks run
 * in an order that changes, memory is out of reach outside of kernels, and what a GPU would refuse
 * ends the program. */
#include "tests/cuda-host.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 4096, ALIGNED = 256, GRID_YZ = 65535, ARGS = 4096, KERNELS = 128, HOST = 0x5500 };

/* Kernels in the order of their launches, with copies of their arguments. */
struct launch { void (*kernel)(const void *); void *args; int threads, grid[3]; };
struct recording { struct launch *at; int n; };
static struct recording *recording;          /* NULL: kernels run */

/* What a stream that is being recorded does not allow. */
static void not_recorded(const char *what)
{
	if (recording) host_broken(what);
}

static void *more(void *p, size_t n, size_t each)
{
	if (!(p = realloc(p, n * each))) host_broken("no memory");
	return p;
}

static size_t rounded(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* Memory of the device: pages open to kernels only, at whose end the piece p lies, and behind them
 * one that is never open. */
static struct area { char *pages, *p; size_t bytes; } *area;
static size_t areas;

static void each_area(int how)
{
	for (size_t i = 0; i < areas; i++)
		if (mprotect(area[i].pages, area[i].bytes, how)) host_broken("mprotect");
}

/* p is in it, or right behind a piece. */
static bool of_device(const void *p)
{
	const char *at = p;

	for (size_t i = 0; i < areas; i++)
		if (at >= area[i].p && at <= area[i].pages + area[i].bytes) return true;
	return false;
}

static void expect_device(const void *p)
{
	if (!of_device(p)) host_broken("memory of the host taken for the device's");
}

static void expect_host(const void *p)
{
	if (of_device(p)) host_broken("memory of the device taken for the host's");
}

/* Filled with NaN: who reads what was never written shall see it. */
void *host_take(size_t bytes)
{
	size_t used = rounded(bytes ? bytes : 1, ALIGNED), whole = rounded(used, PAGE);
	char *pages;

	not_recorded("memory is taken while launches are recorded");
	pages = mmap(NULL, whole + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED) return NULL;
	madvise(pages, whole, MADV_HUGEPAGE);   /* fewer to open and shut */
	mprotect(pages, whole, PROT_READ | PROT_WRITE);
	memset(pages, 0xff, whole);
	mprotect(pages, whole, PROT_NONE);
	area = more(area, areas + 1, sizeof *area);
	area[areas] = (struct area){ pages, pages + whole - used, whole };
	return area[areas++].p;
}

void host_give(void *p)
{
	not_recorded("memory is given back while launches are recorded");
	host_settle();
	for (size_t i = 0; i < areas; i++) {
		if (area[i].p != p) continue;
		munmap(area[i].pages, area[i].bytes + PAGE);
		area[i] = area[--areas];
		return;
	}
	if (p) host_broken("memory that is not the device's given back");
}

/* What the device has yet to do: transfers, which it begins when it pleases. */
static struct transfer { void *to; const void *from; size_t bytes; } *transfer;
static size_t transfers;

void host_send(void *to, const void *from, size_t bytes)
{
	not_recorded("a transfer is recorded");
	expect_device(to);
	expect_host(from);
	transfer = more(transfer, transfers + 1, sizeof *transfer);
	transfer[transfers++] = (struct transfer){ to, from, bytes };
}

void host_settle(void)
{
	not_recorded("a wait is recorded");
	if (!transfers) return;
	each_area(PROT_READ | PROT_WRITE);
	for (size_t i = 0; i < transfers; i++)
		memcpy(transfer[i].to, transfer[i].from, transfer[i].bytes);
	transfers = 0;
	each_area(PROT_NONE);
}

static void move(void *to, const void *from, size_t bytes)
{
	host_settle();
	each_area(PROT_READ | PROT_WRITE);
	memmove(to, from, bytes);
	each_area(PROT_NONE);
}

void host_copy(void *to, const void *from, size_t bytes)
{
	not_recorded("a copy is recorded");
	expect_device(to);
	expect_device(from);
	move(to, from, bytes);
}

void host_fetch(void *to, const void *from, size_t bytes)
{
	host_settle();
	if (!bytes) return;
	expect_host(to);
	expect_device(from);
	move(to, from, bytes);
}

/* Blocks forwards or backwards from any of them on. */
static void run_grid(const struct launch *l)
{
	const int *n = l->grid;
	int blocks = n[0] * n[1] * n[2], first = host_drawn(blocks), back = host_drawn(2);

	host_settle();
	each_area(PROT_READ | PROT_WRITE);
	host_at.grid_x = n[0];
	for (int k = 0; k < blocks; k++) {
		int i = (int)(((int64_t)first + (back ? blocks - k : k)) % blocks);
		host_at.block[0] = i % n[0];
		host_at.block[1] = i / n[0] % n[1];
		host_at.block[2] = i / n[0] / n[1];
		host_block(l->kernel, l->args, l->threads);
	}
	host_grid_done();
	each_area(PROT_NONE);
}

/* Adds the name to the file that $IC_LOADED names, if any does. */
static void tell_loaded(const char *name)
{
	const char *path = getenv("IC_LOADED");
	FILE *f = path ? fopen(path, "a") : NULL;

	if (path && (!f || fprintf(f, "%s\n", name) < 0 || fclose(f))) host_broken("IC_LOADED");
}

/* Whether the kernel has run before; the device loads it then, which cannot be recorded. */
static bool loaded(void (*kernel)(const void *), const char *name)
{
	static void (*known[KERNELS])(const void *);
	int i = 0;

	while (i < KERNELS && known[i] && known[i] != kernel) i++;
	if (i == KERNELS) host_broken("too many kernels");
	bool was = known[i];
	if (!was) tell_loaded(name);
	known[i] = kernel;
	return was;
}

/* Words among the arguments that are addresses of what the host has; numbers are seldom so
 * large. */
static void check_args(const char *name, const void *args, size_t bytes)
{
	const uint64_t *word = args;
	unsigned char there;

	for (size_t i = 0; i < bytes / sizeof *word && !SHADOWS; i++) {
		uint64_t high = word[i] >> 32, page = word[i] / PAGE * PAGE;
		if (high < HOST || high > UINT16_MAX || of_device((const void *)word[i]) ||
		    mincore((void *)page, 1, &there))
			continue;
		fprintf(stderr, "emulated device: %s: word %zu of its arguments\n", name, i);
		host_broken("a kernel is given memory of the host");
	}
}

void host_run(void (*kernel)(const void *), const char *name, const void *args, size_t bytes,
	      int threads, int gx, int gy, int gz)
{
	struct launch l = { kernel, (void *)args, threads, { gx, gy, gz } };
	bool known = loaded(kernel, name);

	if (gx < 1 || gy < 1 || gz < 1 || gy > GRID_YZ || gz > GRID_YZ)
		host_broken("a grid that a GPU does not have");
	if (bytes > ARGS) host_broken("more arguments than a kernel takes");
	check_args(name, args, bytes);
	if (!recording) {
		run_grid(&l);
		return;
	}
	if (!known) host_broken("the first launch of a kernel is recorded");
	l.args = memcpy(more(NULL, 1, bytes), args, bytes);
	recording->at = more(recording->at, (size_t)recording->n + 1, sizeof l);
	recording->at[recording->n++] = l;
}

bool host_recording(void)
{
	return recording != NULL;
}

void host_record(void)
{
	not_recorded("a recording within another");
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

	not_recorded("a recording is repeated within another");
	for (int i = 0; i < r->n; i++) run_grid(&r->at[i]);
}

void host_forget(void *what)
{
	struct recording *r = what;

	for (int i = 0; i < r->n; i++) free(r->at[i].args);
	free(r->at);
	free(r);
}
