/* check-device: what a tape and the optimiser ask of a device beside its ops, on an emulated GPU: a
 * run is recorded and repeated, with inputs as they are now and the scratch where it is now; long
 * transfers; pieces of buffers; which library multiplies.  With the one $IC_CUDA names: on a real
 * device. */
#include "kernels/power.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/tape/adam.h"
#include "tests/library.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

/* How often the backend was asked to record and to repeat. */
static int records, repeats;
static struct backend real_device;

static void counted_record(struct backend *b)
{
	records++;
	real_device.record(b);
}

static void counted_repeat(struct backend *b, void *what)
{
	repeats++;
	real_device.repeat(b, what);
}

static struct backend *device(void)
{
	struct backend *b = backend_new("cuda-f32", 1);

	if (!b) return NULL;
	real_device = *b;
	b->record = counted_record;
	b->repeat = counted_repeat;
	records = repeats = 0;
	return b;
}

static void fill(real *x, size_t n, uint64_t stream)
{
	struct rng r = rng_at(5, stream);

	for (size_t i = 0; i < n; i++) x[i] = (real)rng_normal(&r);
}

/* softmax(x w) of x[m,k], an input, with weights of its own. */
struct net { struct tape *t; val y; real *x, *w; int m, k, n; };

static struct net net_open(struct backend *b, int m, int k, int n)
{
	struct net f = { .t = tape_new(), .m = m, .k = k, .n = n };

	f.x = mem_new((size_t)(m * k), sizeof *f.x);
	f.w = mem_new((size_t)(k * n), sizeof *f.w);
	fill(f.w, (size_t)(k * n), 1);
	val x = input(f.t, shape4(1, 1, m, k), f.x), w = weight(f.t, shape4(1, 1, k, n), f.w);
	f.y = softmax(f.t, matmul(f.t, x, w, false, false));
	keep(f.t, f.y);
	must(!tape_plan(f.t, b, true));
	return f;
}

static void net_close(struct net *f)
{
	tape_free(f->t);
	free(f->x);
	free(f->w);
}

/* The largest difference of a run on another input from that of `other`. */
static double run_apart(struct net *f, struct net *other, uint64_t stream)
{
	size_t n = (size_t)(f->m * f->n);
	real *y = mem_new(n, sizeof *y), *want = mem_new(n, sizeof *want);
	double most = 0;

	fill(f->x, (size_t)(f->m * f->k), stream);
	fill(other->x, (size_t)(f->m * f->k), stream);
	must(!tape_run(f->t) && !tape_run(other->t));
	tape_read(f->t, f->y, y);
	tape_read(other->t, other->y, want);
	for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)(y[i] - want[i])));
	free(y), free(want);
	return most;
}

static void check_recording(void)
{
	struct backend *b = device(), *ref = backend_new("ref", 1);
	struct net f = net_open(b, 5, 300, 9), want = net_open(ref, 5, 300, 9);
	double far = 0;

	far = fmax(far, run_apart(&f, &want, 2));
	ok(!records && !repeats, "the first run is a plain one");
	for (uint64_t k = 3; k < 6; k++) far = fmax(far, run_apart(&f, &want, k));
	ok(records == 1 && repeats == 3, "recorded once (%d), repeated since (%d)", records,
	   repeats);
	ok(far < 1e-5, "each run is of its own input: %.2g", far);
	const void *work = b->work;
	struct net large = net_open(b, 5, 3000, 900);
	ok(b->work != work, "another tape has the scratch moved");
	far = run_apart(&f, &want, 6);
	ok(records == 2 && far < 1e-5, "then it is recorded anew: %.2g", far);
	tape_profile(f.t, true);
	far = run_apart(&f, &want, 7);
	ok(repeats == 4 && far < 1e-5, "not while steps are timed");
	net_close(&large), net_close(&f), net_close(&want);
	backend_free(b), backend_free(ref);
}

/* More than both halves hold of what transfers leave from, from memory that changes at once. */
static void check_transfers(void)
{
	enum { N = 100000 };
	struct backend *b = device();
	real *x = mem_new(N, sizeof *x), *y = mem_new(N, sizeof *y), *there[3];
	bool same = true;

	for (int k = 0; k < 3; k++) {
		fill(x, N, (uint64_t)k);
		must((there[k] = backend_take(b, N * sizeof *x)));
		backend_put(b, there[k], x, N * sizeof *x);
		memset(x, 0, N * sizeof *x);
	}
	for (int k = 0; k < 3; k++) {
		fill(x, N, (uint64_t)k);
		backend_get(b, y, there[k], N * sizeof *y);
		same &= !memcmp(x, y, N * sizeof *y);
		backend_give(b, there[k]);
	}
	ok(same, "long transfers arrive whole");
	free(x), free(y);
	backend_free(b);
}

/* More pieces than fit into one launch, some of them empty, with gaps between them. */
static void check_pieces(void)
{
	enum { PIECES = 300, N = 1 << 18 };
	struct backend *b = device(), *host = backend_new("cpu", 1);
	static struct piece here[PIECES], there[PIECES];
	real *x = mem_new(N, sizeof *x), *y = mem_new(N, sizeof *y), *got = mem_new(N, sizeof *got);
	real *dx = backend_take(b, N * sizeof *x), *dy = backend_take(b, N * sizeof *y);
	struct rng r = rng_at(6, 1);

	fill(x, N, 1), fill(y, N, 2);
	backend_put(b, dx, x, N * sizeof *x);
	backend_put(b, dy, y, N * sizeof *y);
	for (size_t k = 0, at = 0; k < PIECES; k++) {
		size_t n = k % 50 == 7 ? 0 : k % 50 == 9 ? 5000 : 1 + rng_below(&r, 700);
		here[k] = (struct piece){ y + at, x + at, n };
		there[k] = (struct piece){ dy + at, dx + at, n };
		at += n + 3;
		must(at <= N);
	}
	adam_mix(b, PIECES, there, 0.5, 2);
	adam_mix(host, PIECES, here, 0.5, 2);
	backend_get(b, got, dy, N * sizeof *got);
	ok(!memcmp(got, y, N * sizeof *y), "pieces are mixed, and nothing beside them");
	backend_give(b, dx), backend_give(b, dy);
	free(x), free(y), free(got);
	backend_free(b), backend_free(host);
}

/* Matrices of many sizes at `there`, as many as take several tables of jobs, their vectors and
 * results behind them. */
enum { POWERS = 150, POWER_NUMBERS = 1 << 21 };
struct powers {
	struct view x[POWERS][2], y[POWERS];
	struct attr a[POWERS];
	struct call c[POWERS];
};

static void make_powers(struct powers *p, real *there)
{
	size_t at = 0;

	for (int k = 0; k < POWERS; k++) {
		bool transposed = k % 3 == 1;
		struct shape w = shape4(1, 1 + k % 2, 1 + k * 37 % 600, 1 + k * 11 % 40);
		struct power of = power_of(w, transposed);
		struct shape s[3] = { w, shape4(1, 1, 1, of.u), shape4(1, 1, 1, of.sigma_at + 1) };
		for (int i = 0; i < 3; i++) {
			struct view *v = i < 2 ? &p->x[k][i] : &p->y[k];
			*v = (struct view){ there + at, s[i], false };
			at += (shape_count(s[i]) + 15) / 16 * 16;
		}
		p->a[k] = (struct attr){ { transposed }, { 1e-6f } };
		p->c[k] = (struct call){ p->y[k], p->x[k], &p->a[k] };
	}
	must(at <= POWER_NUMBERS);
}

static void check_powers(void)
{
	static struct powers p;
	struct backend *b = device();
	size_t n = POWER_NUMBERS, bytes = n * sizeof(real);
	real *x = mem_new(n, sizeof *x), *one = mem_new(n, sizeof *x), *all = mem_new(n, sizeof *x);
	real *there = backend_take(b, bytes);

	make_powers(&p, there);
	fill(x, n, 7);
	backend_put(b, there, x, bytes);
	must(!backend_reserve(b, b->powers_scratch(b, POWERS, p.c)));
	b->powers(b, POWERS, p.c);
	backend_get(b, all, there, bytes);
	backend_put(b, there, x, bytes);
	for (int k = 0; k < POWERS; k++) {
		must(b->scratch[OP_power](b, p.y[k], p.x[k], &p.a[k]) <= b->work_bytes);
		b->op[OP_power](b, p.y[k], p.x[k], &p.a[k]);
	}
	backend_get(b, one, there, bytes);
	ok(!memcmp(one, all, bytes) && memcmp(one, x, bytes),
	   "steps of the power method together are those one by one");
	backend_give(b, there);
	free(x), free(one), free(all);
	backend_free(b);
}

/* w, m, v and g: [4][n], of which every `step` numbers but the last three are a piece. */
static void check_adam(void)
{
	enum { STEP = 1500, N = 200 * STEP, W = 0, M = N, V = 2 * N, G = 3 * N };
	struct backend *b = device();
	struct adam_rates r = { 0.5f, 0.9f, 0.01f, 1.25f, 1e-6f };
	static struct piece piece[N / STEP];
	real *x = mem_new(4 * N, sizeof *x), *y = mem_new(4 * N, sizeof *y);
	real *there = backend_take(b, 4 * N * sizeof *x);
	double far = 0;
	bool same = true;

	fill(x, 4 * N, 3);
	for (int i = 0; i < N; i++) x[V + i] *= x[V + i];
	backend_put(b, there, x, 4 * N * sizeof *x);
	for (int k = 0; k < N / STEP; k++)
		piece[k] = (struct piece){ there + STEP * k, there + G + STEP * k, STEP - 3 };
	b->adam(b, N / STEP, piece, there, there + M, there + V, &r);
	backend_get(b, y, there, 4 * N * sizeof *y);
	for (int i = 0; i < N; i++) {
		double g = x[G + i], m = 0.5 * x[M + i] + 0.5 * g, v = 0.9 * x[V + i] + 0.1 * g * g;
		double w = x[W + i] - 0.01 * m / (sqrt(v) * 1.25 + 1e-6);
		same &= y[G + i] == x[G + i];
		if (i % STEP < STEP - 3)
			far = fmax(far, fmax(fabs(y[W + i] - w),
					     fmax(fabs(y[M + i] - m), fabs(y[V + i] - v))));
		else
			same &= y[W + i] == x[W + i] && y[M + i] == x[M + i] &&
				y[V + i] == x[V + i];
	}
	ok(same && far < 1e-5, "Adam moves pieces, and nothing beside them: off by %.2g", far);
	backend_give(b, there);
	free(x), free(y);
	backend_free(b);
}

/* Is there a backend with that for $IC_CUBLAS, and why not? */
static const char *without(const char *cublas)
{
	setenv("IC_CUBLAS", cublas, 1);
	struct backend *b = backend_new("cuda-tf32", 1);
	const char *why = b ? b->engine : backend_why();
	static char said[600];

	snprintf(said, sizeof said, "%s%s", b ? "there is one: " : "", why);
	backend_free(b);
	return said;
}

/* What the net makes of an input, run three times: plainly, recorded, repeated. */
static void make_rows(struct backend *b, real *y)
{
	struct net f = net_open(b, 5, 300, 12);

	fill(f.x, 5 * 300, 2);
	for (int k = 0; k < 3; k++) must(!tape_run(f.t));
	tape_read(f.t, f.y, y);
	net_close(&f);
}

/* The same in near numbers, and not in the same: cuBLASLt it is. */
static void check_engines(void)
{
	char *named = strdup(getenv("IC_CUBLAS") ? getenv("IC_CUBLAS") : "");
	real y[2][5 * 12];
	double far = 0;

	ok(strstr(without("/nowhere/lt.so"), "IC_CUBLAS: /nowhere/lt.so: "), "no such cuBLASLt: %s",
	   without("/nowhere/lt.so"));
	ok(strstr(without("libm.so.6"), "found no cublasLt"), "another library: %s",
	   without("libm.so.6"));
	ok(!strcmp(without("none"), "there is one: own kernels (cuBLASLt: not asked for)"),
	   "not asked for");
	struct backend *own = backend_new("cuda-tf32", 1);
	setenv("IC_CUBLAS", named, 1);
	struct backend *b = backend_new("cuda-tf32", 1);
	if (!b || strncmp(b->engine, "cuBLASLt ", 9)) {
		ok(true, "cuBLASLt # skip %s", b ? b->engine : backend_why());
	} else {
		make_rows(own, y[0]);
		make_rows(b, y[1]);
		for (int i = 0; i < 5 * 12; i++) far = fmax(far, fabs((double)(y[0][i] - y[1][i])));
		ok(far > 0 && far < 0.05, "products by %s: %.2g from the own ones", b->engine, far);
	}
	backend_free(own), backend_free(b);
	free(named);
}

/* Indices on the device are of 32 bits. */
static void check_limit(void)
{
	struct backend *b = device();
	struct tape *t = tape_new();
	real x = 0;
	val y = lrelu(t, input(t, shape4(2048, 1024, 1024, 1), &x), 0);

	keep(t, y);
	ok(tape_plan(t, b, true) && strstr(why(), "2^31"), "a value of 2^31 numbers: %s", why());
	tape_free(t);
	backend_free(b);
}

int main(void)
{
	use_library();
	struct backend *b = device();
	ok(b != NULL, "there is a device%s%s", b ? "" : ": ", b ? "" : backend_why());
	backend_free(b);
	if (b) {
		check_recording();
		check_transfers();
		check_pieces();
		check_powers();
		check_adam();
		check_engines();
		check_limit();
	}
	return done_testing();
}
