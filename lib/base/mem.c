/* mem: checked sizes and memory. */
#include "lib/base/mem.h"
#include "lib/base/fail.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

bool mem_mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

void *mem_new(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);
	if (!p) no_memory(count * size);
	return p;
}

void *mem_grow(void *p, size_t count, size_t size)
{
	size_t bytes;
	must(mem_mul(count, size, &bytes));
	p = realloc(p, bytes ? bytes : 1);
	if (!p) no_memory(bytes);
	return p;
}

char *mem_text(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) no_memory(strlen(fmt));
	return text;
}

FILE *mem_stream(char **text, size_t *n)
{
	FILE *f = open_memstream(text, n);
	if (!f) no_memory(BUFSIZ);
	return f;
}

/* What could not grow has lost what was written last. */
void mem_stream_close(FILE *f)
{
	size_t bytes = (size_t)ftell(f);
	if (ferror(f) | fclose(f)) no_memory(bytes);
}

void *mem_big(size_t count, size_t size, const char *what)
{
	size_t bytes;

	if (!mem_mul(count, size, &bytes) || bytes > SIZE_MAX - 64) {
		fail("%s: %zu times %zu bytes is more than this machine can address", what, count,
		     size);
		return NULL;
	}
	void *p = aligned_alloc(64, (bytes + 63) / 64 * 64 + (bytes ? 0 : 64));
	if (!p) fail("%s: no memory for %.1f MiB", what, (double)bytes / 1048576);
	return p;
}

int64_t mem_peak_bytes(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (int64_t)u.ru_maxrss * 1024;
}
