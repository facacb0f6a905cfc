/* taps: 3x3 convolutions of an upsampled image, or summed over blocks of 2x2, at the small side,
 * with 16 taps for each of its pixels where there would be 36.  Down and across, a pixel of the
 * small image and four of the large one meet by
 *
 *	w0  w0 + w1  w1 + w2  w2
 *
 * so w is summed before the product, and a gradient of the sums is spread after it. */
#include "kernels/cuda/gemm.h"

/* Bit t of rows[e] is set where tap e of four has row t of w.  Without phases they are in the order
 * of the large image's pixels; with them two for even pixels come before two for odd ones. */
static void choose_rows(struct taps *t, const struct product *p)
{
	static const int in_order[4] = { 1, 3, 6, 4 }, of_x[4] = { 1, 6, 3, 4 },
			 of_dy[4] = { 3, 4, 1, 6 };
	const int *rows = !t->phases ? in_order : p->kind == CONV_DX ? of_dy : of_x;

	memcpy(t->rows, rows, sizeof t->rows);
}

struct taps cuda_taps(const struct product *p, const struct gemm *g, int precision)
{
	struct taps t;

	memset(&t, 0, sizeof t);
	t.phases = g->phases;
	choose_rows(&t, p);
	t.w = p->kind == CONV_DW ? p->c : p->b;
	t.precision = precision;
	t.I = g->I, t.O = g->O, t.Ip = g->Ip, t.Op = g->Op;
	return t;
}

size_t cuda_taps_bytes(const struct taps *t)
{
	return scratch_bytes(t->precision == PRECISION_BF16,
			     (size_t)16 * (size_t)t->Ip * (size_t)t->Op);
}

/* Of tap e of 16 the one along either side, as bits of rows. */
DEVICE int rows_down(const struct taps *t, int e)
{
	return t->rows[t->phases ? e / 8 * 2 + e / 2 % 2 : e / 4];
}

DEVICE int rows_across(const struct taps *t, int e)
{
	return t->rows[t->phases ? e / 4 % 2 * 2 + e % 2 : e % 4];
}

/* Numbers o .. o + 3 of a row of w are added to v. */
DEVICE void add_four(const struct taps *t, size_t row, int o, float v[4])
{
	float x[4] = { 0, 0, 0, 0 };

	if (o >= t->O) return;
	row += (size_t)o;
	if (t->O % 4 == 0) data_get4(t->w, row, x);
	else for (int k = 0; k < 4 && o + k < t->O; k++) x[k] = data_get(t->w, row + (size_t)k);
	UNROLL
	for (int k = 0; k < 4; k++) v[k] += x[k];
}

/* A thread has a chunk: neighbours in o. */
KERNEL_OF(THREADS, 4, sum_taps, struct taps)
{
	int each = chunk_elements(a.precision), across = a.Op / each;
	int at = BLOCK_X * THREADS + THREAD, o = at % across * each, line = at / across;
	int i = line % a.Ip, e = line / a.Ip;
	uint32_t *to = (uint32_t *)a.to + 4 * (size_t)at;
	float v[8] = { 0, 0, 0, 0, 0, 0, 0, 0 };

	if (e >= 16) return;
	for (int t = 0; t < 9 && i < a.I; t++) {
		if (!(rows_down(&a, e) >> t / 3 & rows_across(&a, e) >> t % 3 & 1)) continue;
		size_t from = ((size_t)t * (size_t)a.I + (size_t)i) * (size_t)a.O;
		UNROLL
		for (int k = 0; k < 8; k += 4)
			if (k < each) add_four(&a, from, o + k, v + k);
	}
	put_chunk(a.precision, v, to);
}

/* A thread has a number of the gradient of w; with phases the parts of each follow each other. */
KERNEL(spread_taps, struct taps)
{
	size_t set = (size_t)a.I * (size_t)a.O, at = (size_t)BLOCK_X * THREADS + (size_t)THREAD;
	int t = (int)(at / set);
	float sum = 0;

	if (t >= 9) return;
	for (int e = 0; e < 16; e++) {
		if (!(rows_down(&a, e) >> t / 3 & rows_across(&a, e) >> t % 3 & 1)) continue;
		int sets = a.phases ? 4 : 16, phase = e / sets;
		for (int k = 0; k < a.parts; k++) {
			int from = (phase * a.parts + k) * sets + e % sets;
			sum += a.from[(size_t)from * set + at % set];
		}
	}
	data_put(a.w, at, sum);
}

void cuda_taps_sum(struct backend *b, const struct taps *t)
{
	int chunks = 16 * t->Ip * (t->Op / chunk_elements(t->precision));

	LAUNCH(b, sum_taps, blocks_for((size_t)chunks, THREADS), 1, 1, *t);
}

void cuda_taps_spread(struct backend *b, const struct taps *t)
{
	size_t n = (size_t)9 * (size_t)t->I * (size_t)t->O;

	LAUNCH(b, spread_taps, blocks_for(n, THREADS), 1, 1, *t);
}
