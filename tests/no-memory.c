/* no-memory: a library to be preloaded, whose allocations from number $NO_MEMORY on fail. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

void *__libc_malloc(size_t);                 /* glibc's own */
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static atomic_long count;
static long first = -1;

/* The loader's own are over. */
__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("NO_MEMORY");
	if (text) first = atol(text);
}

static int none(void)
{
	if (first < 0 || atomic_fetch_add(&count, 1) < first) return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t n)
{
	return none() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return none() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return none() ? NULL : __libc_realloc(p, n);
}

void *aligned_alloc(size_t to, size_t n)
{
	return none() ? NULL : __libc_memalign(to, n);
}
