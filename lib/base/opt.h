/* opt: one table per program is its parser, its ranges, its defaults, its --help and its bash
 * completion. */
#ifndef IC_OPT_H
#define IC_OPT_H

#include <stdbool.h>
#include <stdint.h>

enum opt_kind {
	OPT_FLAG,                            /* bool at; no argument */
	OPT_INT,                             /* int at; min..max */
	OPT_LONG,                            /* int64_t at; min..max */
	OPT_REAL,                            /* double at; min..max */
	OPT_SIZE,                            /* int64_t at: bytes, as 512M or 2G (of 1024) */
	OPT_STR,                             /* const char * at */
	OPT_OUT,                             /* the same, a file that the program writes */
	OPT_WORD,                            /* int at: index into arg, the words "a|b|c" */
};

struct opt {
	char letter;                         /* 0: long form only */
	const char *name;                    /* without the dashes */
	const char *arg;                     /* "N", "FILE", "a|b|c"; NULL for a flag */
	const char *help;                    /* one line; the default is appended from *at */
	enum opt_kind kind;
	void *at;
	double min, max;                     /* 0, 0: any */
};

/* What every program takes, filled by opt_parse. */
struct common {
	const char *program;                 /* "ic-knn" */
	int threads;                         /* 0: all; already given to par_set_threads */
	bool quiet, verbose, json, force;
};
extern struct common common;

#define OPT_COMMON \
	{ 'f', "force", NULL, "overwrite an existing output", OPT_FLAG, &common.force, 0, 0 }, \
	{ 't', "threads", "N", "threads (0: all)", OPT_INT, &common.threads, 0, 1024 }, \
	{ 0, "json", NULL, "results as JSON, one object a line", OPT_FLAG, &common.json, 0, 0 }, \
	{ 'q', "quiet", NULL, "no progress", OPT_FLAG, &common.quiet, 0, 0 }, \
	{ 'v', "verbose", NULL, "end with time, CPU, peak memory and rate", OPT_FLAG, \
	  &common.verbose, 0, 0 }

/* Parses argv; short options bundle, long ones are written in full, "--" ends options, options and
 * operands mix.  Operands are moved to the end of argv, in order; returns the index of the first.
 * usage: the operands, as "[rows]"; summary: one line.  --help prints to stdout and exits 0,
 * --version likewise, --completion prints a bash completion script and exits 0; misuse prints one
 * line with a hint and exits 2: also when an OPT_OUT names a file that another option or an operand
 * names, or two name standard output.  Installs the signal handlers of say.h and sets the number of
 * threads. */
int opt_parse(int argc, char **argv, const char *usage, const char *summary, const struct opt *,
	      int count);

/* Reads "name = value" lines (# comments) through the same table; exits 2 on a fault, naming file
 * and line.  What the command line has set stays (see ic-train --preset). */
void opt_file(const char *path, const struct opt *, int count);

/* Exits 2 when an OPT_OUT names a file that an operand or another option names: opt_parse asks,
 * and who has read an opt_file asks again. */
void opt_check_outputs(char **operand, int operands, const struct opt *, int count);

/* Sets one option by name from text, as the command line would; -1 after fail() when it cannot. */
int opt_set(const struct opt *, int count, const char *name, const char *value);

#endif
