/* conv: GFLOP/s of convolutions, counted as direct ones, 2 N P Q K L I O over the best of several
 * runs, beside the matrix product of OpenBLAS: more than its rate means that multiplications were
 * saved.  conv [threads], by default one. */
#include "kernels/kernels.h"
#include "tests/bench/peak.h"

#include <stdio.h>

static const struct problem {
	const char *net;
	int N, H, I, O, K, stride, before, after;   /* H: of x in the large */
	enum conv_scale scale;
} problems[] = {
	{ "biggan-32", 64, 32, 64, 64, 3, 1, 1, 1, CONV_SAME },
	{ "biggan-32", 64, 16, 64, 64, 3, 1, 1, 1, CONV_SAME },
	{ "biggan-32", 64, 8, 64, 64, 3, 1, 1, 1, CONV_SAME },
	{ "biggan-32", 64, 4, 64, 64, 3, 1, 1, 1, CONV_SAME },
	{ "biggan-32", 64, 32, 64, 64, 3, 1, 1, 1, CONV_UP },
	{ "biggan-32", 64, 32, 64, 64, 3, 1, 1, 1, CONV_DOWN },
	{ "biggan-32", 64, 16, 64, 64, 3, 1, 1, 1, CONV_UP },
	{ "biggan-32", 64, 8, 64, 64, 3, 1, 1, 1, CONV_UP },
	{ "biggan-32", 64, 16, 64, 64, 1, 1, 0, 0, CONV_SAME },
	{ "biggan-32", 64, 32, 3, 64, 3, 1, 1, 1, CONV_SAME },
	{ "biggan-32", 64, 32, 64, 3, 3, 1, 1, 1, CONV_SAME },
	{ "biggan-64", 16, 64, 32, 32, 3, 1, 1, 1, CONV_SAME },
	{ "biggan-64", 16, 32, 64, 128, 3, 1, 1, 1, CONV_SAME },
	{ "biggan-64", 16, 16, 256, 128, 3, 1, 1, 1, CONV_SAME },
	{ "biggan-64", 32, 64, 128, 64, 3, 1, 1, 1, CONV_UP },
	{ "biggan-64", 32, 32, 256, 128, 3, 1, 1, 1, CONV_UP },
	{ "biggan-64", 32, 16, 512, 256, 3, 1, 1, 1, CONV_UP },
	{ "biggan-64", 32, 8, 512, 512, 3, 1, 1, 1, CONV_UP },
	{ "biggan-64", 64, 64, 32, 32, 3, 1, 1, 1, CONV_DOWN },
	{ "biggan-64", 64, 16, 128, 128, 3, 1, 1, 1, CONV_DOWN },
	{ "biggan-64", 16, 8, 512, 256, 3, 1, 1, 1, CONV_SAME },
	{ "biggan-64", 16, 4, 512, 512, 3, 1, 1, 1, CONV_SAME },
	{ "biggan-64", 16, 8, 512, 256, 1, 1, 0, 0, CONV_SAME },
	{ "resnet50", 4, 224, 3, 64, 7, 2, 3, 3, CONV_SAME },
	{ "resnet50", 4, 56, 64, 64, 3, 1, 1, 1, CONV_SAME },
	{ "resnet50", 4, 56, 64, 256, 1, 1, 0, 0, CONV_SAME },
	{ "resnet50", 4, 56, 128, 128, 3, 2, 1, 1, CONV_SAME },
	{ "resnet50", 4, 28, 512, 128, 1, 1, 0, 0, CONV_SAME },
	{ "resnet50", 4, 14, 256, 256, 3, 1, 1, 1, CONV_SAME },
	{ "resnet50", 4, 7, 512, 2048, 1, 1, 0, 0, CONV_SAME },
	{ "resnet50", 4, 7, 512, 512, 3, 1, 1, 1, CONV_SAME },
	{ "effnet-lite0", 4, 224, 3, 32, 3, 2, 0, 1, CONV_SAME },
	{ "effnet-lite0", 4, 112, 32, 16, 1, 1, 0, 0, CONV_SAME },
	{ "effnet-lite0", 4, 112, 16, 96, 1, 1, 0, 0, CONV_SAME },
	{ "effnet-lite0", 4, 56, 144, 24, 1, 1, 0, 0, CONV_SAME },
	{ "effnet-lite0", 4, 28, 240, 40, 1, 1, 0, 0, CONV_SAME },
	{ "effnet-lite0", 4, 14, 80, 480, 1, 1, 0, 0, CONV_SAME },
	{ "effnet-lite0", 4, 7, 1152, 192, 1, 1, 0, 0, CONV_SAME },
	{ "effnet-lite0", 4, 7, 320, 1280, 1, 1, 0, 0, CONV_SAME },
};

static const struct depthwise { int N, H, C, K, stride; } depthwise[] = {
	{ 4, 112, 32, 3, 1 }, { 4, 112, 96, 3, 2 }, { 4, 56, 144, 3, 1 }, { 4, 28, 240, 3, 2 },
	{ 4, 14, 480, 5, 1 }, { 4, 14, 672, 5, 2 }, { 4, 7, 1152, 5, 1 },
};

static float *filled(struct shape s)
{
	size_t n = shape_count(s);
	float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);

	if (!p) exit(1);
	for (size_t i = 0; i < n; i++) p[i] = (float)(i * 2654435761u % 1000) / 500 - 1;
	return p;
}

/* Seconds of one run: the best of at least five, for a quarter of a second. */
static double seconds(struct backend *b, enum op op, struct shape y, const struct shape *x,
	const struct attr *a)
{
	struct view out = { .p = filled(y), .s = y };
	struct view in[OP_INPUTS] = { { 0 } };
	double best = 1e9, spent = 0;

	for (int i = 0; i < op_inputs[op]; i++)
		in[i] = (struct view){ .p = filled(x[i]), .s = x[i] };
	if (b->scratch[op] && backend_reserve(b, b->scratch[op](b, out, in, a))) exit(1);
	for (int i = 0; i < 5 || spent < 0.25; i++) {
		double start = peak_now(b->threads);

		b->op[op](b, out, in, a);
		double took = peak_now(b->threads) - start;
		if (i && took < best) best = took;
		spent += took;
	}
	free(out.p);
	for (int i = 0; i < op_inputs[op]; i++) free(in[i].p);
	return best;
}

static void problem_print(struct backend *b, const struct problem *p, double peak)
{
	int P = (p->H + p->before + p->after - p->K) / p->stride + 1;
	int H = p->H / (p->scale == CONV_UP ? 2 : 1), before = p->before, after = p->after;
	double flops = 2e-9 * p->N * P * P * p->K * p->K * p->I * p->O;

	if (p->scale == CONV_DOWN) P /= 2;
	struct shape x = { { p->N, H, H, p->I } }, y = { { p->N, P, P, p->O } };
	struct shape w = { { p->K, p->K, p->I, p->O } };
	struct attr a = { .i = { p->stride, before, after, before, after, H, H, (int)p->scale } };
	double forward = flops / seconds(b, OP_conv, y, (struct shape[]){ x, w }, &a);
	double dx = flops / seconds(b, OP_conv_dx, x, (struct shape[]){ y, w }, &a);

	a.i[5] = a.i[6] = p->K;
	double dw = flops / seconds(b, OP_conv_dw, w, (struct shape[]){ x, y }, &a);
	printf("%s\t%dx%dx%d\t%d-%d\t%dx%d/%d%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\n",
		p->net, p->N, p->H, p->H, p->I, p->O, p->K, p->K, p->stride,
		(const char *[]){ "", " up", " down" }[p->scale], forward, dx, dw,
		forward / peak, dx / peak, dw / peak);
	fflush(stdout);
}

static void depthwise_print(struct backend *b, const struct depthwise *d)
{
	int P = d->H / d->stride, pads = d->K - d->stride, before = pads / 2;
	struct shape x = { { d->N, d->H, d->H, d->C } }, y = { { d->N, P, P, d->C } };
	struct shape w = { { d->K, d->K, 1, d->C } };
	struct shape bias = { { 1, 1, 1, d->C } };
	struct attr a = {
		.i = { d->stride, before, pads - before, before, pads - before }, .f = { 0, 6 },
	};
	double took = seconds(b, OP_dwconv_act, y, (struct shape[]){ x, w, bias }, &a);

	printf("depthwise\t%dx%dx%d\t%d\t%dx%d/%d\t%.0f\t%.1f\n",
		d->N, d->H, d->H, d->C, d->K, d->K, d->stride,
		2e-9 * (double)shape_count(y) * d->K * d->K / took,
		4e-9 * (double)(shape_count(x) + shape_count(y)) / took);
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 1;

	blas_start(argv);
	struct backend *b = backend_new("cpu", threads);
	if (!b) return 1;
	double peak = peak_sgemm(b->threads);

	printf("# sgemm of 768, threads: %d, %s: %.0f GFLOP/s\n", b->threads, blas_core(), peak);
	printf("#net\timages\tchannels\ttaps\tforward\tdx\tdw");
	printf("\tforward/sgemm\tdx/sgemm\tdw/sgemm\n");
	for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
		problem_print(b, problems + i, peak);
	printf("#depthwise\timages\tchannels\ttaps\tforward\tGB/s\n");
	for (size_t i = 0; i < sizeof depthwise / sizeof *depthwise; i++)
		depthwise_print(b, depthwise + i);
	backend_free(b);
	return 0;
}
