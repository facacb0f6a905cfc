/* ref: the pairs of rows that may reach a bar, tile by tile. */
#include "kernels/ref/ref.h"
#include "kernels/sift.h"

#include <math.h>
#include <string.h>

static float number(uint16_t bits)
{
	uint32_t word = (uint32_t)bits << 16;
	float x;

	memcpy(&x, &word, sizeof x);
	return x;
}

static float dot(const struct sift *s, int i, int j)
{
	const uint16_t *a = s->a.bits + (size_t)i * (size_t)s->wide;
	const uint16_t *b = s->b.bits + (size_t)j * (size_t)s->wide;
	float sum[8] = { 0 };

	for (int k = 0; k < s->wide; k += 8)
		for (int l = 0; l < 8; l++) sum[l] += number(a[k + l]) * number(b[k + l]);
	return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

/* The pair of rows i and j as a hit of its tile; neither left nor right: none. */
static struct sift_hit look(const struct sift *s, int i, int j)
{
	struct sift_hit h = { .dot = dot(s, i, j), .row = (uint8_t)(i % SIFT_SIDE),
		.column = (uint8_t)(j % SIFT_SIDE) };
	float most = h.dot + (s->a.norm[i] * s->b.rest[j] + s->a.rest[i] * s->b.norm[j]);

	h.left = most + s->b.bias[j] >= s->a.bar[i];
	h.right = s->both && !(s->upper && i == j) && most + s->a.bias[i] >= s->b.bar[j];
	return h;
}

static int least(int a, int b)
{
	return a < b ? a : b;
}

static void sift_tile(const struct sift *s, int ti, int tj)
{
	struct sift_part *part = &s->part[ti * sift_tiles(s->b.n) + tj];
	int rows = least((ti + 1) * SIFT_SIDE, s->a.n);
	int columns = least((tj + 1) * SIFT_SIDE, s->b.n);

	*part = (struct sift_part){ *s->count, 0 };
	for (int i = ti * SIFT_SIDE; i < rows; i++)
		for (int j = tj * SIFT_SIDE; j < columns; j++) {
			if (s->upper && j < i) continue;
			struct sift_hit h = look(s, i, j);
			if (!h.left && !h.right) continue;
			if (*s->count < s->limit) s->hit[*s->count] = h;
			++*s->count;
			part->n++;
		}
}

void ref_sift(struct backend *b, const struct sift *s)
{
	(void)b;
	for (int i = 0; i < sift_tiles(s->a.n); i++)
		for (int j = 0; j < sift_tiles(s->b.n); j++) sift_tile(s, i, j);
}

/* Takes the largest away, rank - 1 times. */
static float kth(float *v, int n, int rank)
{
	for (;; rank--) {
		int most = 0;
		for (int j = 1; j < n; j++)
			if (v[j] > v[most]) most = j;
		if (rank == 1) return v[most];
		v[most] = -INFINITY;
	}
}

void ref_sift_kth(struct backend *b, const struct sift *s)
{
	(void)b;
	for (int i = 0; i < s->a.n; i++) {
		for (int j = 0; j < s->b.n; j++) s->score[j] = dot(s, i, j) + s->b.bias[j];
		s->kth[i] = kth(s->score, s->b.n, s->rank);
	}
}
