/* prepare: bytes to a network's input, in two passes: rows across as they are needed, then down. */
#include "lib/nets/prepare.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdlib.h>

void prepare_start(struct prepare *p, const double mean[3], const double std[3], int to)
{
	*p = (struct prepare){ .to = to, .tap = mem_new((size_t)to, sizeof *p->tap) };
	for (int c = 0; c < 3; c++)
		for (int v = 0; v < 256; v++) p->value[c][v] = (float)((v - mean[c]) / std[c]);
}

void prepare_end(struct prepare *p)
{
	free(p->tap);
	*p = (struct prepare){ 0 };
}

/* Output i lies at s = (i + 1/2) from/to - 1/2, f = floor(s), t = s - f; taps f-1 .. f+2 with the
 * cubic kernel of A:
 *   |d| <= 1: ((A+2)|d| - (A+3)) d^2 + 1,  |d| < 2: ((A|d| - 5A)|d| + 8A)|d| - 4A. */
void prepare_side(struct prepare *p, int from)
{
	const double A = -0.75;

	if (p->from == from) return;
	p->from = from;
	for (int i = 0; i < p->to; i++) {
		double s = (i + 0.5) * from / p->to - 0.5, f = floor(s), t = s - f;
		const double d[4] = { t + 1, t, 1 - t, 2 - t };
		for (int k = 0; k < 4; k++) {
			int at = (int)f - 1 + k;
			p->tap[i].at[k] = at < 0 ? 0 : at >= from ? from - 1 : at;
			p->tap[i].w[k] = (float)(k == 1 || k == 2 ?
				((A + 2) * d[k] - (A + 3)) * d[k] * d[k] + 1 :
				((A * d[k] - 5 * A) * d[k] + 8 * A) * d[k] - 4 * A);
		}
	}
}

/* One source row as floats, then four rows across. */
size_t prepare_scratch(const struct prepare *p)
{
	return 3 * ((size_t)p->from + 4 * (size_t)p->to);
}

static void across(const struct prepare *p, const uint8_t *rgb, float *row, float *restrict x)
{
	for (int i = 0; i < p->from; i++)
		for (int c = 0; c < 3; c++) row[3 * i + c] = p->value[c][rgb[3 * i + c]];
	for (int i = 0; i < p->to; i++) {
		const struct tap *t = &p->tap[i];
		const float *a = row + 3 * t->at[0], *b = row + 3 * t->at[1];
		const float *d = row + 3 * t->at[2], *e = row + 3 * t->at[3], *w = t->w;
		for (int c = 0; c < 3; c++)
			x[3 * i + c] = a[c] * w[0] + b[c] * w[1] + d[c] * w[2] + e[c] * w[3];
	}
}

static void mirror(real *x, int n)
{
	for (int i = 0, j = n - 1; i < j; i++, j--)
		for (int c = 0; c < 3; c++) {
			real left = x[3 * i + c];
			x[3 * i + c] = x[3 * j + c];
			x[3 * j + c] = left;
		}
}

void prepare_picture(const struct prepare *p, const uint8_t *rgb, bool mirrored, float *scratch,
	real *x)
{
	size_t width = 3 * (size_t)p->to;
	float *row = scratch, *held = row + 3 * (size_t)p->from;
	/* Source row r is held, resampled, in slot r % 4: taps never reach further. */
	int which[4] = { -1, -1, -1, -1 };

	for (int y = 0; y < p->to; y++) {
		const struct tap *t = &p->tap[y];
		const float *from[4];
		for (int k = 0; k < 4; k++) {
			int r = t->at[k];
			float *slot = held + (size_t)(r & 3) * width;
			if (which[r & 3] != r)
				across(p, rgb + 3 * (size_t)r * (size_t)p->from, row, slot);
			which[r & 3] = r;
			from[k] = slot;
		}
		const float *restrict a = from[0], *restrict b = from[1];
		const float *restrict d = from[2], *restrict e = from[3];
		real *restrict to = x + (size_t)y * width;
		for (size_t i = 0; i < width; i++)
			to[i] = a[i] * t->w[0] + b[i] * t->w[1] + d[i] * t->w[2] + e[i] * t->w[3];
		if (mirrored) mirror(to, p->to);
	}
}
