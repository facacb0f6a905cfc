/* trail: the files that a run writes as it goes. */
#include "lib/gan/trail.h"
#include "formats/pam.h"
#include "formats/part.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What can be cut off; standard output is never, where it leads to a file either. */
static bool is_file(FILE *f)
{
	struct stat st;
	return f != stdout && !fstat(fileno(f), &st) && S_ISREG(st.st_mode);
}

static int cut(FILE *f, const char *path, long at)
{
	if (fflush(f) || ftruncate(fileno(f), at) || fseek(f, at, SEEK_SET))
		return fail("%s:", path);
	return 0;
}

static int flush(FILE *f, const char *path)
{
	return fflush(f) || ferror(f) ? write_failed(path) : 0;
}

enum { MARK = 80 };

/* The first line of a log. */
static void log_mark(char mark[MARK], const struct trail_plan *p)
{
	snprintf(mark, MARK, "{\"step\":0,\"images\":0,\"run\":\"%016" PRIx64 "\"}\n", p->run);
}

/* Of the first picture, as pam_write has it. */
static void pictures_mark(char mark[MARK], const struct trail_plan *p)
{
	snprintf(mark, MARK, "P7\n# ic key=0 from=%016" PRIx64 " ", p->run);
}

/* The writer of events. */
static void board_mark(char mark[MARK], const struct trail_plan *p)
{
	snprintf(mark, MARK, "ic-train, run %016" PRIx64, p->run);
}

static bool begins(const char *path, const void *mark, size_t n)
{
	FILE *f = fopen(path, "r");
	bool same = f && part_begins(f, mark, n);

	if (f) fclose(f);
	return same;
}

/* mark: how that file of this run begins. */
static int check(const char *path, const void *mark, size_t n, bool resumed)
{
	struct stat st;

	if (!path || !strcmp(path, "-") || stat(path, &st)) return 0;
	if (!S_ISREG(st.st_mode) || !st.st_size) return 0;
	/* a log with nothing more was left ahead of the first checkpoint */
	bool begun = st.st_size == (off_t)n;
	if ((resumed || begun) && begins(path, mark, n)) return 0;
	return fail("%s: exists%s (-f overwrites)", path, resumed ? ", not of this run" : "");
}

int trail_check(const struct trail_plan *plan, bool resumed)
{
	char mark[MARK];
	size_t n;

	log_mark(mark, plan);
	if (check(plan->log, mark, strlen(mark), resumed)) return -1;
	pictures_mark(mark, plan);
	if (check(plan->pictures, mark, strlen(mark), resumed)) return -1;
	if (!plan->board) return 0;
	board_mark(mark, plan);
	char *events = tfevents_path(plan->board), *first = tfevents_first(mark, &n);
	int bad = check(events, first, n, resumed);

	free(events);
	free(first);
	return bad;
}

/* *path becomes the name for messages; mode: that of a file. */
static int open_output(FILE **f, const char **path, const char *mode)
{
	struct stat st;

	if (!*path) return 0;
	if (!strcmp(*path, "-")) {
		*f = stdout;
		*path = "standard output";
		return 0;
	}
	bool special = !stat(*path, &st) && !S_ISREG(st.st_mode);
	*f = fopen(*path, special ? "w" : mode);
	if (*f) return 0;
	return errno == ENOENT && *mode == 'r'
		? fail("%s: not there, expected the pictures this run had written", *path)
		: fail("%s:", *path);
}

int trail_open(struct trail *t, const struct trail_plan *plan, bool fresh)
{
	char mark[MARK];

	*t = (struct trail){ .plan = *plan };
	board_mark(mark, plan);
	if (open_output(&t->log, &t->plan.log, fresh ? "w+" : "a+")) goto fail;
	if (open_output(&t->pictures, &t->plan.pictures, fresh ? "w+" : "r+")) goto fail;
	if (plan->board && tfevents_open(&t->board, plan->board, mark, fresh)) goto fail;
	return 0;
fail:
	trail_close(t);
	return -1;
}

static void close_output(FILE *f)
{
	if (f && f != stdout) fclose(f);
}

void trail_close(struct trail *t)
{
	close_output(t->log);
	close_output(t->pictures);
	tfevents_close(&t->board);
	*t = (struct trail){ 0 };
}

/* Keeps the whole lines of steps up to this one, without the last; of another run's log none. */
static int rewind_log(struct trail *t, int64_t step, const char *last)
{
	char *line = NULL, first[MARK];
	size_t room = 0;
	ssize_t got;
	long keep = 0;
	long long at;

	log_mark(first, &t->plan);
	rewind(t->log);
	while (is_file(t->log) && (got = getline(&line, &room, t->log)) > 0 &&
	       line[got - 1] == '\n' && sscanf(line, "{\"step\":%lld", &at) == 1 &&
	       at <= step && strcmp(line, last) && (keep || !strcmp(line, first)))
		keep = ftell(t->log);
	free(line);
	if (is_file(t->log) && cut(t->log, t->plan.log, keep)) return -1;
	if (!keep) fputs(first, t->log);
	fputs(last, t->log);
	return flush(t->log, t->plan.log);
}

static int rewind_pictures(struct trail *t, int64_t rows)
{
	const char *path = t->plan.pictures;
	struct pam p = { .f = t->pictures, .path = path };
	struct pam_head h;
	uint8_t *rgb = NULL;
	int got = 1;

	rewind(t->pictures);
	for (int64_t i = 0; i < rows * TRAIL_PICTURES && got > 0; i++) got = pam_read(&p, &h, &rgb);
	free(rgb);
	if (got < 0) return -1;
	if (!got)
		return fail("%s: fewer than the %lld rows of pictures this run had written", path,
			    (long long)rows);
	return cut(t->pictures, path, ftell(t->pictures));
}

int trail_rewind(struct trail *t, int64_t step, int64_t rows, const char *line)
{
	if (t->log && rewind_log(t, step, line)) return -1;
	if (t->pictures && is_file(t->pictures) && rewind_pictures(t, rows)) return -1;
	return t->board.f ? tfevents_rewind(&t->board, step) : 0;
}

int trail_log(struct trail *t, int64_t step, const char *fmt, ...)
{
	va_list ap;

	if (!t->log) return 0;
	if (isatty(fileno(t->log))) progress_end();  /* the line is its */
	fprintf(t->log, "{\"step\":%" PRId64 ",\"images\":%" PRId64 ",", step,
		step * t->plan.a_step);
	va_start(ap, fmt);
	vfprintf(t->log, fmt, ap);
	va_end(ap);
	fputs("}\n", t->log);
	return flush(t->log, t->plan.log);
}

static int show_row(struct trail *t, int64_t step, const uint8_t *rgb, int side)
{
	struct pam_head h = { .width = side, .height = side, .channels = 3, .from = t->plan.run,
			      .in_training = true, .seen = step * t->plan.a_step };

	for (int k = 0; k < TRAIL_PICTURES; k++) {
		h.key = (uint64_t)k;
		if (pam_write(t->pictures, t->plan.pictures, &h,
			      rgb + (size_t)k * (size_t)side * (size_t)side * 3))
			return -1;
	}
	return flush(t->pictures, t->plan.pictures);
}

/* Four rows of four. */
static int show_square(struct trail *t, const uint8_t *rgb, int side)
{
	size_t n = (size_t)side, line = 3 * n;
	uint8_t *square = mem_new(TRAIL_PICTURES * n, line);

	for (size_t k = 0; k < TRAIL_PICTURES; k++)
		for (size_t y = 0; y < n; y++)
			memcpy(square + ((k / 4 * n + y) * 4 + k % 4) * line,
			       rgb + (k * n + y) * line, line);
	int bad = tfevents_picture(&t->board, "samples", square, 4 * side, 4 * side);
	free(square);
	return bad;
}

int trail_show(struct trail *t, int64_t step, const uint8_t *rgb, int side)
{
	if (t->pictures && show_row(t, step, rgb, side)) return -1;
	if (!t->board.f) return 0;
	return show_square(t, rgb, side) || trail_event(t, step) ? -1 : 0;
}

int trail_event(struct trail *t, int64_t step)
{
	return tfevents_put(&t->board, step, (double)(step * t->plan.a_step));
}

static int sync_file(FILE *f, const char *path)
{
	return f && is_file(f) && fsync(fileno(f)) ? fail("%s:", path) : 0;
}

int trail_sync(struct trail *t)
{
	return sync_file(t->log, t->plan.log) || sync_file(t->pictures, t->plan.pictures) ||
			       sync_file(t->board.f, t->board.path)
		       ? -1
		       : 0;
}
