/* json: a strict scanner over JSON text in memory (RFC 8259), used for the headers of safetensors
 * files. */
#include "formats/json.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <stdlib.h>
#include <string.h>

static void skip_space(struct json *j)
{
	while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r'))
		j->p++;
}

bool json_take(struct json *j, char c)
{
	skip_space(j);
	if (j->p == j->end || *j->p != c) return false;
	j->p++;
	return true;
}

bool json_end(struct json *j)
{
	skip_space(j);
	return j->p == j->end;
}

bool json_count(struct json *j, int64_t *out)
{
	skip_space(j);
	const char *p = j->p;
	int64_t x = 0;

	for (; p < j->end && *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(x, 10, &x) || __builtin_add_overflow(x, *p - '0', &x))
			return false;
	if (p == j->p || (*j->p == '0' && p - j->p > 1)) return false;
	if (p < j->end && (*p == '.' || *p == 'e' || *p == 'E')) return false;
	j->p = p;
	*out = x;
	return true;
}

int json_utf8(const unsigned char *p, const unsigned char *end)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	int n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;

	if (n < 2) return n;
	if (end - p < n) return 0;
	uint32_t c = *p & (0x7Fu >> n);
	for (int i = 1; i < n; i++) {
		if (p[i] >> 6 != 2) return 0;
		c = c << 6 | (p[i] & 0x3F);
	}
	if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return 0;
	return n;
}

/* The value of the four hex digits at p, or -1. */
static int32_t hex4(const char *p, const char *end)
{
	int32_t x = 0;

	if (end - p < 4) return -1;
	for (int i = 0; i < 4; i++) {
		int c = p[i], lower = c | 0x20;
		bool digit = c >= '0' && c <= '9', letter = lower >= 'a' && lower <= 'f';
		if (!digit && !letter) return -1;
		x = x << 4 | (digit ? c - '0' : lower - 'a' + 10);
	}
	return x;
}

/* The escape after a backslash at *p as UTF-8 into to[4]: its length, or 0 when it is no escape. */
static int unescape(const char **p, const char *end, char *to)
{
	static const char from[] = "\"\\/bfnrt", what[] = "\"\\/\b\f\n\r\t";

	if (*p == end) return 0;
	char c = *(*p)++;
	const char *at = c ? strchr(from, c) : NULL;
	if (at) {
		*to = what[at - from];
		return 1;
	}
	int32_t x = c == 'u' ? hex4(*p, end) : -1;
	if (x <= 0 || (x >= 0xDC00 && x < 0xE000)) return 0;
	*p += 4;
	if (x >= 0xD800 && x < 0xDC00) {
		bool pair = end - *p > 2 && (*p)[0] == '\\' && (*p)[1] == 'u';
		int32_t low = pair ? hex4(*p + 2, end) : -1;
		if (low < 0xDC00 || low >= 0xE000) return 0;
		*p += 6;
		x = 0x10000 + ((x - 0xD800) << 10) + (low - 0xDC00);
	}
	int n = x < 0x80 ? 1 : x < 0x800 ? 2 : x < 0x10000 ? 3 : 4;
	if (n == 1) {
		*to = (char)x;
		return 1;
	}
	for (int i = n - 1; i > 0; i--, x >>= 6) to[i] = (char)(0x80 | (x & 0x3F));
	to[0] = (char)(0xF00 >> n | x);
	return n;
}

char *json_string(struct json *j)
{
	skip_space(j);
	const char *p = j->p, *close;
	int n;

	if (p == j->end || *p++ != '"') return NULL;
	for (close = p; close < j->end && *close != '"'; close++)
		if (*close == '\\') close++;
	if (close >= j->end) return NULL;
	char *text = mem_new((size_t)(close - p) + 1, 1), *to = text;
	while (p < close) {
		if (*p == '\\') {
			p++;
			n = unescape(&p, close, to);
		} else {
			n = json_utf8((const unsigned char *)p, (const unsigned char *)close);
			if ((unsigned char)*p < 0x20) n = 0;
			memcpy(to, p, (size_t)n);
			p += n;
		}
		if (!n) {
			free(text);
			return NULL;
		}
		to += n;
	}
	j->p = close + 1;
	return text;
}

int json_put(FILE *f, const char *text)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);

	putc('"', f);
	while (p < end) {
		int n = json_utf8(p, end);
		if (!n) return fail("the text %.100s is not UTF-8", text);
		if (*p < 0x20) fprintf(f, "\\u%04x", *p);
		else if (*p == '"' || *p == '\\') fprintf(f, "\\%c", *p);
		else fwrite(p, 1, (size_t)n, f);
		p += n;
	}
	putc('"', f);
	return 0;
}
