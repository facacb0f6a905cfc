/* text: writing and reading rows as lines. */
#include "formats/text.h"
#include "formats/frame.h"
#include "formats/known.h"
#include "formats/safetensors.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const types[] = { [ROWS_U8] = "u8", [ROWS_F32] = "f32", [ROWS_F16] = "f16",
	[ROWS_U32] = "u32", [ROWS_NEAR] = "near" };

const char *text_type(enum rows_type type)
{
	return types[type];
}

void text_head(FILE *f, const struct rows_info *r)
{
	fprintf(f, "#ic-rows\t1\n#kind\t%s\n#type\t%s\n#width\t%d\n", r->kind, types[r->type],
		r->width);
	if (r->height) fprintf(f, "#shape\t%d\t%d\t%d\n", r->height, r->im_width, r->channels);
	if (r->from) fprintf(f, "#from\t%016" PRIx64 "\n", r->from);
	if (r->root) fprintf(f, "#root\t%016" PRIx64 "\n", r->root);
	for (const char *m = r->meta; *m; m += strcspn(m, "\n") + 1) {
		fputs("#meta\t", f);
		fwrite(m, 1, strcspn(m, "\n") + 1, f);
	}
	fprintf(f, "#key\t%svalues\n", r->labelled ? "label\t" : "");
}

/* Nine digits give every float back; what is not finite is given by its bits. */
static void put_f32(FILE *f, float x)
{
	uint32_t bits;

	memcpy(&bits, &x, 4);
	if (isfinite(x)) fprintf(f, "\t%.9g", (double)x);
	else fprintf(f, "\t0x%08" PRIx32, bits);
}

static void put_f16(FILE *f, uint16_t half)
{
	float x = f16_to_f32(half);

	if (isfinite(x)) fprintf(f, "\t%.9g", (double)x);
	else fprintf(f, "\t0x%04x", half);
}

void text_row(FILE *f, const struct rows_info *r, uint64_t key, uint32_t label, const void *row)
{
	const uint8_t *bytes = row;
	const uint16_t *halves = row;
	const uint32_t *words = row;
	const float *floats = row;

	fprintf(f, "%" PRIu64, key);
	if (r->labelled) fprintf(f, "\t%" PRIu32, label);
	for (int i = 0; i < r->width; i++) {
		if (r->type == ROWS_U8) fprintf(f, "\t%d", bytes[i]);
		else if (r->type == ROWS_F32) put_f32(f, floats[i]);
		else if (r->type == ROWS_F16) put_f16(f, halves[i]);
		else fprintf(f, "\t%" PRIu32, words[i]);
	}
	for (int i = 0; r->type == ROWS_NEAR && i < r->width; i++) put_f32(f, floats[r->width + i]);
	putc('\n', f);
}

void text_end(FILE *f)
{
	fputs("#end\n", f);
}

enum { WORD = 64, LINE = FRAME_MAX_META + 16 };

static int cut(const struct text *t)
{
	if (stop_check()) return -1;                 /* a signal ended the read */
	if (ferror(t->f)) return fail("%s:", t->path);
	return fail("%s: ends in line %" PRId64 " without a line #end: "
		"the program that wrote it did not finish", t->path, t->line);
}

/* What stands up to the next tab or line end, which is returned; -1 after fail(). */
static int field(struct text *t, char *out, int size)
{
	int c, n = 0;

	while ((c = getc(t->f)) != '\t' && c != '\n') {
		if (c == EOF) return cut(t);
		if (!c || n == size - 1)
			return fail("%s: line %" PRId64 ": found a field of %d characters or more",
				t->path, t->line, n);
		out[n++] = (char)c;
	}
	out[n] = 0;
	return c;
}

static int bad(const struct text *t, const char *found, const char *expected)
{
	return fail("%s: line %" PRId64 ": found '%s', expected %s", t->path, t->line, found,
		expected);
}

static bool whole(const char *s, int base, uint64_t max, uint64_t *out)
{
	char *end;

	if (!isxdigit((unsigned char)*s)) return false;
	errno = 0;
	*out = strtoull(s, &end, base);
	return !*end && !errno && *out <= max;
}

/* Bits after 0x (`digits` of them), or a decimal number that a float can hold. */
static bool real(const char *s, int digits, float *out, uint64_t *bits)
{
	char *end;

	*bits = UINT64_MAX;
	if (s[0] == '0' && s[1] == 'x')
		return strlen(s) == 2 + (size_t)digits && whole(s + 2, 16, UINT32_MAX, bits);
	if (isspace((unsigned char)*s)) return false;
	*out = strtof(s, &end);
	return end != s && !*end &&
		(!isinf(*out) || strchr("in", tolower((unsigned char)s[*s == '-' || *s == '+'])));
}

static bool element(const char *s, enum rows_type type, void *row, int i)
{
	uint64_t n;
	float x = 0;

	if (type == ROWS_F32 || type == ROWS_F16) {
		if (!real(s, type == ROWS_F32 ? 8 : 4, &x, &n)) return false;
		if (type == ROWS_F16) {
			((uint16_t *)row)[i] = n == UINT64_MAX ? f32_to_f16(x) : (uint16_t)n;
			return true;
		}
		if (n == UINT64_MAX) memcpy(&n, &x, 4);
		memcpy((char *)row + 4 * i, &n, 4);
		return true;
	}
	if (!whole(s, 10, type == ROWS_U8 ? UINT8_MAX : UINT32_MAX, &n)) return false;
	if (type == ROWS_U8) ((uint8_t *)row)[i] = (uint8_t)n;
	else ((uint32_t *)row)[i] = (uint32_t)n;
	return true;
}

static int type_by_name(const char *name)
{
	for (int i = ROWS_U8; i <= ROWS_NEAR; i++) if (!strcmp(types[i], name)) return i;
	return 0;
}

static bool shape(struct rows_info *r, char *value)
{
	uint64_t n[3];
	char *save, *at = strtok_r(value, "\t", &save);

	for (int i = 0; i < 3; i++, at = strtok_r(NULL, "\t", &save))
		if (!at || !whole(at, 10, 65535, &n[i])) return false;
	r->height = (int)n[0];
	r->im_width = (int)n[1];
	r->channels = (int)n[2];
	return !at;
}

/* One line "#name<TAB>value" of the head; false when it makes no sense. */
static bool head_line(struct rows_info *r, const char *name, char *value)
{
	size_t used = strlen(r->meta), bytes = strlen(value);
	uint64_t n;

	if (!strcmp(name, "#kind"))
		return bytes < sizeof r->kind ? memcpy(r->kind, value, bytes), true : false;
	if (!strcmp(name, "#type")) return (r->type = (enum rows_type)type_by_name(value));
	if (!strcmp(name, "#width"))
		return whole(value, 10, INT32_MAX, &n) ? r->width = (int)n, true : false;
	if (!strcmp(name, "#shape")) return shape(r, value);
	if (!strcmp(name, "#from")) return whole(value, 16, UINT64_MAX, &r->from);
	if (!strcmp(name, "#root")) return whole(value, 16, UINT64_MAX, &r->root);
	if (strcmp(name, "#meta") || used + bytes + 2 > sizeof r->meta) return false;
	memcpy(r->meta + used, value, bytes);
	memcpy(r->meta + used + bytes, "\n", 2);
	return true;
}

/* line[n] and what follows, c first, says what the file is. */
static int no_text(struct text *t, char line[LINE], int n, int c)
{
	for (; c != EOF && n < KNOWN_BYTES; c = getc(t->f)) line[n++] = (char)c;
	return fail("%s: found %s, expected text as ic-store dump writes", t->path,
		known_as(line, (size_t)n));
}

/* A line into line[LINE]; 0 or -1. */
static int line_get(struct text *t, char *line)
{
	int c, n = 0;

	t->line++;
	while ((c = getc(t->f)) != '\n') {
		if (c == EOF) return cut(t);
		if (!c && t->line == 1) return no_text(t, line, n, c);
		if (!c || n == LINE - 1)
			return fail("%s: line %" PRId64 " is not one of a head", t->path, t->line);
		line[n++] = (char)c;
	}
	line[n] = 0;
	return 0;
}

static int head_get(struct text *t, struct rows_info *r)
{
	char line[LINE];

	*r = (struct rows_info){ .count = -1 };
	if (line_get(t, line)) return -1;
	if (strcmp(line, "#ic-rows\t1"))
		return bad(t, line, "#ic-rows<TAB>1, as ic-store dump writes");
	for (;;) {
		if (line_get(t, line)) return -1;
		if (!strncmp(line, "# ", 2)) continue;
		r->labelled = !strcmp(line, "#key\tlabel\tvalues");
		if (r->labelled || !strcmp(line, "#key\tvalues")) return frame_check(t->path, r);
		char *value = strchr(line, '\t');
		if (value) *value++ = 0;
		if (!value || !head_line(r, line, value))
			return bad(t, line, "#kind, #type, #width, #shape, #from, #root, #meta or "
				"#key, and its value");
	}
}

int text_open(struct text *t, const char *path, struct rows_info *r)
{
	bool in = !strcmp(path, "-");

	*t = (struct text){ .path = in ? "standard input" : path };
	t->f = in ? stdin : fopen(path, "r");
	if (!t->f) return fail("%s:", path);
	if (!head_get(t, r) && (t->row = mem_big(1, rows_bytes(r), path))) return 0;
	text_close(t);
	return -1;
}

void text_close(struct text *t)
{
	if (t->f && t->f != stdin) fclose(t->f);
	free(t->row);
	*t = (struct text){ 0 };
}

static int values(struct text *t, const struct rows_info *r)
{
	int n = r->type == ROWS_NEAR ? 2 * r->width : r->width, end = '\t';
	char word[WORD];

	for (int i = 0; i < n; i++) {
		enum rows_type type = r->type;
		if (type == ROWS_NEAR) type = i < r->width ? ROWS_U32 : ROWS_F32;
		if (end != '\t')
			return fail("%s: line %" PRId64 ": found %d values, expected %d", t->path,
				t->line, i, n);
		if ((end = field(t, word, WORD)) < 0) return -1;
		if (!element(word, type, t->row, i)) return bad(t, word, types[type]);
	}
	if (end == '\n') return 0;
	return fail("%s: line %" PRId64 ": found more than %d values", t->path, t->line, n);
}

/* After "#": 0 the end, 1 a comment passed over, -1 failed. */
static int mark(struct text *t)
{
	char line[LINE];

	t->line--;
	if (line_get(t, line)) return -1;
	if (*line == ' ') return 1;
	if (strcmp(line, "end")) return bad(t, line, "a row or #end");
	if (getc(t->f) == EOF) return ferror(t->f) ? cut(t) : 0;
	return fail("%s: found more after line %" PRId64 ", which says #end", t->path, t->line);
}

int text_next(struct text *t, const struct rows_info *r, uint64_t *key, uint32_t *label)
{
	char word[WORD];
	uint64_t n = 0;
	int c, end;

	for (t->line++; (c = getc(t->f)) == '#'; t->line++) {
		int more = mark(t);
		if (more < 1) return more;
	}
	if (c == EOF) return cut(t);
	ungetc(c, t->f);
	if ((end = field(t, word, WORD)) < 0) return -1;
	if (end != '\t' || !whole(word, 10, UINT64_MAX, key))
		return bad(t, word, "a key, a tab and values");
	if (r->labelled) {
		if ((end = field(t, word, WORD)) < 0) return -1;
		if (end != '\t' || !whole(word, 10, UINT32_MAX, &n))
			return bad(t, word, "a label, a tab and values");
	}
	*label = (uint32_t)n;
	return values(t, r) ? -1 : 1;
}
