/* each-kernel: runs the kernels of the CUDA backend whose threads tell each other something, and
 * those that write a result's parts, each on a few blocks of odd sizes: for tests/races.t, which
 * watches them. */
#include "kernels/power.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

/* Small whole numbers, of bf16 or of f32; they lie in f32's room. */
static struct view make(struct backend *b, bool bf16, int n, int h, int w, int c)
{
	struct view v = { .s = { { n, h, w, c } }, .bf16 = bf16 };
	size_t count = shape_count(v.s);
	real *x = mem_new(count, sizeof *x);

	for (size_t i = 0; i < count && !bf16; i++) x[i] = (real)(i % 7) - 3;
	must((v.p = backend_take(b, count * sizeof *x)));
	backend_put(b, v.p, x, count * sizeof *x);
	free(x);
	return v;
}

/* It gives back what y and x take. */
static void run(struct backend *b, enum op op, struct view y, const struct view x[OP_INPUTS],
		struct attr a)
{
	must(!backend_reserve(b, b->scratch[op] ? b->scratch[op](b, y, x, &a) : 0));
	b->op[op](b, y, x, &a);
	for (int k = 0; k < OP_INPUTS; k++) backend_give(b, x[k].p);
	backend_give(b, y.p);
}

/* y[m,n] of a k in so many steps that each place for one is used again. */
static void product(struct backend *b, bool bf16, int m, int n, int k, int ta, int tb)
{
	struct view x[OP_INPUTS] = { make(b, false, 1, 1, ta ? k : m, ta ? m : k),
				     make(b, false, 1, 1, tb ? n : k, tb ? k : n) };

	run(b, OP_matmul, make(b, bf16, 1, 1, m, n), x, (struct attr){ { ta, tb }, { 0 } });
}

/* A convolution of an upsampled image, whose four phases write one image, and its gradient. */
static void upsampled(struct backend *b)
{
	struct attr of = { { 1, 1, 1, 1, 1, 3, 3, CONV_UP }, { 0 } };
	struct view x[OP_INPUTS] = { make(b, false, 3, 5, 7, 9), make(b, false, 3, 3, 9, 13) };
	struct view z[OP_INPUTS] = { make(b, false, 3, 5, 7, 9), make(b, false, 3, 10, 14, 13) };

	run(b, OP_conv, make(b, false, 3, 10, 14, 13), x, of);
	run(b, OP_conv_dw, make(b, false, 3, 3, 9, 13), z, of);
}

/* Each of the three kinds, of two tiles and of half of one, and of two parts. */
static void products(const char *backend)
{
	struct backend *b = backend_new(backend, 1);

	must(b);
	for (int n = 50; n < 134; n += 83)
		for (int kind = 0; kind < 3; kind++)
			product(b, false, 40, n, 260, kind == 2, kind == 1);
	for (int n = 5; b->bf16 && n < 7; n++) product(b, true, 140, n, 40, 0, 0);
	upsampled(b);
	backend_wait(b);
	must(!backend_fault(b));
	backend_free(b);
}

static void sum(struct backend *b, int rows, int channels, bool of_rows)
{
	struct view x[OP_INPUTS] = { make(b, false, 1, 1, rows, channels) };
	struct view y = make(b, false, 1, 1, of_rows ? rows : 1, of_rows ? 1 : channels);

	run(b, OP_sum_to, y, x, (struct attr){ { 0 }, { 0 } });
}

static void attention(struct backend *b)
{
	struct view x[OP_INPUTS] = { make(b, false, 3, 1, 20, 8), make(b, false, 3, 1, 17, 8),
				     make(b, false, 3, 1, 17, 9), make(b, false, 3, 1, 20, 9) };
	struct view y = make(b, false, 1, 1, 1, 3 * (20 * 8 + 17 * 8 + 17 * 9));

	run(b, OP_attention_back, y, x, (struct attr){ { 0 }, { 0 } });
}

/* Of a matrix of two parts of rows. */
static void power(struct backend *b, bool transposed)
{
	enum { ROWS = 600, COLUMNS = 40 };
	int u = transposed ? ROWS : COLUMNS;
	struct view x[OP_INPUTS] = { make(b, false, 1, 1, ROWS, COLUMNS),
				     make(b, false, 1, 1, 1, u) };
	struct view y = make(b, false, 1, 1, 1, power_of(x[0].s, transposed).sigma_at + 1);

	run(b, OP_power, y, x, (struct attr){ { transposed }, { 1e-6f } });
}

static void pass(struct backend *b, enum op op, struct view y, struct view x)
{
	run(b, op, y, (struct view[OP_INPUTS]){ x }, (struct attr){ { 0 }, { 0.5f } });
}

/* Element by element and by eights, in f32 and in halves of words. */
static void others(struct backend *b)
{
	for (int bf16 = 0; bf16 < 2; bf16++) {
		pass(b, OP_lrelu, make(b, bf16, 1, 1, 401, 3), make(b, bf16, 1, 1, 401, 3));
		pass(b, OP_lrelu, make(b, bf16, 1, 1, 601, 8), make(b, bf16, 1, 1, 601, 8));
		for (int c = 5; c < 9; c += 3)
			pass(b, OP_up2, make(b, bf16, 1, 10, 10, c), make(b, bf16, 1, 5, 5, c));
	}
	for (int channels = 7; channels < 9; channels++) sum(b, 1100, channels, false);
	for (int channels = 135; channels < 137; channels++) sum(b, 140, channels, false);
	for (int channels = 600; channels < 2000; channels += 601) sum(b, 20, channels, true);
	sum(b, 3, 9000, true);
	product(b, false, 1, 300, 130, 0, 0);
	product(b, false, 1, 20, 130, 0, 1);
	attention(b);
	power(b, false);
	power(b, true);
}

int main(void)
{
	struct backend *b = backend_new("cuda-bf16", 1);

	if (!b) {
		fprintf(stderr, "each-kernel: %s\n", backend_why());
		return 1;
	}
	others(b);
	backend_wait(b);
	must(!backend_fault(b));
	backend_free(b);
	products("cuda-f32");
	products("cuda-tf32");
	products("cuda-bf16");
	return 0;
}
