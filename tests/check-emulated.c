/* check-emulated: that the emulated device notices the faults it is for: kernels and launches, each
 * with one planted fault.  With "racy" or "sound": that kernel alone, for tests/races.t. */
#include "tests/cuda-host.h"
#include "tests/tap.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 4 * THREADS };

struct job { float *x; };                    /* [N] */

KERNEL(sound, struct job)
{
	SHARED float of_thread[THREADS];

	of_thread[THREAD] = a.x[THREAD];
	sync_threads();
	a.x[THREAD] = of_thread[THREADS - 1 - THREAD];
}

KERNEL(racy, struct job)
{
	SHARED float of_thread[THREADS];

	of_thread[THREAD] = a.x[THREAD];
	a.x[THREAD] = of_thread[THREADS - 1 - THREAD];
}

KERNEL(apart, struct job)
{
	if (a.x && THREAD) sync_threads();
}

KERNEL(warp_apart, struct job)
{
	if (THREAD % 2) a.x[THREAD] = shuffle_xor(1, 2);
}

KERNEL(askew, struct job)
{
	float v[4];

	read_four(a.x + 1, v);
	a.x[THREAD] = v[0];
}

KERNEL(outside, struct job) { a.x[N + THREAD] = 0; }

KERNEL(unwaited, struct job)
{
	SHARED float copied[N];

	copy_async(copied + 4 * THREAD, a.x + 4 * THREAD, true);
	copy_commit();
}

KERNEL(early, struct job)
{
	SHARED float copied[N];

	copy_async(copied + 4 * THREAD, a.x + 4 * THREAD, true);
	copy_commit();
	a.x[THREAD] = copied[4 * THREAD];
	copy_wait(0);
}

KERNEL(unwritten, struct job)
{
	SHARED float of_thread[THREADS];

	a.x[THREAD] = of_thread[THREAD];
	sync_threads();
	of_thread[THREAD] = 1;
}

static struct job job;
static float here[N];                        /* of the host */

static void run_apart(void) { LAUNCH(NULL, apart, 1, 1, 1, job); }
static void run_warp_apart(void) { LAUNCH(NULL, warp_apart, 1, 1, 1, job); }
static void run_askew(void) { LAUNCH(NULL, askew, 1, 1, 1, job); }
static void run_outside(void) { LAUNCH(NULL, outside, 1, 1, 1, job); }
static void run_unwaited(void) { LAUNCH(NULL, unwaited, 1, 1, 1, job); }
static void run_nothing(void) { LAUNCH(NULL, sound, 0, 1, 1, job); }
static void run_too_deep(void) { LAUNCH(NULL, sound, 1, 1, 65536, job); }
static void touch(void) { job.x[0] = 1; }
static void lend(void) { LAUNCH(NULL, sound, 1, 1, 1, ((struct job){ here })); }
static void copy_lent(void) { host_copy(job.x, here, 4); }
static void fetch_own(void) { host_fetch(here, here, 4); }
static void send_own(void) { host_send(here, here, 4); }
static void record_take(void) { host_record(), host_take(4); }
static void record_give(void) { host_record(), host_give(job.x); }
static void record_send(void) { host_record(), host_send(job.x, &job, 4); }
static void record_wait(void) { host_record(), host_settle(); }
static void record_first(void) { host_record(), run_apart(); }

/* The signal that ends a child which does that; 0: none. */
static int signal_of(void (*what)(void))
{
	int status;

	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		freopen("/dev/null", "w", stderr);
		signal(SIGSEGV, SIG_DFL);        /* which AddressSanitizer would catch */
		what();
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0) abort();
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static bool all_nan(void)
{
	float got[THREADS];
	bool all = true;

	host_fetch(got, job.x, sizeof got);
	for (int i = 0; i < THREADS; i++) all &= isnan(got[i]);
	return all;
}

static void fill(void)
{
	float x[N];

	for (int i = 0; i < N; i++) x[i] = (float)i;
	host_send(job.x, x, sizeof x);
	host_settle();
}

static void check_reads(void)
{
	fill();
	LAUNCH(NULL, early, 1, 1, 1, job);
	ok(all_nan(), "a copy that is read before it is waited for is NaN");
	fill();
	LAUNCH(NULL, unwritten, 2, 1, 1, job);
	ok(all_nan(), "what another block has left in shared memory is NaN");
}

static bool sound_turns(void)
{
	float got[THREADS];
	bool same = true;

	fill();
	LAUNCH(NULL, sound, 1, 1, 1, job);
	host_fetch(got, job.x, sizeof got);
	for (int i = 0; i < THREADS; i++) same &= got[i] == (float)(THREADS - 1 - i);
	return same;
}

int main(int argc, char **argv)
{
	job.x = host_take(N * sizeof *job.x);
	if (argc > 1) {
		fill();
		if (argv[1][0] == 's') LAUNCH(NULL, sound, 1, 1, 1, job);
		else LAUNCH(NULL, racy, 1, 1, 1, job);
		return 0;
	}
	ok(sound_turns(), "a sound kernel");
	ok(signal_of(run_apart) == SIGABRT, "threads part at a barrier");
	ok(signal_of(run_warp_apart) == SIGABRT, "a warp parts");
	ok(signal_of(run_askew) == SIGABRT, "four numbers that are not on 16 bytes");
	ok(signal_of(run_outside) == SIGSEGV, "writing behind a piece of memory");
	ok(signal_of(run_unwaited) == SIGABRT, "a copy that nobody waits for");
	ok(signal_of(run_nothing) == SIGABRT, "a launch of no blocks");
	ok(signal_of(run_too_deep) == SIGABRT, "a grid that is too deep");
	ok(signal_of(touch) == SIGSEGV, "the host touching the device's memory");
	ok(SHADOWS || signal_of(lend) == SIGABRT, "a kernel that is given the host's memory");
	ok(signal_of(copy_lent) == SIGABRT, "the host's memory copied as the device's");
	ok(signal_of(fetch_own) == SIGABRT, "the host's memory fetched from the device");
	ok(signal_of(send_own) == SIGABRT, "the host's memory sent to");
	ok(signal_of(record_take) == SIGABRT, "recording: memory is taken");
	ok(signal_of(record_give) == SIGABRT, "recording: memory is given back");
	ok(signal_of(record_send) == SIGABRT, "recording: a transfer");
	ok(signal_of(record_wait) == SIGABRT, "recording: a wait");
	ok(signal_of(record_first) == SIGABRT, "recording: a kernel that is not loaded");
	check_reads();
	host_give(job.x);
	return done_testing();
}
