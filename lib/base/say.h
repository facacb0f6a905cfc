/* say: what programs tell people (stderr) and each other (records on stdout); with opt, the only
 * part of lib that prints or exits. */
#ifndef IC_SAY_H
#define IC_SAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* "ic-knn: " why(), exit 1 (75 when stop_asked()) */
_Noreturn void die(void);
/* exit 2 with a hint */
_Noreturn void misuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* one line on stderr, even with -q */
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* one line on stderr, not with -q */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

double say_seconds(void);                    /* of a clock that only goes forward, for durations */
/* once, by opt_parse: signal handlers and the clock of the closing report */
void say_start(void);
/* SIGINT, SIGTERM or SIGUSR1 has come; in any thread */
bool stop_asked(void);
int stop_check(void);                        /* 0, or -1 after fail("stopped by SIGTERM ...") */
/* By whoever leaves what the same command goes on from: from now on the message of a stop says it.
 */
void stop_keeps(void);
/* -1 after fail(): the signal that ended a write, or else why it failed */
int write_failed(const char *name);

/* One rewritten line on stderr: only when stderr is a terminal (or IC_PROGRESS=1) and not -q; at
 * most ten a second. total 0 or less: unknown.  Shows done, total, rate, time left and the detail
 * text. */
void progress(const char *what, int64_t done, int64_t total, const char *detail, ...)
	__attribute__((format(printf, 4, 5)));
void progress_end(void);                     /* clears the line */

/* Refuses to write binary to a terminal / read it from one: -1 after fail(). */
int binary_stdout(void);
int binary_stdin(void);

/* Result records: TSV with one "#a<TAB>b" header line, or --json one object a line, same fields in
 * the same order.
 *	struct record r = record_begin(stdout);
 *	record_text(&r, "name", s); record_int(&r, "n", 3); record_real(&r, "fd", 1.5);
 *	record_end(&r);
 * The header is printed when the first record of a FILE ends; later records must have the same
 * fields. */
struct record_line { char *s; size_t n, room; };
struct record { FILE *f; int count; struct record_line head, row; };
struct record record_begin(FILE *);
void record_text(struct record *, const char *name, const char *value);
void record_int(struct record *, const char *name, int64_t value);
void record_key(struct record *, const char *name, uint64_t key);
/* the fewest of 15, 16, 17 digits that read back equal */
void record_real(struct record *, const char *name, double value);
void record_end(struct record *);            /* and frees it, for another of the kind */
/* that text: "0.1", "1e-08", "nan", "inf"; returns buf */
const char *record_number(char buf[32], double value);

/* The end of every main(): closing report with -v, flush and close stdout with a check; returns the
 * exit status. */
int done(int64_t items, const char *unit);

#endif
