/* moments: sums of x - c and of (x - c)^T (x - c) around a shift c, the mean of the first
 * block: without it, rows far from zero would lose digits. Rows are taken in blocks of BLOCK
 * however they come in and the triangle is cut into bands that are each one thread's own, so
 * the sums depend neither on chunks nor on threads. */
#include "lib/stat/moments.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512, TILE = 256 };

int moments_open(struct moments *m, int width)
{
	size_t w = (size_t)width;

	*m = (struct moments){ .width = width };
	m->shift = mem_big(w, sizeof *m->shift, "shift of the moments");
	m->sum = mem_big(w, sizeof *m->sum, "sums of the moments");
	m->held = mem_big(w, BLOCK * sizeof *m->held, "a block of rows");
	m->square = mem_big(w * w, sizeof *m->square, "a covariance");
	if (!m->shift || !m->sum || !m->held || !m->square) {
		moments_close(m);
		return -1;
	}
	memset(m->sum, 0, w * sizeof *m->sum);
	memset(m->square, 0, w * w * sizeof *m->square);
	return 0;
}

/* The mean of the waiting rows. */
static void set_shift(struct moments *m)
{
	memset(m->shift, 0, (size_t)m->width * sizeof *m->shift);
	for (int i = 0; i < m->waiting; i++)
		for (int j = 0; j < m->width; j++)
			m->shift[j] += m->held[(size_t)i * (size_t)m->width + (size_t)j];
	for (int j = 0; j < m->width; j++) m->shift[j] /= m->waiting;
}

/* square[I][I..] += held[][I]^T held[][I..], for one band I of TILE columns. */
static void add_band(void *ctx, int64_t band, int worker)
{
	struct moments *m = ctx;
	int w = m->width, at = (int)band * TILE, n = w - at < TILE ? w - at : TILE, right = at + n;
	double *c = m->square + (size_t)at * (size_t)w;

	(void)worker;
	blas_dsyrk(n, m->waiting, 1, m->held + at, w, c + at, w);
	if (right < w)
		blas_dgemm(true, false, n, w - right, m->waiting, 1, m->held + at, w,
			m->held + right, w, 1, c + right, w);
}

static void add_waiting(struct moments *m)
{
	if (!m->waiting) return;
	if (!m->count) set_shift(m);
	for (int i = 0; i < m->waiting; i++) {
		double *row = m->held + (size_t)i * (size_t)m->width;
		for (int j = 0; j < m->width; j++) {
			row[j] -= m->shift[j];
			m->sum[j] += row[j];
		}
	}
	par_for((m->width + TILE - 1) / TILE, m, add_band);
	m->count += m->waiting;
	m->waiting = 0;
}

void moments_add(struct moments *m, const float *rows, int n)
{
	for (int i = 0; i < n; i++) {
		double *to = m->held + (size_t)m->waiting * (size_t)m->width;
		const float *from = rows + (size_t)i * (size_t)m->width;
		for (int j = 0; j < m->width; j++) to[j] = (double)from[j];
		if (++m->waiting == BLOCK) add_waiting(m);
	}
}

/* mean = c + S / N; covariance = (C - S^T S / N) / (N - 1). */
int moments_end(struct moments *m, double *mean, double *cov)
{
	size_t w = (size_t)m->width;

	add_waiting(m);
	if (m->count < 2)
		return fail("%lld rows have no covariance, expected two or more",
			(long long)m->count);
	double n = (double)m->count;
	for (size_t i = 0; i < w; i++) {
		mean[i] = m->shift[i] + m->sum[i] / n;
		for (size_t j = i; j < w; j++)
			cov[i * w + j] = (m->square[i * w + j] -
				m->sum[i] * (m->sum[j] / n)) / (n - 1);
	}
	for (size_t i = 1; i < w; i++)
		for (size_t j = 0; j < i; j++) cov[i * w + j] = cov[j * w + i];
	return 0;
}

void moments_close(struct moments *m)
{
	free(m->shift);
	free(m->sum);
	free(m->square);
	free(m->held);
	*m = (struct moments){ 0 };
}
