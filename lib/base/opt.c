/* opt: the option table as parser and preset file; --help and --completion are in help.c. */
#include "lib/base/opt.h"
#include "lib/base/fail.h"
#include "lib/base/help.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/say.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct common common = { .program = "ic" };

/* the places set on the command line: opt_file leaves them */
static const void **given;
static size_t given_count;
static char **operand;                       /* of the command line */
static int operands;
static char **texts;                         /* string values from files: they live until the end */
static size_t texts_count;

static const struct opt *find(const struct opt *o, int count, const char *name, size_t len)
{
	for (int i = 0; i < count; i++)
		if (strlen(o[i].name) == len && !memcmp(o[i].name, name, len)) return &o[i];
	return NULL;
}

static bool any(const struct opt *o)
{
	return o->min == 0 && o->max == 0;
}

static int out_of_range(const struct opt *o, const char *value)
{
	char min[32], max[32];

	if (any(o)) return fail("--%s: found '%s', expected a number", o->name, value);
	return fail("--%s: found '%s', expected %s..%s", o->name, value, record_number(min, o->min),
		    record_number(max, o->max));
}

static int set_whole(const struct opt *o, const char *value)
{
	char *end;

	errno = 0;
	long long n = strtoll(value, &end, 10);
	if (end == value || *end)
		return fail("--%s: found '%s', expected a whole number", o->name, value);
	if (errno || (!any(o) && ((double)n < o->min || (double)n > o->max)))
		return out_of_range(o, value);
	if (o->kind == OPT_INT && (n < INT_MIN || n > INT_MAX)) return out_of_range(o, value);
	if (o->kind == OPT_INT) *(int *)o->at = (int)n;
	else *(int64_t *)o->at = n;
	return 0;
}

/* At the place of K, M, G and T is the power of 1024. */
static const char units[] = "\0KMGT";

static int set_size(const struct opt *o, const char *value)
{
	char *end;

	errno = 0;
	long long n = strtoll(value, &end, 10);
	const char *unit = *end ? memchr(units + 1, *end, sizeof units - 2) : units;
	if (end == value || !unit || (*end && end[1]) || errno || n < 0 ||
	    n > INT64_MAX >> 10 * (unit - units))
		return fail("--%s: found '%s', expected a size as 512M or 2G", o->name, value);
	*(int64_t *)o->at = n << 10 * (unit - units);
	return 0;
}

/* In the largest unit that leaves a whole number. */
static int size_text(int64_t bytes, char *buf, size_t size)
{
	const char *unit = units;

	while (bytes && bytes % 1024 == 0 && unit[1]) bytes /= 1024, unit++;
	return snprintf(buf, size, "%lld%.1s", (long long)bytes, unit);
}

static int set_real(const struct opt *o, const char *value)
{
	char *end;
	double x = strtod(value, &end);

	if (end == value || *end || !isfinite(x))
		return fail("--%s: found '%s', expected a number", o->name, value);
	if (!any(o) && (x < o->min || x > o->max)) return out_of_range(o, value);
	*(double *)o->at = x;
	return 0;
}

static int set_word(const struct opt *o, const char *value)
{
	const char *word = o->arg;

	for (int i = 0; ; i++, word++) {
		size_t n = strcspn(word, "|");
		if (n == strlen(value) && !memcmp(word, value, n)) {
			*(int *)o->at = i;
			return 0;
		}
		word += n;
		if (!*word) break;
	}
	return fail("--%s: found '%s', expected %s", o->name, value, o->arg);
}

/* Values end up as lines of text in checkpoints. */
static int set_string(const struct opt *o, const char *value)
{
	if (strpbrk(value, "\r\n")) return fail("--%s: found a line break in its value", o->name);
	if (!*value) return fail("--%s: found nothing, expected %s", o->name, o->arg);
	*(const char **)o->at = value;
	return 0;
}

static int set(const struct opt *o, const char *value)
{
	switch (o->kind) {
	case OPT_FLAG:
		if (strcmp(value, "true") && strcmp(value, "false"))
			return fail("--%s: found '%s', expected true or false", o->name, value);
		*(bool *)o->at = *value == 't';
		return 0;
	case OPT_INT:
	case OPT_LONG: return set_whole(o, value);
	case OPT_REAL: return set_real(o, value);
	case OPT_SIZE: return set_size(o, value);
	case OPT_WORD: return set_word(o, value);
	case OPT_STR:
	case OPT_OUT:  return set_string(o, value);
	}
	return fail("--%s: an option of unknown kind", o->name);
}

static void set_given(const struct opt *o, const char *value)
{
	if (set(o, value)) misuse("%s", why());
	given = mem_grow(given, given_count + 1, sizeof *given);
	given[given_count++] = o->at;
}

/* argv[*i] is a long option; takes the next argument as well when it needs one. */
static void parse_long(int argc, char **argv, int *i, const struct opt *opts, int count)
{
	const char *name = argv[*i] + 2;
	size_t len = strcspn(name, "=");
	const char *value = name[len] ? name + len + 1 : NULL;
	const struct opt *o = find(opts, count, name, len);

	if (!o) {
		const char *like = help_nearest(opts, count, name, len);
		if (like)
			misuse("--%.*s: no such option; did you mean --%s?", (int)len, name, like);
		misuse("--%.*s: no such option", (int)len, name);
	}
	if (o->kind == OPT_FLAG) {
		if (value) misuse("--%s: takes no value, found '%s'", o->name, value);
		value = "true";
	} else if (!value) {
		if (*i + 1 >= argc) misuse("--%s: expected %s", o->name, o->arg);
		value = argv[++*i];
	}
	set_given(o, value);
}

/* argv[*i] is "-abc": flags bundle; the first that takes a value has the rest of the word, or the
 * next argument. */
static void parse_short(int argc, char **argv, int *i, const struct opt *opts, int count)
{
	for (const char *c = argv[*i] + 1; *c; c++) {
		const struct opt *o = NULL;
		for (int k = 0; k < count; k++)
			if (opts[k].letter && opts[k].letter == *c) o = &opts[k];
		if (!o) misuse("-%c: no such option", *c);
		if (o->kind == OPT_FLAG) {
			set_given(o, "true");
			continue;
		}
		if (!c[1] && *i + 1 >= argc) misuse("-%c: expected %s", *c, o->arg);
		set_given(o, c[1] ? c + 1 : argv[++*i]);
		return;
	}
}

/* Asked for anywhere before "--", so that the defaults shown are the defaults. */
static void answer(int argc, char **argv, const char *usage, const char *summary,
		   const struct opt *opts, int count)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--help")) help_print(usage, summary, opts, count);
		else if (!strcmp(argv[i], "--version")) help_version();
		else if (!strcmp(argv[i], "--completion")) help_completion(opts, count);
		else continue;
		exit(done(0, "options"));
	}
}

static bool same_file(const char *a, const char *b)
{
	struct stat s, t;

	if (!strcmp(a, b)) return true;
	return !stat(a, &s) && !stat(b, &t) && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

/* Whether a file is one that is there while the output is made (formats/part.h, lock.h). */
static bool passing_file(const char *file, const char *out)
{
	size_t n = strlen(out);

	return !strncmp(file, out, n) && (!strcmp(file + n, ".part") || !strcmp(file + n, ".lock"));
}

static const char *text_of(const struct opt *o)
{
	bool text = o->kind == OPT_STR || o->kind == OPT_OUT;
	return text ? *(const char *const *)o->at : NULL;
}

/* A file that is written cannot be another file of the same command; what is read from standard
 * input and written to standard output are two. */
static void check_output(const struct opt *o, const struct opt *opts, int count)
{
	const char *out = o->kind == OPT_OUT ? text_of(o) : NULL;
	bool standard = out && !strcmp(out, "-");
	struct stat st;

	if (!out || (!standard && !stat(out, &st) && !S_ISREG(st.st_mode))) return;
	for (int i = 0; i < operands && !standard; i++)
		if (same_file(out, operand[i]))
			misuse("--%s: found %s, which is read", o->name, out);
	for (int i = 0; i < count; i++) {
		const char *other = text_of(&opts[i]);
		if (&opts[i] == o || !other) continue;
		bool both = opts[i].kind == OPT_OUT && !strcmp(other, "-");
		if (opts[i].kind == OPT_OUT && passing_file(other, out))
			misuse("--%s: found %s, which --%s makes in between", opts[i].name, other,
			       o->name);
		if (standard ? both : same_file(out, other))
			misuse("--%s: found %s, which is --%s", o->name, out, opts[i].name);
	}
}

/* After the command line, and after a file. */
static void settle(const struct opt *opts, int count)
{
	for (int i = 0; i < count; i++) check_output(&opts[i], opts, count);
	par_set_threads(common.threads);
}

int opt_parse(int argc, char **argv, const char *usage, const char *summary, const struct opt *opts,
	      int count)
{
	free(operand);
	operand = mem_new((size_t)argc + 1, sizeof *operand);
	operands = 0;
	if (argc > 0) {
		const char *slash = strrchr(argv[0], '/');
		common.program = slash ? slash + 1 : argv[0];
	}
	say_start();
	answer(argc, argv, usage, summary, opts, count);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--")) {
			while (++i < argc) operand[operands++] = argv[i];
		} else if (!strncmp(argv[i], "--", 2)) {
			parse_long(argc, argv, &i, opts, count);
		} else if (argv[i][0] == '-' && argv[i][1]) {
			parse_short(argc, argv, &i, opts, count);
		} else {
			operand[operands++] = argv[i];
		}
	}
	argc -= operands;
	for (int i = 0; i < operands; i++) argv[argc + i] = operand[i];
	settle(opts, count);
	return argc;
}

int opt_set(const struct opt *opts, int count, const char *name, const char *value)
{
	const struct opt *o = find(opts, count, name, strlen(name));

	if (!o) return fail("'%s' is no option", name);
	if (o->kind != OPT_STR && o->kind != OPT_OUT) return set(o, value);
	char *copy = mem_text("%s", value);
	texts = mem_grow(texts, texts_count + 1, sizeof *texts);
	texts[texts_count++] = copy;
	return set(o, copy);
}

static char *trim(char *s)
{
	s += strspn(s, " \t");
	for (char *end = s + strlen(s); end > s && strchr(" \t\r\n", end[-1]); ) *--end = 0;
	return s;
}

/* Sets one option from a line of a file; one that the command line has set is only checked. */
static int set_from_file(const struct opt *opts, int count, const char *name, const char *value)
{
	const struct opt *o = find(opts, count, name, strlen(name));
	union { bool flag; int whole; int64_t large; double real; const char *text; } ignored;

	for (size_t i = 0; o && i < given_count; i++) {
		if (given[i] != o->at) continue;
		struct opt check = *o;
		check.at = &ignored;
		return set(&check, value);
	}
	return opt_set(opts, count, name, value);
}

void opt_file(const char *path, const struct opt *opts, int count)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	int number = 0;

	if (!f) misuse("%s: %s", path, strerror(errno));
	while (getline(&line, &room, f) >= 0) {
		char *name = trim(line), *equals = strchr(name, '=');
		number++;
		if (!*name || *name == '#') continue;
		if (!equals) misuse("%s:%d: found '%s', expected NAME = VALUE", path, number, name);
		*equals = 0;
		if (set_from_file(opts, count, trim(name), trim(equals + 1)))
			misuse("%s:%d: %s", path, number, why());
	}
	if (ferror(f)) misuse("%s: %s", path, strerror(errno));
	free(line);
	fclose(f);
	settle(opts, count);
}

/* A word's text out of "a|b|c". */
static int word_length(const struct opt *o, const char **word)
{
	*word = o->arg;
	for (int i = *(const int *)o->at; i > 0; i--) *word += strcspn(*word, "|") + 1;
	return (int)strcspn(*word, "|");
}

int opt_text(const struct opt *o, char *buf, size_t size)
{
	char real[32];
	const char *word;
	int n;

	switch (o->kind) {
	case OPT_FLAG: return snprintf(buf, size, "%s", *(const bool *)o->at ? "true" : "false");
	case OPT_INT:  return snprintf(buf, size, "%d", *(const int *)o->at);
	case OPT_LONG: return snprintf(buf, size, "%lld", (long long)*(const int64_t *)o->at);
	case OPT_SIZE: return size_text(*(const int64_t *)o->at, buf, size);
	case OPT_REAL:
		return snprintf(buf, size, "%s", record_number(real, *(const double *)o->at));
	case OPT_WORD:
		n = word_length(o, &word);
		return snprintf(buf, size, "%.*s", n, word);
	case OPT_STR:
	case OPT_OUT:  return text_of(o) ? snprintf(buf, size, "%s", text_of(o)) : -1;
	}
	return -1;
}
