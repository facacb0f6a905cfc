/* device: products of a BigGAN step on 64x64 pictures and of ResNet-50, and passes over memory,
 * one by one on a backend: device [BACKEND [PICTURES [SHARE [products]]]] prints the least
 * milliseconds of each, and its rate; with "products" no others.  Of 0 pictures nothing is timed,
 * and only told what multiplies.  SHARE, to try it where it is slow: sides and channels are divided
 * by it. */
#include "kernels/kernels.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PIXELS = 1 << 20, REPEATS = 10, TIMES = 3 };

static int share = 1;

static int part(int n)
{
	return n / share ? n / share : 1;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Normal numbers, the same block of them again and again. */
static struct view make(struct backend *b, int n, int h, int w, int c)
{
	struct view v = { .s = { { n, h, w, c } } };
	size_t count = shape_count(v.s), at = 0;
	real *block = mem_new(PIXELS, sizeof *block);
	struct rng r = rng_at(1, 1);

	for (int i = 0; i < PIXELS; i++) block[i] = (real)rng_normal(&r);
	must((v.p = backend_take(b, count * sizeof *v.p)));
	for (size_t n_at; at < count; at += n_at) {
		n_at = count - at < PIXELS ? count - at : PIXELS;
		backend_put(b, v.p + at, block, n_at * sizeof *block);
	}
	free(block);
	return v;
}

/* work: multiply-adds, or 0 for an op that is limited by memory. */
static void time_op(struct backend *b, enum op op, struct view y, const struct view *x,
		    const struct attr *a, double work)
{
	double best = INFINITY, bytes = 4 * (double)shape_count(y.s);

	must(!backend_reserve(b, b->scratch[op] ? b->scratch[op](b, y, x, a) : 0));
	for (int k = 0; k <= TIMES; k++) {
		double start = seconds();
		for (int i = 0; i < REPEATS; i++) b->op[op](b, y, x, a);
		backend_wait(b);
		if (k) best = fmin(best, (seconds() - start) / REPEATS);
	}
	if (backend_fault(b)) {
		fprintf(stderr, "device: %s\n", backend_fault(b));
		exit(1);
	}
	for (int k = 0; k < op_inputs[op]; k++) bytes += 4 * (double)shape_count(x[k].s);
	const int *d = x[0].s.d, *e = y.s.d;
	int word = b->engine ? (int)strcspn(b->engine, " ") : 1;
	printf("%s\t%.*s\t%s\t[%d,%d,%d,%d]\t[%d,%d,%d,%d]\t%.4f\t%.0f\t%s\n", b->name, word,
	       b->engine ? b->engine : "-", op_name[op], d[0], d[1], d[2], d[3], e[0], e[1], e[2],
	       e[3], best * 1e3, 1e-9 * (work ? 2 * work : bytes) / best,
	       work ? "GFLOP/s" : "GB/s");
	fflush(stdout);
}

/* A convolution of K by K taps and both its adjoints. */
static void time_conv(struct backend *b, int n, int side, int in, int out, int K)
{
	side = part(side), in = part(in), out = part(out);
	struct view x = make(b, n, side, side, in), w = make(b, K, K, in, out);
	struct view y = make(b, n, side, side, out);
	int p = K / 2;
	struct attr a = { { 1, p, p, p, p, side, side }, { 0 } };
	struct attr dw = { { 1, p, p, p, p, K, K }, { 0 } };
	double work = (double)shape_count(y.s) * K * K * in;

	time_op(b, OP_conv, y, (struct view[OP_INPUTS]){ x, w }, &a, work);
	time_op(b, OP_conv_dx, x, (struct view[OP_INPUTS]){ y, w }, &a, work);
	time_op(b, OP_conv_dw, w, (struct view[OP_INPUTS]){ x, y }, &dw, work);
	backend_give(b, x.p), backend_give(b, w.p), backend_give(b, y.p);
}

/* A convolution of one tap as networks for features have it: a bias, another's result, relu; at
 * last without relu, which may be cuBLASLt's. */
static void time_act(struct backend *b, int n, int side, int in, int out)
{
	side = part(side), in = part(in), out = part(out);
	struct view x = make(b, n, side, side, in), w = make(b, 1, 1, in, out);
	struct view bias = make(b, 1, 1, 1, out), rest = make(b, n, side, side, out);
	struct view y = make(b, n, side, side, out);
	struct attr a = { { 1 }, { 0, INFINITY } }, open = { { 1 }, { -INFINITY, INFINITY } };
	double work = (double)shape_count(y.s) * in;

	time_op(b, OP_conv_act, y, (struct view[OP_INPUTS]){ x, w, bias }, &a, work);
	time_op(b, OP_conv_act, y, (struct view[OP_INPUTS]){ x, w, bias, rest }, &a, work);
	time_op(b, OP_conv_act, y, (struct view[OP_INPUTS]){ x, w, bias, rest }, &open, work);
	backend_give(b, x.p), backend_give(b, w.p), backend_give(b, y.p);
	backend_give(b, bias.p), backend_give(b, rest.p);
}

static void time_matmul(struct backend *b, int batches, int m, int n, int k, int ta, int tb)
{
	m = part(m), n = part(n), k = part(k);
	struct view x = make(b, batches, 1, ta ? k : m, ta ? m : k);
	struct view w = make(b, batches, 1, tb ? n : k, tb ? k : n), y = make(b, batches, 1, m, n);
	struct attr a = { { ta, tb }, { 0 } };

	time_op(b, OP_matmul, y, (struct view[OP_INPUTS]){ x, w }, &a, (double)batches * m * n * k);
	backend_give(b, x.p), backend_give(b, w.p), backend_give(b, y.p);
}

static void time_products(struct backend *b, int n)
{
	time_conv(b, n, 64, 3, 64, 3);
	time_conv(b, n, 64, 64, 64, 3);
	time_conv(b, n, 32, 64, 128, 1);
	time_conv(b, n, 32, 128, 128, 3);
	time_conv(b, n, 16, 256, 256, 3);
	time_conv(b, n, 16, 512, 256, 1);
	time_conv(b, n, 8, 512, 512, 3);
	time_act(b, n, 56, 64, 256);
	time_act(b, n, 14, 1024, 256);
	time_act(b, n, 7, 512, 2048);
	time_matmul(b, 1, 8 * n, 8 * n, 8 * n, 0, 0);
	time_matmul(b, 1, n, 24 * n, 2048, 0, 0);
	for (int t = 0; t < 4; t++) time_matmul(b, n / 4 ? n / 4 : 1, 1024, 256, 64, t & 1, t >> 1);
}

/* Element-wise, a sum over pixels, the moments, twice the side, and rows of attention. */
static void time_passes(struct backend *b, int n)
{
	int s = part(64);
	struct view x = make(b, n, s, s, s), y = make(b, n, s, s, s);
	struct view c = make(b, 1, 1, 2, s);
	struct view half = { .p = y.p, .s = { { n, s / 2, s / 2, s } } };
	struct view one = { .p = c.p, .s = { { 1, 1, 1, s } } };
	struct view rows = { .p = x.p, .s = { { n / 2 ? n / 2 : 1, 1, s * s / 4, 4 * s } } };
	struct view out = { .p = y.p, .s = rows.s };
	struct attr none = { { 0 }, { 0 } };

	time_op(b, OP_lrelu, y, (struct view[OP_INPUTS]){ x }, &none, 0);
	time_op(b, OP_mul, y, (struct view[OP_INPUTS]){ x, one }, &none, 0);
	time_op(b, OP_sum_to, one, (struct view[OP_INPUTS]){ x }, &none, 0);
	time_op(b, OP_moments, c, (struct view[OP_INPUTS]){ x }, &none, 0);
	time_op(b, OP_up2, x, (struct view[OP_INPUTS]){ half }, &none, 0);
	time_op(b, OP_sum2, half, (struct view[OP_INPUTS]){ x }, &none, 0);
	time_op(b, OP_softmax, out, (struct view[OP_INPUTS]){ rows }, &none, 0);
	backend_give(b, x.p), backend_give(b, y.p), backend_give(b, c.p);
}

int main(int argc, char **argv)
{
	struct backend *b = backend_new(argc > 1 ? argv[1] : "cuda-bf16", 0);
	int n = argc > 2 ? atoi(argv[2]) : 512;

	if (!b) {
		printf("# nothing to time: %s\n", backend_why());
		return argc > 1;
	}
	if (b->engine) printf("# %s: products by %s\n", b->name, b->engine);
	if (argc > 3 && atoi(argv[3]) > 0 && atoi(argv[3]) <= 32) share = atoi(argv[3]);
	if (n) {
		printf("#backend\tproducts\top\tx\ty\tms\trate\tunit\n");
		time_products(b, n);
		if (argc < 5) time_passes(b, n);
	}
	backend_free(b);
	return 0;
}
