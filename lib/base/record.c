/* record: results as TSV with one header line, or as JSON, one object a line; the interface is in
 * say.h. */
#include "lib/base/say.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What has been printed as header to which file: later records must match it. */
static struct { FILE *f; char *head; } known[8];

const char *record_number(char buf[32], double value)
{
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(buf, 32, "%.*g", digits, value);
		if (strtod(buf, NULL) == value) break;
	}
	if (isnan(value)) strcpy(buf, "nan");        /* without its sign */
	return buf;
}

struct record record_begin(FILE *f)
{
	return (struct record){ .f = f };
}

static void append(struct record_line *to, const char *text, size_t n)
{
	if (to->n + n >= to->room) {
		to->room = 2 * (to->n + n) + 256;
		to->s = mem_grow(to->s, to->room, 1);
	}
	memcpy(to->s + to->n, text, n);
	to->s[to->n += n] = 0;
}

static void put(struct record *r, const char *text)
{
	append(&r->row, text, strlen(text));
}

/* Length of the UTF-8 sequence at s; 0 when it is none. */
static int utf8_length(const unsigned char *s)
{
	int n = *s < 0x80                 ? 1
		: *s >= 0xc2 && *s < 0xe0 ? 2
		: *s >= 0xe0 && *s < 0xf0 ? 3
		: *s >= 0xf0 && *s < 0xf5 ? 4
					  : 0;

	for (int i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80) return 0;
	if (n == 3 && ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f))) return 0;
	if (n == 4 && ((*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))) return 0;
	return n;
}

/* A JSON string; bytes that are no UTF-8 become U+FFFD, since JSON has no other bytes. */
static void put_json(struct record *r, const char *text)
{
	char buf[8];

	put(r, "\"");
	for (const unsigned char *s = (const unsigned char *)text; *s; ) {
		int n = utf8_length(s);
		if (n > 1 || (n == 1 && *s >= 0x20 && *s != '"' && *s != '\\')) {
			append(&r->row, (const char *)s, (size_t)n);
		} else {
			snprintf(buf, sizeof buf, "\\u%04x", n ? *s : 0xfffd);
			put(r, buf);
		}
		s += n ? n : 1;
	}
	put(r, "\"");
}

/* TSV text: tab, line breaks and backslash are written \t \n \r \\, other control characters, which
 * a terminal might obey, \x1b and so on. */
static void put_tsv(struct record *r, const char *text)
{
	static const char from[] = "\t\n\r\\", *const to[] = { "\\t", "\\n", "\\r", "\\\\" };

	for (; *text; text++) {
		const char *at = strchr(from, *text);
		char hex[8];
		snprintf(hex, sizeof hex, "\\x%02x", (unsigned char)*text);
		if (at) put(r, to[at - from]);
		else if ((unsigned char)*text < ' ' || *text == 0x7f) put(r, hex);
		else append(&r->row, text, 1);
	}
}

static void field(struct record *r, const char *name)
{
	append(&r->head, r->count ? "\t" : "#", 1);
	append(&r->head, name, strlen(name));
	if (common.json) {
		put(r, r->count ? "," : "{");
		put_json(r, name);
		put(r, ":");
	} else {
		put(r, r->count ? "\t" : "");
	}
	r->count++;
}

void record_text(struct record *r, const char *name, const char *value)
{
	field(r, name);
	if (common.json) put_json(r, value);
	else put_tsv(r, value);
}

void record_int(struct record *r, const char *name, int64_t value)
{
	char buf[32];

	snprintf(buf, sizeof buf, "%lld", (long long)value);
	field(r, name);
	put(r, buf);
}

void record_key(struct record *r, const char *name, uint64_t key)
{
	char buf[32];

	snprintf(buf, sizeof buf, "%llu", (unsigned long long)key);
	field(r, name);
	put(r, buf);
}

/* JSON has no word for what is not finite: null. */
void record_real(struct record *r, const char *name, double value)
{
	char buf[32];

	field(r, name);
	put(r, common.json && !isfinite(value) ? "null" : record_number(buf, value));
}

/* True the first time a file sees a record. */
static bool first_record(const struct record *r)
{
	for (size_t i = 0; ; i++) {
		must(i < LEN(known));
		if (known[i].f == r->f) {
			must(!strcmp(known[i].head, r->head.s));
			return false;
		}
		if (!known[i].f) {
			known[i].f = r->f;
			known[i].head = mem_text("%s", r->head.s);
			return true;
		}
	}
}

void record_end(struct record *r)
{
	must(r->count);
	if (isatty(fileno(r->f))) progress_end();    /* the line is its */
	if (first_record(r) && !common.json) fprintf(r->f, "%s\n", r->head.s);
	fprintf(r->f, "%s%s\n", r->row.s, common.json ? "}" : "");
	free(r->head.s);
	free(r->row.s);
	*r = record_begin(r->f);
}
