/* say: messages, progress, the closing report; records are in record.c. */
#include "lib/base/say.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_MISUSED = 2, EXIT_STOPPED = 75 };   /* 75: EX_TEMPFAIL */

static volatile sig_atomic_t stopped_by;
static double started;
static bool kept;                            /* what was done so far, for the same command */
static bool line_shown;                      /* a progress line is on the terminal */

double say_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void on_stop(int sig)
{
	stopped_by = sig;
	alarm(1);
}

static void on_alarm(int sig)
{
	(void)sig;
	alarm(1);
}

/* A page of a mapped file cannot be had: the file was cut while it was read, or its disk fails.
 * The access that met it cannot go on, and says where: the kernel knows which file is there. */
static void on_lost_page(int sig, siginfo_t *lost, void *context)
{
	static atomic_flag told = ATOMIC_FLAG_INIT;
	while (atomic_flag_test_and_set(&told)) pause();   /* another thread met it first */
	FILE *maps = fopen("/proc/self/maps", "re");
	char *line = NULL, *name = NULL;
	size_t room = 0;
	unsigned long first, end, at = (unsigned long)lost->si_addr;
	int skip = 0;

	(void)sig, (void)context;
	while (!name && maps && getline(&line, &room, maps) > 0)
		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &first, &end, &skip) == 2 &&
		    at >= first && at < end)
			name = line + skip;
	if (name) name[strcspn(name, "\n")] = 0;
	progress_end();
	fprintf(stderr, "%s: %s: became shorter while it was read, or its disk fails\n",
		common.program, name && *name ? name : "a file");
	_exit(EXIT_FAILED);
}

/* A standard stream that is closed stays one that cannot be used: no file that is opened gets its
 * number, and with it what is meant for the stream. */
static void hold_standard(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0) open("/", O_PATH);
}

/* No SA_RESTART: a read that waits for a silent pipe ends too, by the alarm each second afterwards
 * if it began just after the signal.  SA_RESETHAND: a second signal ends at once. */
void say_start(void)
{
	struct sigaction act = { .sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND };
	struct sigaction again = { .sa_handler = on_alarm };
	struct sigaction lost = { .sa_sigaction = on_lost_page, .sa_flags = SA_SIGINFO };

	hold_standard();
	started = say_seconds();
	sigemptyset(&act.sa_mask);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGALRM, &again, NULL);
	sigaction(SIGBUS, &lost, NULL);
	signal(SIGXFSZ, SIG_IGN);            /* a file that may not grow is a failed write */
}

bool stop_asked(void)
{
	return stopped_by;
}

int stop_check(void)
{
	if (!stopped_by) return 0;
	return fail("stopped by SIG%s%s", sigabbrev_np(stopped_by),
		    kept ? "; the same command goes on from here" : "");
}

void stop_keeps(void)
{
	kept = true;
}

int write_failed(const char *name)
{
	return stop_check() ? -1 : fail("%s:", name);
}

/* In one piece: programs of a pipe share the place it goes to. */
static void print_line(const char *fmt, va_list ap)
{
	char text[8192];

	progress_end();
	vsnprintf(text, sizeof text, fmt, ap);
	fprintf(stderr, "%s: %s\n", common.program, text);
}

void die(void)
{
	progress_end();
	fprintf(stderr, "%s: %s\n", common.program, why());
	exit(stop_asked() ? EXIT_STOPPED : EXIT_FAILED);
}

void misuse(const char *fmt, ...)
{
	char text[8192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s: %s (try '%s --help')\n", common.program, text, common.program);
	exit(EXIT_MISUSED);
}

void warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line(fmt, ap);
	va_end(ap);
}

void note(const char *fmt, ...)
{
	va_list ap;

	if (common.quiet) return;
	va_start(ap, fmt);
	print_line(fmt, ap);
	va_end(ap);
}

static bool progress_wanted(void)
{
	static int wanted = -1;

	if (wanted < 0) {
		const char *set = getenv("IC_PROGRESS");
		wanted = set ? !strcmp(set, "1") : isatty(STDERR_FILENO);
	}
	return wanted && !common.quiet;
}

static int columns(void)
{
	struct winsize w;
	return !ioctl(STDERR_FILENO, TIOCGWINSZ, &w) && w.ws_col > 20 ? w.ws_col : 80;
}

/* "1h 02m", "3m 07s", "12s" */
static void duration(char *buf, size_t size, double s)
{
	long t = (long)(s + 0.5);

	if (t >= 3600) snprintf(buf, size, "%ldh %02ldm", t / 3600, t / 60 % 60);
	else if (t >= 60) snprintf(buf, size, "%ldm %02lds", t / 60, t % 60);
	else snprintf(buf, size, "%lds", t);
}

/* The rate counts from the first call of a stage, so that rows taken up from an earlier run do not
 * flatter it. */
static void show(const char *what, int64_t done, int64_t total, const char *detail, double time)
{
	static struct { const char *what; int64_t done; double time; } first;
	char line[512], left[32];
	size_t n;

	if (!first.what || strcmp(first.what, what) || done < first.done) {
		first.what = what;
		first.done = done;
		first.time = time;
	}
	double rate = time > first.time ? (double)(done - first.done) / (time - first.time) : 0;
	n = (size_t)snprintf(line, sizeof line, "%s: %.60s %lld", common.program, what,
			     (long long)done);
	if (total > 0)
		n += (size_t)snprintf(line + n, sizeof line - n, "/%lld (%.0f%%)", (long long)total,
			100.0 * (double)done / (double)total);
	if (rate > 0)
		n += (size_t)snprintf(line + n, sizeof line - n,
				      rate < 10 ? "  %.2f/s" : "  %.0f/s", rate);
	if (rate > 0 && total > done) {
		duration(left, sizeof left, (double)(total - done) / rate);
		n += (size_t)snprintf(line + n, sizeof line - n, "  %s left", left);
	}
	if (*detail) snprintf(line + n, sizeof line - n, "  %s", detail);
	fprintf(stderr, "\r%.*s\033[K", columns() - 1, line);
	line_shown = true;
}

void progress(const char *what, int64_t done, int64_t total, const char *fmt, ...)
{
	static atomic_flag busy = ATOMIC_FLAG_INIT;
	static double last;
	char detail[256];
	va_list ap;

	if (!progress_wanted() || atomic_flag_test_and_set(&busy)) return;
	double time = say_seconds();
	if (time - last >= 0.1) {
		last = time;
		va_start(ap, fmt);
		vsnprintf(detail, sizeof detail, fmt, ap);
		va_end(ap);
		show(what, done, total, detail, time);
	}
	atomic_flag_clear(&busy);
}

void progress_end(void)
{
	if (line_shown) fputs("\r\033[K", stderr);
	line_shown = false;
}

int binary_stdout(void)
{
	if (!isatty(STDOUT_FILENO)) return 0;
	return fail("standard output: found a terminal, expected a file or a pipe for binary data");
}

int binary_stdin(void)
{
	if (!isatty(STDIN_FILENO)) return 0;
	return fail("standard input: found a terminal, expected a file or a pipe with binary data");
}

static void report(int64_t items, const char *unit)
{
	double wall = say_seconds() - started, cpu;
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	      1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
	fprintf(stderr, "%s: %lld %s in %.2f s (%.6g %s/s), %.2f s CPU, %.0f MiB at most\n",
		common.program, (long long)items, unit, wall, wall > 0 ? (double)items / wall : 0,
		unit, cpu, (double)mem_peak_bytes() / 1048576);
}

/* Nothing may have been lost on the way out: a full disk shows at the flush or at the close. */
int done(int64_t items, const char *unit)
{
	progress_end();
	errno = 0;
	if (fflush(stdout) || ferror(stdout)) {
		if (errno) write_failed("standard output");
		else if (!stop_check()) fail("standard output: a write failed");
		die();
	}
	if (close(STDOUT_FILENO) && errno != EBADF) {
		fail("standard output:");
		die();
	}
	if (common.verbose) report(items, unit);
	return 0;
}
