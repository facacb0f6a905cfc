/* check-resume: row stores whose writer is killed, stopped, doubled or out of disk. */
#include "lib/base/rng.h"
#include "tests/rowset.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* A writer in another process, killed as soon as its part has some bytes. */
static void killed_writer(const char *path, const struct rows_info *info, int64_t n, int64_t bytes)
{
	pid_t child = fork();
	struct stat st;
	char part[512];

	if (!child) {
		struct rows r;
		int64_t at;
		if (!rows_create(&r, path, info, true, &at)) fill(&r, at, n, true);
		_exit(0);
	}
	snprintf(part, sizeof part, "%s.part", path);
	while (!waitpid(child, NULL, WNOHANG)) {
		if (stat(part, &st) || st.st_size < bytes) continue;
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		return;
	}
}

static void check_kill(void)
{
	struct rows_info info = info_of(ROWS_F32, 1280, true);
	const char *whole = "whole.mdb", *torn = "torn.mdb";
	int64_t n = 5000, resumed = 0, at;
	struct rng g = rng_at(7, 0);
	int same = 0, rounds = 12;

	must(!write_store(temp(whole), &info, n, NULL));
	for (int i = 0; i < rounds; i++) {
		struct rows r;
		unlink(temp(torn));
		for (int j = 0; j < 3; j++) {
			killed_writer(temp(torn), &info, n, rng_below(&g, 20 << 20));
			if (!access(temp(torn), F_OK)) unlink(temp(torn));   /* done before */
		}
		must(!rows_create(&r, temp(torn), &info, true, &at));
		resumed += at > 0;
		if (!fill(&r, at, n, true)) same += same_file(temp(whole), temp(torn));
		rows_close(&r);
	}
	ok(same == rounds, "killed and resumed stores are the same file (%d of %d)", same, rounds);
	ok(resumed > rounds / 2, "most of them were resumed part-way (%" PRId64 ")", resumed);
}

/* The same without chance: closed after `stop` rows, then taken up. */
static void check_resume(void)
{
	static const int64_t stops[] = { 0, 1, 102, 407, 408, 409, 816, 2000 };
	struct rows_info info = info_of(ROWS_F32, 1280, false), other = info;
	struct rows r, second;
	int64_t at;

	other.from = 99;
	must(!write_store(temp("whole.mdb"), &info, 2000, NULL));
	for (size_t i = 0; i < LEN(stops); i++) {
		must(!rows_create(&r, temp("b.mdb"), &info, true, &at) && at == 0 &&
			!fill(&r, 0, stops[i], false));
		rows_close(&r);
		ok(access(temp("b.mdb"), F_OK) &&
				!access(temp("b.mdb.part"), F_OK) == (stops[i] >= 408),
			"stopped after %" PRId64 " rows: %s", stops[i],
			stops[i] >= 408 ? "a part is left" : "nothing is left");
		must(!rows_create(&r, temp("b.mdb"), &info, true, &at));
		ok(at == stops[i] / 408 * 408, "taken up at row %" PRId64, at);
		ok(!fill(&r, at, 2000, true) && same_file(temp("whole.mdb"), temp("b.mdb")),
			"the same file");
		rows_close(&r);
		unlink(temp("b.mdb"));
	}
	must(!rows_create(&r, temp("b.mdb"), &info, false, &at) && !fill(&r, 0, 900, false));
	ok(rows_create(&second, temp("b.mdb"), &info, false, &at) &&
			says("another program is writing"),
		"a second writer is refused");
	rows_close(&r);
	ok(rows_create(&r, temp("b.mdb"), &other, false, &at) &&
			says("left by a command on other rows"),
		"the part of another command is left alone");
	ok(rows_create(&r, temp("b.mdb"), &other, false, NULL) &&
			says("left by a command on other rows"),
		"also by a writer that takes up nothing");
	must(!rows_create(&r, temp("b.mdb"), &other, true, &at));
	ok(at == 0, "with force it is written over, not taken up");
	must(!fill(&r, 0, 900, false));
	rows_close(&r);
	must(!rows_create(&r, temp("b.mdb"), &other, false, NULL) && !fill(&r, 0, 3, true));
	rows_close(&r);
	ok(holds(temp("b.mdb"), &other, 3, id_of(&other, 3)),
		"without resume_at a part is written anew");
	ok(rows_create(&r, temp("b.mdb"), &other, false, &at) && says("exists"),
		"an existing store is refused");
	ok(rows_open(&r, temp("nothing.mdb")) && says("No such file"), "a missing file");
	must(!rows_create(&r, temp("c.mdb"), &info, false, &at) && !fill(&r, 0, 900, false));
	rows_close(&r);
	ok(rows_open(&r, temp("c.mdb.part")) && says("not sealed"), "a part is no store");
}

/* A file that may not grow stands for a full disk: LMDB sees a failed write either way. */
static void check_full_disk(void)
{
	struct rows_info info = info_of(ROWS_F32, 1280, true);
	struct rlimit old, tight;
	struct rows r;
	int64_t at;

	must(!write_store(temp("whole.mdb"), &info, 2000, NULL));
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	tight = old;
	tight.rlim_cur = 5 << 20;
	must(!rows_create(&r, temp("d.mdb"), &info, false, &at));
	setrlimit(RLIMIT_FSIZE, &tight);
	int bad = fill(&r, 0, 2000, true);
	setrlimit(RLIMIT_FSIZE, &old);
	ok(bad && says("disk is full"), "a full disk is reported");
	rows_close(&r);
	ok(access(temp("d.mdb"), F_OK), "and nothing is sealed");
	must(!rows_create(&r, temp("d.mdb"), &info, false, &at));
	ok(at > 0 && !fill(&r, at, 2000, true) && same_file(temp("whole.mdb"), temp("d.mdb")),
		"with room again it is taken up at row %" PRId64 " and is the same file", at);
	rows_close(&r);
}

int main(void)
{
	check_resume();
	check_kill();
	check_full_disk();
	return done_testing();
}
