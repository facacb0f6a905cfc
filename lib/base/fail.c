/* fail: one recorded line per thread. */
#include "lib/base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Thread_local char line[8192] = "no reason recorded";   /* room for the longest path */

int fail(const char *fmt, ...)
{
	int err = errno;
	char text[sizeof line];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof text && fmt[strlen(fmt) - 1] == ':')
		snprintf(text + n, sizeof text - (size_t)n, " %s", strerror(err));
	/* Names out of foreign files: one line, nothing that a terminal obeys */
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f) *p = '?';
	memcpy(line, text, sizeof line);
	return -1;
}

const char *why(void)
{
	return line;
}

_Noreturn void must_failed(const char *cond, const char *file, int lineno)
{
	fprintf(stderr, "%s:%d: must hold: %s\n", file, lineno, cond);
	abort();
}

/* At once: what exit() would do may want memory as well. */
_Noreturn void no_memory(size_t bytes)
{
	fprintf(stderr, "%s: no memory for %zu bytes\n", program_invocation_short_name, bytes);
	_exit(1);
}
