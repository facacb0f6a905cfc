/* check-base: hashes and random numbers against published vectors, parallel loops, sizes, options,
 * records. */
#include "lib/base/fail.h"
#include "lib/base/flow.h"
#include "lib/base/hash.h"
#include "lib/base/help.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/par.h"
#include "lib/base/rng.h"
#include "lib/base/say.h"
#include "tests/tap.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Vectors of the XXH64 specification, then: any cut of the input gives the hash of the whole. */
static void check_hash(void)
{
	unsigned char bytes[300];
	bool same = true;

	ok(hash_of("", 0) == 0xef46db3751d8e999u, "hash of nothing");
	ok(hash_of("a", 1) == 0xd24ec4f1a98c6e5bu, "hash of a");
	ok(hash_of("abc", 3) == 0x44bc2cf5ad770999u, "hash of abc");
	for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 37);
	for (size_t n = 0; n <= sizeof bytes; n += 7)
		for (size_t cut = 0; cut <= n; cut++) {
			struct hash h;
			hash_start(&h);
			hash_add(&h, bytes, cut);
			hash_end(&h);
			hash_add(&h, bytes + cut, n - cut);
			same = same && hash_end(&h) == hash_of(bytes, n);
		}
	ok(same, "hash does not depend on how the bytes arrive");
}

/* Known answers of the Random123 distribution for philox4x32-10. */
static void check_philox(void)
{
	static const uint32_t want0[4] = { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 };
	static const uint32_t want1[4] = { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd };
	uint32_t ctr[4] = { 0 }, key[2] = { 0 }, out[4];

	rng_philox(ctr, key, out);
	ok(!memcmp(out, want0, sizeof out), "philox of zeros");
	memset(ctr, 255, sizeof ctr);
	memset(key, 255, sizeof key);
	rng_philox(ctr, key, out);
	ok(!memcmp(out, want1, sizeof out), "philox of ones");
}

static void check_draws(void)
{
	enum { N = 200000 };
	struct rng r = rng_at(7, 3);
	double sum = 0, squares = 0, normal = 0, normal2 = 0, chi = 0;
	int64_t cell[6] = { 0 };

	for (int i = 0; i < N; i++) {
		double u = rng_uniform(&r);
		if (u < 0 || u >= 1) sum = NAN;
		sum += u;
		squares += u * u;
	}
	is_near(sum / N, 0.5, 4 * 0.28868 / sqrt(N), "uniform mean");
	is_near(squares / N, 1.0 / 3, 4 * 0.29814 / sqrt(N), "uniform second moment");
	for (int i = 0; i < N; i++) {
		double x = rng_normal(&r);
		normal += x;
		normal2 += x * x;
	}
	is_near(normal / N, 0, 4 / sqrt(N), "normal mean");
	is_near(normal2 / N, 1, 4 * sqrt(2.0 / N), "normal variance");
	for (int i = 0; i < N; i++) cell[rng_below(&r, 6)]++;
	for (int i = 0; i < 6; i++) chi += pow((double)cell[i] - N / 6.0, 2) / (N / 6.0);
	ok(chi < 20.5, "rng_below(6): chi-square %.2f below 20.5 (5 degrees, p = 0.001)", chi);
}

/* Below 3 * 2^30 a plain remainder would favour the lower third of the range by two to one. */
static void check_unbiased(void)
{
	enum { N = 30000 };
	struct rng r = rng_at(1, 1);
	int64_t low = 0;
	uint32_t limit = 3u << 30;

	for (int i = 0; i < N; i++) low += rng_below(&r, limit) < limit / 3;
	is_near((double)low / N, 1.0 / 3, 4 * 0.4714 / sqrt(N),
		"rng_below of a large range is even");
	ok(rng_below(&r, 1) == 0, "rng_below(1) is 0");
}

static void check_shuffle(void)
{
	uint32_t p[100], q[100], seen[100] = { 0 };
	struct rng r = rng_at(5, 0), again = rng_at(5, 0), other = rng_at(5, 1);
	bool once = true, moved = false;

	for (uint32_t i = 0; i < 100; i++) p[i] = q[i] = i;
	rng_shuffle(&r, p, 100);
	rng_shuffle(&again, q, 100);
	for (int i = 0; i < 100; i++) seen[p[i]]++;
	for (uint32_t i = 0; i < 100; i++) once = once && seen[i] == 1, moved = moved || p[i] != i;
	ok(once && moved, "a shuffle is a permutation");
	ok(!memcmp(p, q, sizeof p), "the same seed and stream give the same shuffle");
	ok(rng_u32(&other) != rng_u32(&again), "another stream differs");
}

struct visits { int *count, workers; bool inside; };

static void visit(void *ctx, int64_t i, int worker)
{
	struct visits *v = ctx;

	v->count[i]++;
	if (worker < 0 || worker >= v->workers) v->inside = false;
}

static void check_par(void)
{
	for (int threads = 1; threads <= 5; threads += 2) {
		bool once = true;
		par_set_threads(threads);
		struct visits v = { mem_new(1000, sizeof *v.count), par_threads(), true };
		par_for(1000, &v, visit);
		for (int i = 0; i < 1000; i++) once = once && v.count[i] == 1;
		ok(once && v.inside && v.workers == threads,
		   "par_for visits each index once, %d threads", threads);
		par_for(0, &v, visit);
		ok(v.count[0] == 1, "par_for of nothing does nothing, %d threads", threads);
		free(v.count);
	}
	par_set_threads(0);
	ok(par_threads() >= 1, "threads 0 is at least one");
}

static void check_mem(void)
{
	size_t n;
	char *text = mem_text("%s-%d", "a", 3);
	void *big = mem_big(3, 5, "a test");

	ok(mem_mul(1 << 20, 1 << 20, &n) && n == (size_t)1 << 40, "a product that fits");
	ok(!mem_mul(SIZE_MAX / 2, 3, &n), "a product that does not");
	ok(!strcmp(text, "a-3"), "mem_text");
	ok(big && (uintptr_t)big % 64 == 0, "big buffers are 64-byte aligned");
	ok(!mem_big(SIZE_MAX / 2, 3, "a vast thing") && strstr(why(), "a vast thing"),
	   "too big says what for");
	free(text);
	free(big);
}

static void check_fail(void)
{
	ok(fail("x: found %d, expected %d", 1, 2) == -1 && !strcmp(why(), "x: found 1, expected 2"),
	   "fail, why");
	errno = ENOENT;
	fail("file:");
	ok(!strcmp(why(), "file: No such file or directory"),
	   "a trailing colon appends the system's reason");
	fail("no tensor %s", "odd:");
	ok(!strcmp(why(), "no tensor odd:"), "one that belongs to a name does not");
}

/* The table under test. */
static int k, metric;
static int64_t rows, memory;
static double rate;
static bool deep;
static const char *out;
static const struct opt table[] = {
	{ 'k', "neighbours", "N",            "neighbours of each row", OPT_INT,  &k,      1, 4096 },
	{ 0,   "rows",       "N",            "rows to read",           OPT_LONG, &rows,   0, 1e15 },
	{ 'r', "rate",       "X",            "learning rate",          OPT_REAL, &rate,   0, 1 },
	{ 'd', "deep",       NULL,           "look deeper",            OPT_FLAG, &deep,   0, 0 },
	{ 'o', "output",     "FILE",         "write here",             OPT_OUT,  &out,    0, 0 },
	{ 0,   "metric",     "cosine|l2|ip", "distance",               OPT_WORD, &metric, 0, 0 },
	{ 0,   "memory",     "SIZE",         "take no more",           OPT_SIZE, &memory, 0, 0 },
	OPT_COMMON
};

static void defaults(void)
{
	k = 50, metric = 1, rows = -1, rate = 1e-4, deep = false, out = NULL, memory = 3 << 20;
	common = (struct common){ .program = "ic" };
}

static char printed[16384];                  /* stdout and stderr of the last child */

/* Splits words at blanks, parses them in a child that prints what it found; returns the child's
 * exit status. */
static int child(const char *words, const char *file)
{
	char line[512], *argv[32] = { "/usr/bin/ic-test" };
	int argc = 1, fd[2], status;
	size_t n = 0;
	ssize_t got;

	snprintf(line, sizeof line, "%s", words);
	for (char *w = strtok(line, " "); w; w = strtok(NULL, " ")) argv[argc++] = w;
	if (pipe(fd)) return -1;
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		dup2(fd[1], 1);
		dup2(fd[1], 2);
		defaults();
		int at = opt_parse(argc, argv, "[rows]", "what it is for", table, LEN(table));
		if (file) opt_file(file, table, LEN(table));
		printf("k=%d rows=%lld rate=%g deep=%d out=%s metric=%d q=%d f=%d", k,
		       (long long)rows, rate, deep, out ? out : "none", metric, common.quiet,
		       common.force);
		while (at < argc) printf(" [%s]", argv[at++]);
		fflush(stdout);
		_exit(0);
	}
	close(fd[1]);
	while ((got = read(fd[0], printed + n, sizeof printed - 1 - n)) > 0) n += (size_t)got;
	printed[n] = 0;
	close(fd[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void parses(const char *words, const char *want)
{
	int status = child(words, NULL);
	if (!ok(status == 0 && !strcmp(printed, want), "parse: %s", words))
		printf("#   got %d: %s\n", status, printed);
}

static void refuses(const char *words, const char *text)
{
	int status = child(words, NULL);
	if (!ok(status == 2 && strstr(printed, text) && strstr(printed, "--help"), "refuse: %s",
		words))
		printf("#   got %d: %s\n", status, printed);
}

static void check_parse(void)
{
	parses("", "k=50 rows=-1 rate=0.0001 deep=0 out=none metric=1 q=0 f=0");
	parses("-k 7 a --rate=0.5 b",
	       "k=7 rows=-1 rate=0.5 deep=0 out=none metric=1 q=0 f=0 [a] [b]");
	parses("-dqfk9 --rows 12345678901 -",
	       "k=9 rows=12345678901 rate=0.0001 deep=1 out=none metric=1 q=1 f=1 [-]");
	parses("--deep --metric ip -o x -- -k 3",
	       "k=50 rows=-1 rate=0.0001 deep=1 out=x metric=2 q=0 f=0 [-k] [3]");
	parses("-k 1 -k 4096", "k=4096 rows=-1 rate=0.0001 deep=0 out=none metric=1 q=0 f=0");
	refuses("-k 0", "found '0', expected 1..4096");
	refuses("-k 4097", "found '4097', expected 1..4096");
	refuses("-k 99999999999999999999", "expected 1..4096");
	refuses("-k 3x", "expected a whole number");
	refuses("-k", "-k: expected N");
	refuses("--rate nan", "expected a number");
	refuses("--rate 1.01", "expected 0..1");
	refuses("--metric l1", "found 'l1', expected cosine|l2|ip");
	refuses("--metric co", "expected cosine|l2|ip");
	refuses("--neighbors 3", "did you mean --neighbours?");
	refuses("--neigh 3", "did you mean --neighbours?");
	refuses("--metrical l2", "did you mean --metric?");
	refuses("--ratexxxx 1", "did you mean --rate?");
	refuses("--zzzzzz", "--zzzzzz: no such option");
	refuses("--deep=1", "takes no value");
	refuses("-dz", "-z: no such option");
	refuses("--output", "--output: expected FILE");
	refuses("-t 2000", "expected 0..1024");
}

static void check_help(void)
{
	ok(child("-k 3 --help", NULL) == 0, "--help exits 0");
	ok(strstr(printed, "usage: ic-test [options] [rows]\nwhat it is for\n") == printed,
	   "--help: usage and summary");
	ok(strstr(printed,
		  "  -k, --neighbours N            neighbours of each row (1..4096, default 50)\n"),
	   "a number");
	ok(strstr(printed, "      --metric cosine|l2|ip     distance (default l2)\n"), "a word");
	ok(strstr(printed, "  -o, --output FILE             write here\n"),
	   "a string without default");
	ok(child("--version", NULL) == 0 && !strncmp(printed, "ic-test (ic) ", 13), "--version");
	ok(child("--completion", NULL) == 0 &&
		   strstr(printed, "complete -o filenames -F _ic_test ic-test\n"),
	   "--completion");
	ok(strstr(printed,
		  "\t--metric) COMPREPLY=($(compgen -W 'cosine l2 ip' -- \"$cur\")); return ;;\n"),
	   "--completion offers the words");
}

static const char *write_file(const char *text)
{
	static char path[4096];
	const char *dir = getenv("TMP");

	snprintf(path, sizeof path, "%s/preset.conf", dir ? dir : "/tmp");
	FILE *f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		printf("Bail out! %s: %s\n", path, strerror(errno));
	return path;
}

static void check_file(void)
{
	const char *path = write_file(
		"# a preset\n\nneighbours = 5\n  metric=ip  \ndeep = true\noutput = a b\n");

	ok(child("", path) == 0 &&
		   !strcmp(printed, "k=5 rows=-1 rate=0.0001 deep=1 out=a b metric=2 q=0 f=0"),
	   "a file sets options: %s", printed);
	ok(child("-k 9 --metric l2", path) == 0 && strstr(printed, "k=9 ") &&
		   strstr(printed, "metric=1"),
	   "the command line wins over the file");
	path = write_file("deep = true\nneighbours = 0\n");
	ok(child("", path) == 2 &&
		   strstr(printed, "preset.conf:2: --neighbours: found '0', expected 1..4096"),
	   "a bad value names file and line");
	ok(child("-k 9", path) == 2, "a bad value is refused even when the command line wins");
	path = write_file("output = rows\n");
	ok(child("rows", path) == 2 && strstr(printed, "--output: found rows, which is read"),
	   "an output of the file over an operand");
	path = write_file("neighbour = 3\n");
	ok(child("", path) == 2 && strstr(printed, "preset.conf:1: 'neighbour'"),
	   "an unknown name");
	path = write_file("deep\n");
	ok(child("", path) == 2 && strstr(printed, "expected NAME = VALUE"), "a line without =");
	ok(child("", "/nonexistent/x") == 2 && strstr(printed, "/nonexistent/x: No such file"),
	   "a missing file");
	opt_file(write_file("threads = 3\n"), table, LEN(table));
	ok(par_threads() == 3, "threads of a file are taken");
	common.threads = 0;
	par_set_threads(0);
}

/* Sizes from text, and back as the shortest. */
static void check_sizes(void)
{
	static const struct { const char *text; int64_t bytes; const char *again; } good[] = {
		{ "0", 0, "0" }, { "512", 512, "512" }, { "1024", 1024, "1K" },
		{ "3M", 3 << 20, "3M" },
		{ "1536K", 1536 << 10, "1536K" }, { "2048M", 2LL << 30, "2G" },
		{ "5T", 5LL << 40, "5T" },
		{ "8388607T", 8388607LL << 40, "8388607T" },
	};
	static const char *const bad[] = { "", "M", "-1", "1.5G", "4MB", "4 M", "4m", "4\n",
					   "8388608T", "9223372036854775808" };
	char text[64];
	const struct opt *o = table;

	while (o->at != &memory) o++;
	for (size_t i = 0; i < LEN(good); i++) {
		int set = opt_set(table, LEN(table), "memory", good[i].text);
		int n = opt_text(o, text, sizeof text);
		ok(!set && memory == good[i].bytes && n == (int)strlen(good[i].again) &&
			   !strcmp(text, good[i].again), "size %s", good[i].text);
	}
	for (size_t i = 0; i < LEN(bad); i++)
		ok(opt_set(table, LEN(table), "memory", bad[i]) == -1 &&
		   strstr(why(), "expected a size") && memory == good[LEN(good) - 1].bytes,
		   "no size: '%s'", bad[i]);
}

/* Each option as text, through a file, is what it was. */
static void check_round_trip(void)
{
	char text[512] = "", value[64];

	defaults();
	k = 12, metric = 2, rows = 1LL << 40, rate = 0.1 + 0.2, deep = true, out = "a = b # c";
	for (size_t i = 0; i < LEN(table); i++)
		if (opt_text(&table[i], value, sizeof value) >= 0)
			sprintf(text + strlen(text), "%s = %s\n", table[i].name, value);
	const char *path = write_file(text);
	defaults();
	opt_file(path, table, LEN(table));
	ok(k == 12 && metric == 2 && rows == 1LL << 40 && rate == 0.1 + 0.2 && deep &&
		   !strcmp(out, "a = b # c"),
	   "opt_file reads back what opt_text says");
	ok(opt_text(&table[0], NULL, 0) == 2 && opt_text(&table[0], value, 2) == 2 &&
		   !strcmp(value, "1"), "opt_text is cut to size, and says its whole length");
	ok(!opt_set(table, LEN(table), "metric", "cosine") && metric == 0, "opt_set");
	check_sizes();
	ok(opt_set(table, LEN(table), "deep", "yes") == -1 &&
		   strstr(why(), "expected true or false"),
	   "opt_set of a flag");
	ok(opt_set(table, LEN(table), "output", "a\nb") == -1 && !strcmp(out, "a = b # c"),
	   "no line breaks in values");
}

static void print_records(FILE *f, const char *text)
{
	for (int i = 0; i < 2; i++) {
		struct record r = record_begin(f);
		record_text(&r, "name", text);
		record_int(&r, "n", -i);
		record_real(&r, "x", i ? NAN : 0.1);
		record_end(&r);
	}
}

static void check_records(void)
{
	char *text = NULL, buf[32];
	size_t n;
	FILE *f = open_memstream(&text, &n);

	defaults();
	print_records(f, "a\tb\\\n");
	fflush(f);
	ok(!strcmp(text, "#name\tn\tx\na\\tb\\\\\\n\t0\t0.1\na\\tb\\\\\\n\t-1\tnan\n"),
	   "TSV with one header");
	FILE *g = tmpfile();
	common.json = true;
	print_records(g, "q\"\xc3\xa9\xff");
	common.json = false;
	rewind(g);
	n = fread(printed, 1, sizeof printed - 1, g);
	printed[n] = 0;
	ok(!strcmp(printed, "{\"name\":\"q\\u0022\xc3\xa9\\ufffd\",\"n\":0,\"x\":0.1}\n"
			    "{\"name\":\"q\\u0022\xc3\xa9\\ufffd\",\"n\":-1,\"x\":null}\n"),
	   "JSON, one object a line");
	struct record r = record_begin(stderr);
	record_text(&r, "empty", "");
	ok(r.row.s && !*r.row.s, "a row of nothing is empty");
	free(r.head.s);
	free(r.row.s);
	ok(!strcmp(record_number(buf, 1.0 / 3), "0.3333333333333333"), "shortest text of 1/3");
	ok(strtod(record_number(buf, 0.1 + 0.2), NULL) == 0.1 + 0.2,
	   "text of a sum reads back equal");
	fclose(f);
	fclose(g);
	free(text);
}

static void check_stop(void)
{
	ok(!stop_asked() && stop_check() == 0, "nobody asked to stop");
	say_start();
	raise(SIGTERM);
	ok(stop_asked() && stop_check() == -1 && strstr(why(), "SIGTERM"),
	   "SIGTERM is noticed and named");
	raise(SIGUSR1);
	ok(stop_check() == -1 && strstr(why(), "SIGUSR1"), "SIGUSR1, from a batch system, too");

	/* a read that begins after the signal; where nothing ended it, the pipe's end does */
	int silent[2];
	char c;
	must(!pipe(silent));
	pid_t pid = fork();
	if (!pid) {
		sleep(5);
		_exit(0);
	}
	close(silent[1]);
	ok(read(silent[0], &c, 1) == -1 && errno == EINTR,
		"a read that begins after the signal is ended");
	alarm(0);
	close(silent[0]);
	kill(pid, SIGKILL);
	must(waitpid(pid, NULL, 0) == pid);
}

/* Numbers that go through a flow: read as 0, 1, ..., worked on by doubling. */
struct passage { int read, until, bad_read, bad_work, written, place[4]; bool in_order; };

static int passage_read(void *ctx, int place)
{
	struct passage *p = ctx;

	if (p->read == p->until) return 0;
	if (p->read == p->bad_read) return fail("reading %d", p->read);
	p->place[place] = p->read++;
	return 1;
}

static int passage_work(void *ctx, int place, int worker)
{
	struct passage *p = ctx;

	if (p->place[place] % 7 == worker) usleep(200);
	if (p->place[place] == p->bad_work) return fail("working on %d", p->place[place]);
	p->place[place] *= 2;
	return 0;
}

static int passage_write(void *ctx, int place)
{
	struct passage *p = ctx;

	p->in_order = p->in_order && p->place[place] == 2 * p->written;
	p->written++;
	return 0;
}

static void check_flow(void)
{
	for (int workers = 1; workers <= 3; workers++) {
		const struct passage all = { 0, 100, -1, -1, .in_order = true };
		struct passage p = all;
		struct flow f = { &p, 4, workers, passage_read, passage_work, passage_write };
		double waiting = -1;

		ok(!flow_run(&f, &waiting) && p.written == 100 && p.in_order,
			"a hundred items through %d workers, in order", workers);
		ok(waiting >= 0 && waiting <= 1, "waiting is a share of the time");
		p = all;
		p.bad_read = 57;
		ok(flow_run(&f, &waiting) == -1 && p.written == 57 && p.in_order &&
			!strcmp(why(), "reading 57"), "what is read before a failure is written");
		p = all;
		p.bad_read = 60;
		p.bad_work = 57;
		ok(flow_run(&f, &waiting) == -1 && p.written == 57 && p.in_order &&
			!strcmp(why(), "working on 57"), "the first failure in their order");
	}
}

int main(void)
{
	check_hash();
	check_philox();
	check_draws();
	check_unbiased();
	check_shuffle();
	check_mem();
	check_fail();
	check_parse();
	check_help();
	check_file();
	check_round_trip();
	check_records();
	check_stop();
	/* last: children of a process with threads are not leak-free */
	check_par();
	check_flow();
	return done_testing();
}
