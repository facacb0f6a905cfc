/* trail: the files that a run writes as it goes. */
#include "lib/gan/trail.h"
#include "formats/pam.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_file(FILE *f)
{
	struct stat st;
	return !fstat(fileno(f), &st) && S_ISREG(st.st_mode);
}

static int cut(FILE *f, const char *path, long at)
{
	if (fflush(f) || ftruncate(fileno(f), at) || fseek(f, at, SEEK_SET))
		return fail("%s:", path);
	return 0;
}

static int flush(FILE *f, const char *path)
{
	return fflush(f) || ferror(f) ? fail("%s:", path) : 0;
}

static bool begins(const char *path, const char *mark)
{
	char head[16];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(head, 1, strlen(mark), f) : 0;

	if (f) fclose(f);
	return n == strlen(mark) && !memcmp(head, mark, n);
}

/* mark: how the file of a run that goes on begins. */
static int check(const char *path, const char *mark, bool resumed)
{
	struct stat st;

	if (!path || stat(path, &st) || !S_ISREG(st.st_mode) || !st.st_size) return 0;
	if (resumed && begins(path, mark)) return 0;
	return fail("%s: exists%s (-f overwrites)", path, resumed ? ", not of this run" : "");
}

/* A stream cannot be cut off; a log does without, as on /dev/stderr. */
static int check_kind(const struct trail_plan *plan)
{
	struct stat st;

	if ((plan->log && !strcmp(plan->log, "-")) ||
	    (plan->pictures && !strcmp(plan->pictures, "-")))
		return fail("--log, --pictures: found '-', expected a file, which a run that goes "
			    "on cuts off at its step");
	if (plan->pictures && !stat(plan->pictures, &st) && !S_ISREG(st.st_mode))
		return fail("%s: not a regular file, expected one or none", plan->pictures);
	return 0;
}

int trail_check(const struct trail_plan *plan, bool resumed, bool force)
{
	if (check_kind(plan)) return -1;
	if (force) return 0;
	if (check(plan->log, "{\"step\":", resumed)) return -1;
	return check(plan->pictures, "P7\n", resumed);
}

int trail_open(struct trail *t, const struct trail_plan *plan, bool fresh)
{
	struct stat st;
	bool special = plan->log && !stat(plan->log, &st) && !S_ISREG(st.st_mode);

	*t = (struct trail){ .plan = *plan };
	if (plan->log && !(t->log = fopen(plan->log, special ? "w" : fresh ? "w+" : "a+"))) {
		fail("%s:", plan->log);
		goto fail;
	}
	if (plan->pictures && !(t->pictures = fopen(plan->pictures, fresh ? "w+" : "r+"))) {
		if (errno != ENOENT || fresh) fail("%s:", plan->pictures);
		else fail("%s: not there, expected the pictures this run had written before it was "
			  "taken up", plan->pictures);
		goto fail;
	}
	if (plan->board && tfevents_open(&t->board, plan->board, fresh)) goto fail;
	return 0;
fail:
	trail_close(t);
	return -1;
}

void trail_close(struct trail *t)
{
	if (t->log) fclose(t->log);
	if (t->pictures) fclose(t->pictures);
	tfevents_close(&t->board);
	*t = (struct trail){ 0 };
}

/* Keeps the whole lines of steps up to this one, without the last. */
static int rewind_log(struct trail *t, int64_t step, const char *last)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t got;
	long keep = 0;
	long long at;

	rewind(t->log);
	while (is_file(t->log) && (got = getline(&line, &room, t->log)) > 0 &&
	       line[got - 1] == '\n' && sscanf(line, "{\"step\":%lld", &at) == 1 &&
	       at <= step && strcmp(line, last))
		keep = ftell(t->log);
	free(line);
	if (is_file(t->log) && cut(t->log, t->plan.log, keep)) return -1;
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
	if (t->pictures && rewind_pictures(t, rows)) return -1;
	return t->board.f ? tfevents_rewind(&t->board, step) : 0;
}

int trail_log(struct trail *t, int64_t step, const char *fmt, ...)
{
	va_list ap;

	if (!t->log) return 0;
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
	struct pam_head h = { .width = side, .height = side, .channels = 3, .in_training = true,
			      .seen = step * t->plan.a_step };

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
