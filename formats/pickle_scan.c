/* pickle_scan: numbers, texts and lines out of a pickle's bytes. */
#include "formats/pickle_scan.h"
#include "lib/base/fail.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 4096, NUMERAL = 64 };

int pickle_scan_bad(const struct pickle_scan *s, const char *what)
{
	return fail("%s: byte %zu of the pickle: %s", s->name, (size_t)(s->p - s->start), what);
}

uint64_t pickle_scan_left(const struct pickle_scan *s)
{
	return (uint64_t)(s->end - s->p);
}

int pickle_scan_number(struct pickle_scan *s, int bytes, uint64_t *x)
{
	*x = 0;
	if (s->end - s->p < bytes) return pickle_scan_bad(s, "cut short");
	memcpy(x, s->p, (size_t)bytes);
	*x = le64toh(*x);
	s->p += bytes;
	return 0;
}

int pickle_scan_bytes(struct pickle_scan *s, int width, const char **text, uint32_t *n)
{
	uint64_t length = 0;

	if (pickle_scan_number(s, width, &length)) return -1;
	if (length > pickle_scan_left(s) || length > UINT32_MAX)
		return pickle_scan_bad(s, "a length beyond the end");
	*text = (const char *)s->p;
	*n = (uint32_t)length;
	s->p += length;
	return 0;
}

int pickle_scan_line(struct pickle_scan *s, const char **text, uint32_t *n)
{
	const uint8_t *end = memchr(s->p, '\n', (size_t)(s->end - s->p));

	if (!end || end - s->p > LINE_BYTES) return pickle_scan_bad(s, "a line without end");
	*text = (const char *)s->p;
	*n = (uint32_t)(end - s->p);
	s->p = end + 1;
	return 0;
}

/* A line as C text, without its suffix. */
static int take_numeral(struct pickle_scan *s, char suffix, char to[NUMERAL])
{
	const char *text = NULL;
	uint32_t n = 0;

	if (pickle_scan_line(s, &text, &n)) return -1;
	if (n && suffix && text[n - 1] == suffix) n--;
	if (!n || n >= NUMERAL || memchr(text, 0, n))
		return pickle_scan_bad(s, "a line that is no number");
	memcpy(to, text, n);
	to[n] = '\0';
	return 0;
}

int pickle_scan_integer(struct pickle_scan *s, char suffix, int64_t *i)
{
	char text[NUMERAL], *end;

	if (take_numeral(s, suffix, text)) return -1;
	errno = 0;
	*i = strtoll(text, &end, 10);
	if (*end) return pickle_scan_bad(s, "a line that is no number");
	return errno ? pickle_scan_bad(s, "a line with a number of more than 64 bits") : 0;
}

int pickle_scan_real(struct pickle_scan *s, double *f)
{
	char text[NUMERAL], *end;

	if (take_numeral(s, 0, text)) return -1;
	*f = strtod(text, &end);
	return *end ? pickle_scan_bad(s, "a line that is no number") : 0;
}
