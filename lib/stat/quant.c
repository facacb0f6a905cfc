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
	size_t n = (size_t)room, wide = (size_t)padded(width);

	must(room % NEAR_LEFT == 0 && room % NEAR_RIGHT == 0);
	*q = (struct quant){ .sides = sides, .width = width, .wide = (int)wide, .room = room };
	if (sides & QUANT_LEFT) q->left = mem_big(n, wide, "rows in bytes");
	if (sides & QUANT_RIGHT) q->right = mem_big(n, wide, "rows in bytes");
	q->fine = mem_big(n, 2 * wide, "rows in bytes");
	q->sum = mem_new(n, sizeof *q->sum);
	q->addend = mem_new(n, sizeof *q->addend);
	q->step = mem_new(5 * n, sizeof *q->step);
	q->norm = q->step + n;
	q->rest = q->norm + n;
	q->last = q->rest + n;
	q->bias = q->last + n;
	if (q->fine && !(sides & QUANT_LEFT && !q->left) && !(sides & QUANT_RIGHT && !q->right))
		return 0;
	quant_close(q);
	return -1;
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

const int8_t *quant_high(const struct quant *q, int i)
{
	return q->fine + 2 * (size_t)i * (size_t)q->wide;
}

const uint8_t *quant_low(const struct quant *q, int i)
{
	return (const uint8_t *)quant_high(q, i) + q->wide;
}

void quant_left(struct quant *q, int to, int i)
{
	size_t wide = (size_t)q->wide;
	const int8_t *high = quant_high(q, i);
	uint8_t *left = q->left + (size_t)(to / NEAR_LEFT) * NEAR_LEFT * wide + to % NEAR_LEFT * 4;

	for (size_t t = 0; t < wide; t += 4, left += 4 * NEAR_LEFT) {
		uint32_t four;
		memcpy(&four, high + t, sizeof four);
		four ^= 0x80808080;
		memcpy(left, &four, sizeof four);
	}
}

/* The high bytes of row i into its groups. */
static void pack(struct quant *q, int i)
{
	size_t wide = (size_t)q->wide;
	const int8_t *high = quant_high(q, i);
	int8_t *right =
		q->right + (size_t)(i / NEAR_RIGHT) * NEAR_RIGHT * wide + i % NEAR_RIGHT * 4;
	int32_t sum = 0;

	for (size_t t = 0; t < wide; t++) sum += high[t];
	q->sum[i] = sum;
	if (q->left) quant_left(q, i, i);
	for (size_t t = 0; q->right && t < wide; t += 4, right += 4 * NEAR_RIGHT)
		memcpy(right, high + t, 4);
}

/* Products of very wide rows with bytes of -128 must fit 31 bits. */
static int most_of(int width)
{
	return NEAR_LOW * (width <= 1 << 17 ? 127 : 63);
}

/* The largest norm of what was lost, given the sum of its squares. */
static double loss(double lost, double norm)
{
	return sqrt(lost) * LOOSE + ROUNDING * norm + TINY;
}

void quant_set(
	struct quant *q, int i, const struct ground *g, double by, const float *from, float *x)
{
	int8_t *high = q->fine + 2 * (size_t)i * (size_t)q->wide;
	uint8_t *low = (uint8_t *)high + q->wide;
	double square, addend = ground_centre(g, by, from, x, &square), norm = sqrt(square);
	float step = pair_most(x, q->width) / (float)most_of(q->width) * (1 + 0x1p-20f);
	float lost[2] = { (float)square, (float)square };

	memset(high, 0, (size_t)q->wide);
	memset(low, 128, (size_t)q->wide);
	if (step > 0x1p-120f) pair_round(x, q->width, step, high, low, lost);
	else step = 0;                       /* no inverse in single precision */
	pack(q, i);
	double rest = loss((double)lost[0], norm);
	q->step[i] = step * NEAR_LOW;
	q->norm[i] = (float)((norm + rest / 2) * (1 + ROUNDING));
	q->rest[i] = (float)(rest * (1 + ROUNDING));
	q->last[i] = (float)(loss((double)lost[1], norm) * (1 + ROUNDING));
	q->bias[i] = (float)(addend + fabs(addend) * ROUNDING);
	q->addend[i] = addend;
}

void quant_end(struct quant *q, int n)
{
	for (int i = n; i < q->room && i < n + NEAR_RIGHT - 1; i++) {
		memset(q->fine + 2 * (size_t)i * (size_t)q->wide, 0, (size_t)q->wide);
		pack(q, i);
	}
}

struct quant quant_part(const struct quant *q, int first)
{
	size_t at = (size_t)first, bytes = at * (size_t)q->wide;
	struct quant p = *q;

	must(first % NEAR_LEFT == 0 && first % NEAR_RIGHT == 0 && first < q->room);
	p.room -= first;
	if (p.left) p.left += bytes;
	if (p.right) p.right += bytes;
	p.fine += 2 * bytes;
	p.sum += at;
	p.addend += at;
	p.step += at;
	p.norm += at;
	p.rest += at;
	p.last += at;
	p.bias += at;
	return p;
}
