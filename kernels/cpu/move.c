/* move: ops that only move numbers, and the adjoint of picking rows. */
#include "kernels/cpu/cpu.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
	PART = 8192,                         /* elements a thread takes at a time */
	EDGE = 16,                           /* of the blocks of a transposition */
};

/* Blocks of `block` floats: number i goes from `from` + i * from_step to `to` + i * to_step; from
 * NULL: zeros. */
struct blocks { float *to; const float *from; size_t to_step, from_step, block, count; };

static void move_part(const struct blocks *m, size_t at, size_t end)
{
	for (size_t i = at / m->block, skip = at % m->block; at < end; i++, skip = 0) {
		float *to = m->to + i * m->to_step + skip;
		const float *from = m->from ? m->from + i * m->from_step + skip : NULL;
		size_t n = m->block - skip;
		if (n > end - at) n = end - at;
		if (!from) memset(to, 0, n * sizeof *to);
		else if (n >= 16) memcpy(to, from, n * sizeof *to);
		else for (size_t k = 0; k < n; k++) to[k] = from[k];
		at += n;
	}
}

static void move_blocks(struct backend *b, struct blocks m)
{
	size_t total = m.block * m.count;

#pragma omp parallel for if (total >= CPU_ALONE) num_threads(b->threads)
	for (size_t at = 0; at < total; at += PART)
		move_part(&m, at, total - at < PART ? total : at + PART);
}

/* The floats of one index of an axis, and how many times the axis is run through. */
static size_t inside(struct shape s, int axis)
{
	size_t n = 1;

	for (int k = axis + 1; k < 4; k++) n *= (size_t)s.d[k];
	return n;
}

static size_t around(struct shape s, int axis)
{
	size_t n = 1;

	for (int k = 0; k < axis; k++) n *= (size_t)s.d[k];
	return n;
}

void cpu_slice(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	int axis = a->i[0];
	size_t one = inside(y.s, axis), count = around(y.s, axis);
	size_t wide = (size_t)x[0].s.d[axis] * one, block = (size_t)y.s.d[axis] * one;
	const float *from = x[0].p + (size_t)a->i[1] * one;

	move_blocks(b, (struct blocks){ y.p, from, block, wide, block, count });
}

void cpu_pad(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	int axis = a->i[0];
	size_t one = inside(y.s, axis), count = around(y.s, axis);
	size_t wide = (size_t)y.s.d[axis] * one, block = (size_t)x[0].s.d[axis] * one;
	size_t before = (size_t)a->i[1] * one, after = (size_t)a->i[2] * one;
	float *end = y.p + before + block;

	move_blocks(b, (struct blocks){ y.p + before, x[0].p, wide, block, block, count });
	if (before) move_blocks(b, (struct blocks){ y.p, NULL, wide, 0, before, count });
	if (after) move_blocks(b, (struct blocks){ end, NULL, wide, 0, after, count });
}

void cpu_concat(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	int axis = a->i[0];
	size_t one = inside(y.s, axis), wide = (size_t)y.s.d[axis] * one, count = around(y.s, axis);
	size_t first = (size_t)x[0].s.d[axis] * one, second = wide - first;

	move_blocks(b, (struct blocks){ y.p, x[0].p, wide, first, first, count });
	move_blocks(b, (struct blocks){ y.p + first, x[1].p, wide, second, second, count });
}

/* The result's dimensions with their steps in y and x, ones dropped and neighbours joined where
 * they are neighbours in x too; ones in front. */
struct axes { size_t d[4], to[4], from[4]; };

static struct axes axes_of(struct view y, struct view x, const struct attr *a)
{
	struct axes s = { { 1, 1, 1, 1 }, { 0 }, { 0 } };
	size_t to = 1;

	for (int k = 3, last = 4; k >= 0; k--) {
		size_t d = (size_t)y.s.d[k], from = inside(x.s, a->i[k]);
		if (d == 1) continue;
		if (last < 4 && from == s.from[last] * s.d[last]) {
			s.d[last] *= d;
		} else {
			last--;
			s.d[last] = d;
			s.to[last] = to;
			s.from[last] = from;
		}
		to *= d;
	}
	return s;
}

typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));

/* y[i][j] = x[j][i] for i, j in 0 .. 4. */
static void transpose_quad(float *y, size_t y_step, const float *x, size_t x_step)
{
	quad r0 = *(const quad *)x, r1 = *(const quad *)(x + x_step);
	quad r2 = *(const quad *)(x + 2 * x_step), r3 = *(const quad *)(x + 3 * x_step);
	quad a = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
	quad b = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
	quad c = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
	quad d = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);

	*(quad *)y = __builtin_shufflevector(a, b, 0, 1, 4, 5);
	*(quad *)(y + y_step) = __builtin_shufflevector(a, b, 2, 3, 6, 7);
	*(quad *)(y + 2 * y_step) = __builtin_shufflevector(c, d, 0, 1, 4, 5);
	*(quad *)(y + 3 * y_step) = __builtin_shufflevector(c, d, 2, 3, 6, 7);
}

/* A block of a transposition: y[i][j] = x[j][i] for i < rows, j < cols; neither is above EDGE. */
static void transpose_block(float *y, size_t y_step, const float *x, size_t x_step, size_t rows,
			    size_t cols)
{
	size_t i = 0;

	for (; i + 4 <= rows; i += 4) {
		size_t j = 0;
		for (; j + 4 <= cols; j += 4)
			transpose_quad(y + i * y_step + j, y_step, x + j * x_step + i, x_step);
		for (; j < cols; j++)
			for (size_t k = i; k < i + 4; k++) y[k * y_step + j] = x[j * x_step + k];
	}
	for (; i < rows; i++)
		for (size_t j = 0; j < cols; j++) y[i * y_step + j] = x[j * x_step + i];
}

static size_t edge(size_t size, size_t at)
{
	return size - at < EDGE ? size - at : EDGE;
}

/* x runs along dimension k of y, y along dimension 3; u and v are the other two. */
static void transpose(struct backend *b, const struct axes *s, int k, float *y, const float *x)
{
	int u = k == 0 ? 1 : 0, v = k == 2 ? 1 : 2;
	size_t strips = (s->d[k] + EDGE - 1) / EDGE, total = s->d[u] * s->d[v] * strips;

#pragma omp parallel for if (total * EDGE * s->d[3] >= CPU_ALONE) num_threads(b->threads)
	for (size_t t = 0; t < total; t++) {
		size_t row = t % strips * EDGE, i = t / strips / s->d[v], j = t / strips % s->d[v];
		float *to = y + i * s->to[u] + j * s->to[v] + row * s->to[k];
		const float *from = x + i * s->from[u] + j * s->from[v] + row;
		for (size_t col = 0; col < s->d[3]; col += EDGE)
			transpose_block(to + col, s->to[k], from + col * s->from[3], s->from[3],
					edge(s->d[k], row), edge(s->d[3], col));
	}
}

void cpu_permute(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct axes s = axes_of(y, x[0], a);
	int k = 3;

	while (k > 0 && s.from[k] != 1) k--;
	if (s.from[k] == 1 && k < 3) {
		transpose(b, &s, k, y.p, x[0].p);
		return;
	}
	size_t rows = s.d[0] * s.d[1] * s.d[2], row = s.d[3];
#pragma omp parallel for if (rows * row >= CPU_ALONE) num_threads(b->threads)
	for (size_t i = 0; i < rows; i++) {
		size_t from = i % s.d[2] * s.from[2];
		from += i / s.d[2] % s.d[1] * s.from[1] + i / s.d[2] / s.d[1] * s.from[0];
		memcpy(y.p + i * row, x[0].p + from, row * sizeof *y.p);
	}
}

static bool is_row(float at, int rows)
{
	return at >= 0 && at < (float)rows;
}

void cpu_pick(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t row = (size_t)y.s.d[3];

	(void)a;
#pragma omp parallel for if (shape_count(y.s) >= CPU_ALONE) num_threads(b->threads)
	for (int n = 0; n < y.s.d[0]; n++) {
		float *to = y.p + (size_t)n * row, at = x[1].p[n];
		if (is_row(at, x[0].s.d[0]))
			memcpy(to, x[0].p + (size_t)at * row, row * sizeof *to);
		else for (size_t c = 0; c < row; c++) to[c] = NAN;
	}
}

void cpu_place(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t row = (size_t)y.s.d[3];

	(void)a;
	move_blocks(b, (struct blocks){ y.p, NULL, 0, 0, shape_count(y.s), 1 });
	for (int n = 0; n < x[0].s.d[0]; n++) {
		if (!is_row(x[1].p[n], y.s.d[0])) continue;
		float *restrict to = y.p + (size_t)x[1].p[n] * row;
		const float *from = x[0].p + (size_t)n * row;
		for (size_t c = 0; c < row; c++) to[c] += from[c];
	}
}

void cpu_up2(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t rows = (size_t)x[0].s.d[0] * (size_t)x[0].s.d[1];
	size_t cols = (size_t)x[0].s.d[2], channels = (size_t)x[0].s.d[3];

	(void)a;
#pragma omp parallel for if (shape_count(y.s) >= CPU_ALONE) num_threads(b->threads)
	for (size_t i = 0; i < rows; i++) {
		const float *from = x[0].p + i * cols * channels;
		float *row = y.p + i * 4 * cols * channels, *restrict to = row;
		for (size_t w = 0; w < cols; w++, from += channels, to += 2 * channels)
			for (size_t c = 0; c < channels; c++) to[c] = to[channels + c] = from[c];
		memcpy(row + 2 * cols * channels, row, 2 * cols * channels * sizeof *row);
	}
}
