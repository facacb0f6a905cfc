/* reduce: moments per channel, softmax, and sums of 2x2 blocks; sum_to is in chain.c. */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

#include <omp.h>
#include <string.h>

enum {
	PIECES = 64,
	PIECE = 8192,                        /* elements of a piece at least */
	PARTIALS = 4 << 20,                  /* doubles of partial results */
};

/* Moments cut x[rows][channels] into pieces of rows, by shape alone.  Narrow rows are taken
 * `at_once` together, as one of `wide` floats. */
struct cut { size_t rows, channels, at_once, wide, unit; int pieces; };

static struct cut cut_of(struct shape s)
{
	struct cut c = { .channels = (size_t)s.d[3], .rows = shape_count(s) / (size_t)s.d[3] };
	size_t want = shape_count(s) / PIECE;

	if (want > PIECES) want = PIECES;
	if (want > PARTIALS / (2 * c.channels)) want = PARTIALS / (2 * c.channels);
	if (want < 1) want = 1;
	c.at_once = rows_at_once(c.channels);
	c.wide = c.at_once * c.channels;
	c.unit = ((c.rows + want - 1) / want + c.at_once - 1) / c.at_once * c.at_once;
	c.pieces = (int)((c.rows + c.unit - 1) / c.unit);
	return c;
}

size_t cpu_moments_scratch(struct backend *b, struct view y, const struct view *x,
			   const struct attr *a)
{
	struct cut c = cut_of(x[0].s);

	(void)y, (void)a;
	return 2 * c.channels * (size_t)c.pieces * sizeof(double) +
	       3 * c.wide * (size_t)b->threads * sizeof(float);
}

/* Wide rows of at most ROWS_DEEP * at_once rows; what is left is one row less wide. */
static void add_block(const struct rows *r, const struct cut *c, float *temp, const float *x,
		      size_t rows)
{
	size_t deep = rows / c->at_once, rest = rows % c->at_once * c->channels;

	r->spread_down(temp + c->wide, temp + 2 * c->wide, x, temp, deep, c->wide);
	r->spread_down(temp + c->wide, temp + 2 * c->wide, x + deep * c->wide, temp, 1, rest);
}

/* The mean of the first rows, as the origin that deviations are taken from, repeated over a wide
 * row. */
static void find_origin(const struct rows *r, const struct cut *c, float *temp, const float *x,
			size_t rows)
{
	float *sum = temp + c->wide;

	if (rows > ROWS_DEEP) rows = ROWS_DEEP;
	memset(sum, 0, c->channels * sizeof *sum);
	r->sum_down(sum, x, rows, c->channels);
	for (size_t i = 0; i < c->wide; i++) temp[i] = sum[i % c->channels] / (float)rows;
}

/* mean[C] and the sum of squared deviations spread[C] of one piece; temp[3][wide] is origin, sums
 * and sums of squares.  With d = x - origin: mean = origin + sum(d) / n,
 * spread = sum(d^2) - sum(d)^2 / n; as the origin is within the data, little cancels. */
static void piece_moments(const struct rows *r, const struct cut *c, float *temp, const float *x,
			  size_t rows, double *mean)
{
	double *spread = mean + c->channels;
	size_t block = ROWS_DEEP * c->at_once;

	find_origin(r, c, temp, x, rows);
	memset(mean, 0, 2 * c->channels * sizeof *mean);
	for (size_t at = 0; at < rows; at += block) {
		memset(temp + c->wide, 0, 2 * c->wide * sizeof *temp);
		add_block(r, c, temp, x + at * c->channels, rows - at < block ? rows - at : block);
		for (size_t i = 0; i < c->wide; i += c->channels)
			for (size_t k = 0; k < c->channels; k++) {
				mean[k] += (double)temp[c->wide + i + k];
				spread[k] += (double)temp[2 * c->wide + i + k];
			}
	}
	for (size_t k = 0; k < c->channels; k++) {
		spread[k] -= mean[k] * mean[k] / (double)rows;
		mean[k] = (double)temp[k] + mean[k] / (double)rows;
	}
}

/* Piece after piece, as Chan, Golub and LeVeque (1979): of two sets, mean = m1 + (m2 - m1) n2 / n
 * and spread = s1 + s2 + (m2 - m1)^2 n1 n2 / n. */
static void join(const struct cut *c, const double *part, float *y)
{
	for (size_t k = 0; k < c->channels; k++) {
		double n = 0, mean = 0, spread = 0;
		for (int i = 0; i < c->pieces; i++) {
			size_t first = (size_t)i * c->unit, left = c->rows - first;
			double more = (double)(left < c->unit ? left : c->unit);
			const double *p = part + 2 * c->channels * (size_t)i + k;
			double apart = p[0] - mean;
			n += more;
			mean += apart * more / n;
			spread += p[c->channels] + apart * apart * (n - more) * more / n;
		}
		y[k] = (float)mean;
		y[c->channels + k] = spread > 0 || spread != spread ? (float)(spread / n) : 0;
	}
}

void cpu_moments(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	const struct rows *r = cpu_rows();
	struct cut c = cut_of(x[0].s);
	double *part = b->work;
	float *temp = (float *)(part + 2 * c.channels * (size_t)c.pieces);

	(void)a;
#pragma omp parallel for if (c.pieces > 1) num_threads(b->threads)
	for (int i = 0; i < c.pieces; i++) {
		size_t first = (size_t)i * c.unit, left = c.rows - first;
		piece_moments(r, &c, temp + 3 * c.wide * (size_t)omp_get_thread_num(),
			      x[0].p + first * c.channels, left < c.unit ? left : c.unit,
			      part + 2 * c.channels * (size_t)i);
	}
	join(&c, part, y.p);
}

void cpu_softmax(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	const struct rows *r = cpu_rows();
	size_t count = shape_count(y.s), channels = (size_t)y.s.d[3];

	(void)a;
#pragma omp parallel for if (count >= CPU_ALONE) num_threads(b->threads)
	for (size_t i = 0; i < count; i += channels) r->softmax(y.p + i, x[0].p + i, channels);
}

void cpu_sum2(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t rows = (size_t)y.s.d[0] * (size_t)y.s.d[1];
	size_t cols = (size_t)y.s.d[2], channels = (size_t)y.s.d[3];
	size_t from_rows = (size_t)x[0].s.d[1], from_row = (size_t)x[0].s.d[2] * channels;

	(void)a;
#pragma omp parallel for if (rows * from_row >= CPU_ALONE) num_threads(b->threads)
	for (size_t i = 0; i < rows; i++) {
		size_t n = i / (size_t)y.s.d[1], h = i % (size_t)y.s.d[1];
		const float *top = x[0].p + (n * from_rows + 2 * h) * from_row;
		const float *low = top + from_row;
		float *restrict to = y.p + i * cols * channels;
		for (size_t w = 0; w < cols; w++, to += channels) {
			for (size_t c = 0; c < channels; c++)
				to[c] = top[c] + top[channels + c] + low[c] + low[channels + c];
			top += 2 * channels;
			low += 2 * channels;
		}
	}
}
