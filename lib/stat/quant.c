/* quant: one step for each row, the largest value at the end of the range; losses are measured, not
 * assumed. */
#include "lib/stat/quant.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/stat/pair.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sums in single precision are worth 2^-13 here; losses add the rounding of x', of steps and of
 * scores, 2^-20 of the norm, and of x - mean in double. */
#define LOOSE (1 + 0x1p-13)
#define ROUNDING 0x1p-20
#define TINY 0x1p-45

static size_t groups(int rows, int of)
{
	return (size_t)((rows + of - 1) / of) * (size_t)of;
}

static int padded(int width)
{
	return (width + NEAR_DEEP - 1) / NEAR_DEEP * NEAR_DEEP;
}

size_t quant_bytes(int width, int sides)
{
	int each = (sides & QUANT_LEFT ? 1 : 0) + (sides & QUANT_RIGHT ? 1 : 0) + 2;
	return (size_t)padded(width) * (size_t)each + 40;
}

int quant_open(struct quant *q, int width, int room, int sides)
{
	size_t n = groups(room, NEAR_RIGHT), wide = (size_t)padded(width);

	*q = (struct quant){ .sides = sides, .width = width, .wide = (int)wide, .room = room };
	if (sides & QUANT_LEFT) q->left = mem_big(groups(room, NEAR_LEFT), wide, "rows in bytes");
	if (sides & QUANT_RIGHT) q->right = mem_big(n, wide, "rows in bytes");
	q->fine = mem_big((size_t)room, wide * sizeof *q->fine, "rows in 16 bits");
	q->sum = mem_new(n, sizeof *q->sum);
	q->addend = mem_new(n, sizeof *q->addend);
	q->step = mem_new(5 * n, sizeof *q->step);
	q->norm = q->step + n;
	q->rest = q->norm + n;
	q->fine_rest = q->rest + n;
	q->bias = q->fine_rest + n;
	if (!q->fine || (sides & QUANT_LEFT && !q->left) || (sides & QUANT_RIGHT && !q->right)) {
		quant_close(q);
		return -1;
	}
	if (q->left) memset(q->left, 128, groups(room, NEAR_LEFT) * wide);
	if (q->right) memset(q->right, 0, n * wide);
	return 0;
}

void quant_close(struct quant *q)
{
	free(q->left);
	free(q->right);
	free(q->fine);
	free(q->sum);
	free(q->addend);
	free(q->step);
	*q = (struct quant){ .room = 0 };
}

/* Four 16-bit values as bytes, and their sum. */
static uint32_t four_bytes(const int16_t *fine, int32_t *sum)
{
	int8_t bytes[4];
	uint32_t four;

	for (int l = 0; l < 4; l++) *sum += bytes[l] = (int8_t)((fine[l] + NEAR_COARSE / 2) >> 6);
	memcpy(&four, bytes, sizeof four);
	return four;
}

/* Row i into its groups. */
static void pack(struct quant *q, int i)
{
	size_t wide = (size_t)q->wide;
	const int16_t *fine = q->fine + (size_t)i * wide;
	uint8_t *left = q->left + (size_t)(i / NEAR_LEFT) * NEAR_LEFT * wide + i % NEAR_LEFT * 4;
	int8_t *right =
		q->right + (size_t)(i / NEAR_RIGHT) * NEAR_RIGHT * wide + i % NEAR_RIGHT * 4;

	q->sum[i] = 0;
	for (size_t t = 0; t < wide; t += 4) {
		uint32_t four = four_bytes(fine + t, &q->sum[i]), biased = four ^ 0x80808080;
		if (q->right) memcpy(right + t * NEAR_RIGHT, &four, sizeof four);
		if (q->left) memcpy(left + t * NEAR_LEFT, &biased, sizeof biased);
	}
}

/* Products of very wide rows must fit 31 bits. */
static int most_of(int width)
{
	return width <= 1 << 17 ? NEAR_MOST : 90 * NEAR_COARSE;
}

/* The largest norm of what was lost, given the sum of its squares. */
static double loss(double lost, double norm)
{
	return sqrt(lost) * LOOSE + ROUNDING * norm + TINY;
}

void quant_set(
	struct quant *q, int i, const struct ground *g, double by, const float *from, float *x)
{
	int16_t *fine = q->fine + (size_t)i * (size_t)q->wide;
	double square, addend = ground_centre(g, by, from, x, &square), norm = sqrt(square);
	float step = pair_most(x, q->width) / (float)most_of(q->width) * (1 + 0x1p-20f);
	float lost[2] = { (float)square, (float)square };

	memset(fine, 0, (size_t)q->wide * sizeof *fine);
	if (step > 0x1p-120f) pair_round(x, q->width, step, fine, lost);
	else step = 0;                       /* no inverse in single precision */
	pack(q, i);
	double rest = loss((double)lost[0], norm);
	q->step[i] = step * NEAR_COARSE;
	q->norm[i] = (float)((norm + rest / 2) * (1 + ROUNDING));
	q->rest[i] = (float)(rest * (1 + ROUNDING));
	q->fine_rest[i] = (float)(loss((double)lost[1], norm) * (1 + ROUNDING));
	q->bias[i] = (float)(addend + fabs(addend) * ROUNDING);
	q->addend[i] = addend;
}

struct quant quant_part(const struct quant *q, int first)
{
	size_t at = (size_t)first, bytes = at * (size_t)q->wide;
	struct quant p = *q;

	must(first % NEAR_LEFT == 0 && first % NEAR_RIGHT == 0 && first < q->room);
	p.room -= first;
	if (p.left) p.left += bytes;
	if (p.right) p.right += bytes;
	p.fine += bytes;
	p.sum += at;
	p.addend += at;
	p.step += at;
	p.norm += at;
	p.rest += at;
	p.fine_rest += at;
	p.bias += at;
	return p;
}

double quant_dot(const struct quant *x, int i, const struct quant *y, int j,
	const struct near_set *near, double *slack)
{
	size_t wide = (size_t)x->wide;
	int64_t dot = near->dot(x->fine + (size_t)i * wide, y->fine + (size_t)j * wide, x->wide);
	double step = (double)x->step[i] * (double)y->step[j] / (NEAR_COARSE * NEAR_COARSE);

	*slack = (double)x->norm[i] * (double)y->fine_rest[j] +
		(double)x->fine_rest[i] * (double)y->norm[j];
	return (double)dot * step;
}
