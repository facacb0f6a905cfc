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

static void range_and_default(const struct opt *o)
{
	char value[256], min[32], max[32];
	bool number = o->kind == OPT_INT || o->kind == OPT_LONG || o->kind == OPT_REAL;
	bool range = number && (o->min != 0 || o->max != 0);
	bool preset = o->kind != OPT_FLAG && opt_text(o, value, sizeof value) >= 0;

	if (!range && !preset) return;
	printf(" (");
	if (range) printf("%s..%s", record_number(min, o->min), record_number(max, o->max));
	printf("%s", range && preset ? ", " : "");
	if (preset) printf("default %s", value);
	printf(")");
}

static void print_option(const struct opt *o)
{
	char left[256] = "      ";

	if (o->letter) snprintf(left, sizeof left, "  -%c, ", o->letter);
	snprintf(left + 6, sizeof left - 6, "--%s%s%s", o->name, o->arg ? " " : "",
		 o->arg ? o->arg : "");
	printf("%-30s  %s", left, o->help);
	range_and_default(o);
	printf("\n");
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
	} else if (o->kind == OPT_STR) {
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
	return like;
}
