/* help: --help, --version and --completion from the option table. */
#include "lib/base/help.h"
#include "lib/base/fail.h"
#include "lib/base/say.h"

#include <stdio.h>
#include <string.h>

static const struct opt asked[] = {          /* answered before any parsing */
	{ 0, "help",       NULL, "print this and exit",                  OPT_FLAG, NULL, 0, 0 },
	{ 0, "version",    NULL, "print the version and exit",           OPT_FLAG, NULL, 0, 0 },
	{ 0, "completion", NULL, "print a bash completion script and exit", OPT_FLAG, NULL, 0, 0 },
};

enum { INDENT = 32, WIDTH = 80 };            /* columns */

/* What the option is for, its range and its default. */
static void explain(const struct opt *o, char *text, size_t size)
{
	char value[256], min[32], max[32];
	bool number = o->kind == OPT_INT || o->kind == OPT_LONG || o->kind == OPT_REAL;
	bool range = number && (o->min != 0 || o->max != 0);
	bool preset = o->kind != OPT_FLAG && opt_text(o, value, sizeof value) >= 0;

	snprintf(text, size, "%s%s%s%s%s%s%s%s%s", o->help, range || preset ? " (" : "",
		 range ? record_number(min, o->min) : "", range ? ".." : "",
		 range ? record_number(max, o->max) : "", range && preset ? ", " : "",
		 preset ? "default " : "", preset ? value : "", range || preset ? ")" : "");
}

/* Words from column INDENT on, as many to a line as there is room for. */
static void print_words(const char *text)
{
	int column = INDENT;

	while (*text) {
		int n = (int)strcspn(text, " ");
		bool first = column == INDENT, next = !first && column + 1 + n > WIDTH;
		if (next) printf("\n%*s", INDENT, "");
		else if (!first) putchar(' ');
		printf("%.*s", n, text);
		column = (next ? INDENT : column + !first) + n;
		text += n + (text[n] == ' ');
	}
	printf("\n");
}

static void print_option(const struct opt *o)
{
	char left[256] = "      ", right[1024];

	if (o->letter) snprintf(left, sizeof left, "  -%c, ", o->letter);
	int n = 6 + snprintf(left + 6, sizeof left - 6, "--%s%s%s", o->name, o->arg ? " " : "",
			     o->arg ? o->arg : "");
	explain(o, right, sizeof right);
	printf("%-*s%s%*s", INDENT - 2, left, n > INDENT - 2 ? "\n" : "",
	       n > INDENT - 2 ? INDENT : 2, "");
	print_words(right);
}

void help_print(const char *usage, const char *summary, const struct opt *opts, int count)
{
	printf("usage: %s [options]%s%s\n%s\n\n", common.program, *usage ? " " : "", usage,
	       summary);
	for (int i = 0; i < count; i++) print_option(&opts[i]);
	for (size_t i = 0; i < LEN(asked); i++) print_option(&asked[i]);
}

void help_version(void)
{
	printf("%s (ic) 1.0\n", common.program);
}

/* After an option with words: the words; with a string: files; with a number: nothing. */
static void completion_values(const struct opt *o)
{
	printf("\t");
	if (o->letter) printf("-%c|", o->letter);
	printf("--%s) ", o->name);
	if (o->kind == OPT_WORD) {
		printf("COMPREPLY=($(compgen -W '");
		for (const char *c = o->arg; *c; c++) putchar(*c == '|' ? ' ' : *c);
		printf("' -- \"$cur\")); ");
	} else if (o->kind == OPT_STR || o->kind == OPT_OUT) {
		printf("COMPREPLY=($(compgen -f -- \"$cur\")); ");
	}
	printf("return ;;\n");
}

void help_completion(const struct opt *opts, int count)
{
	char name[64];

	snprintf(name, sizeof name, "_%s", common.program);
	for (char *c = name; *c; c++)
		if (*c == '-') *c = '_';
	printf("%s()\n{\n\tlocal cur=${COMP_WORDS[COMP_CWORD]}\n\tCOMPREPLY=()\n", name);
	printf("\tcase ${COMP_WORDS[COMP_CWORD-1]} in\n");
	for (int i = 0; i < count; i++)
		if (opts[i].kind != OPT_FLAG) completion_values(&opts[i]);
	printf("\tesac\n\tcase $cur in\n\t-*) COMPREPLY=($(compgen -W '");
	for (int i = 0; i < count; i++) printf("--%s ", opts[i].name);
	printf("--help --version --completion' -- \"$cur\")) ;;\n");
	printf("\t*) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n\tesac\n}\n");
	printf("complete -o filenames -F %s %s\n", name, common.program);
}

/* Levenshtein distance of two names, both shorter than 32. */
static int distance(const char *a, size_t m, const char *b, size_t n)
{
	int row[32];

	for (size_t j = 0; j <= n; j++) row[j] = (int)j;
	for (size_t i = 1; i <= m; i++) {
		int diagonal = row[0];
		row[0] = (int)i;
		for (size_t j = 1; j <= n; j++) {
			int best = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			if (row[j] + 1 < best) best = row[j] + 1;
			if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

/* The longest beginning that the name shares with an option's, of 3 letters or more and 3/4 of the
 * shorter: truncate and truncation, batch-size and batch. */
static const char *same_beginning(const struct opt *opts, int count, const char *name, size_t len)
{
	const char *like = NULL;
	size_t best = 2;

	for (int i = 0; i < count; i++) {
		size_t n = strlen(opts[i].name), p = 0, shorter = n < len ? n : len;
		while (p < shorter && opts[i].name[p] == name[p]) p++;
		if (p > best && 4 * p >= 3 * shorter) {
			best = p;
			like = opts[i].name;
		}
	}
	return like;
}

const char *help_nearest(const struct opt *opts, int count, const char *name, size_t len)
{
	const char *like = NULL;
	/* farther than 2 (1 in short names) is something else */
	int best = len > 4 ? 3 : 2;

	if (len < 2 || len >= 32) return NULL;
	for (int i = 0; i < count; i++) {
		size_t n = strlen(opts[i].name);
		if (n >= 32) continue;
		int d = !strncmp(opts[i].name, name, len) ? 0
							  : distance(name, len, opts[i].name, n);
		if (d < best) {
			best = d;
			like = opts[i].name;
		}
	}
	return like ? like : same_beginning(opts, count, name, len);
}
