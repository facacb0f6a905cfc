/* place: where the chunks of a product's operands lie: of images, of weights.  A thread divides
 * where it begins, and then goes from step to step along k by adding. */
#ifndef IC_CUDA_PLACE_H
#define IC_CUDA_PLACE_H

#include "kernels/cuda/tile.h"

/* Which operands have k innermost, so that a chunk is of neighbours in k; else of neighbours in m
 * or n. */
DEVICE int a_along_k(int kind) { return kind != CONV_DW; }
DEVICE int b_along_k(int kind) { return kind == CONV_DX; }

/* What row m of a reads: from the first number of its picture (CONV_DW: of its channel), pixel y, x
 * before a tap, or a pixel, is added. */
struct where { const char *from; int y, x; };

enum { OUTSIDE = -(1 << 30) };               /* a y with which no pixel is inside */

/* What a thread copies of a step.  Chunks along k are of one place in k and several rows of the
 * tile; across it, the other way round. */
struct path {
	struct walk k[COPIES];               /* a along k: [0] is of all */
	struct where m[COPIES];              /* a across k: [0] is of all */
	const char *b;                       /* at k 0 of the step; CONV_DX: of the first tap */
	int n;                               /* of the first chunk of b */
	int left;                            /* of k, from where the step begins */
};

struct from { const char *at; bool inside; };

DEVICE struct where where_of(const struct gemm *g, int kind, int bf16, const char *a, int m,
			     int phase)
{
	int top = g->top + phase / 2 * g->shift, left = g->left + phase % 2 * g->shift;
	struct where w = { a, OUTSIDE, 0 };
	int64_t skip;

	if (m >= g->m) return w;
	if (kind == CONV) {
		skip = (int64_t)(m / (g->P * g->Q)) * (g->H * g->W) * g->Ip;
		w.y = m / g->Q % g->P * g->stride - top;
		w.x = m % g->Q * g->stride - left;
	} else if (kind == CONV_DX) {
		skip = (int64_t)(m / (g->H * g->W)) * (g->P * g->Q) * g->Op;
		w.y = m / g->W % g->H * g->spread + top;
		w.x = m % g->W * g->spread + left;
	} else {
		skip = m % g->Ip;
		w.y = m / g->Ip / g->L - top;
		w.x = m / g->Ip % g->L - left;
	}
	w.from += data_bytes(bf16, (size_t)skip);
	return w;
}

/* The path from k0 to `end`, of the tile at m0, n0; phase: 0 where there are none. */
DEVICE struct path path_of(const struct gemm *g, int kind, int bf16, const char *a, const char *b,
			   int m0, int n0, int k0, int end, int phase)
{
	int along = a_along_k(kind);
	struct path p;

	p.n = n0 + copy_other(b_along_k(kind), bf16, THREAD);
	p.left = end - k0;
	int64_t skip = kind == CONV_DX ? (int64_t)p.n * g->Op : p.n;
	if (kind == CONV) skip += (int64_t)(k0 + copy_k(0, bf16, THREAD)) * g->Op;
	if (kind == CONV_DW) skip += (phase / 2 * (2 * g->Q) + phase % 2) * g->Op;
	p.b = b + data_bytes(bf16, (size_t)skip);
	UNROLL
	for (int j = 0; j < COPIES; j++) {
		int id = THREAD + j * TILE_THREADS;
		p.k[j] = walk_to(&g->whole, k0 + copy_k(along, bf16, id));
		p.m[j] = where_of(g, kind, bf16, a, m0 + copy_other(along, bf16, id), phase);
	}
	return p;
}

DEVICE void walk_on(const struct gemm *g, struct walk *w)
{
	w->inner += g->step.inner;
	w->middle += g->step.middle;
	w->outer += g->step.outer;
	if (w->inner >= g->whole.inner) w->inner -= g->whole.inner, w->middle++;
	if (w->middle >= g->whole.middle) w->middle -= g->whole.middle, w->outer++;
}

/* To the next step. */
DEVICE void path_on(const struct gemm *g, int kind, int bf16, struct path *p)
{
	int depth = step_depth(bf16 ? PRECISION_BF16 : PRECISION_F32);

	UNROLL
	for (int j = 0; j < (a_along_k(kind) ? 1 : COPIES); j++) walk_on(g, &p->k[j]);
	p->left -= depth;
	if (kind == CONV) p->b += data_bytes(bf16, (size_t)depth * (size_t)g->Op);
}

/* n / stride, and whether that is whole; of a negative n, more than any side, or negative. */
DEVICE bool divides(const struct gemm *g, int *n)
{
	unsigned before = (unsigned)*n;
	unsigned after = (unsigned)((uint64_t)before * g->per_stride >> 31);

	*n = (int)after;
	return after * (unsigned)g->stride == before;
}

/* Where chunk j of a begins; *inside: else it is zero. */
DEVICE const char *from_a(const struct gemm *g, int kind, int bf16, const struct path *p, int j,
			  bool *inside)
{
	const struct walk *k = &p->k[a_along_k(kind) ? 0 : j];
	const struct where *m = &p->m[a_along_k(kind) ? j : 0];
	int rows = kind == CONV_DX ? g->P : g->H, cols = kind == CONV_DX ? g->Q : g->W, y, x;
	uint64_t at;

	*inside = copy_k(a_along_k(kind), bf16, THREAD + j * TILE_THREADS) < p->left;
	if (kind == CONV) y = m->y + k->outer, x = m->x + k->middle;
	else if (kind == CONV_DX) y = m->y - k->outer, x = m->x - k->middle;
	else y = m->y + k->middle * g->stride, x = m->x + k->inner * g->stride;
	if (kind == CONV_DX) {
		bool row = divides(g, &y), column = divides(g, &x);
		*inside &= row && column;
	}
	*inside &= (unsigned)y < (unsigned)rows && (unsigned)x < (unsigned)cols;
	unsigned number = (unsigned)y * (unsigned)cols + (unsigned)x;
	if (kind == CONV) at = number * (unsigned)g->Ip + (unsigned)k->inner;
	else if (kind == CONV_DX) at = number * (unsigned)g->Op + (unsigned)k->inner;
	else {
		number += (unsigned)(k->outer * rows * cols);
		at = (uint64_t)number * (unsigned)g->Ip;
	}
	return m->from + data_bytes(bf16, at);
}

/* ... of b. */
DEVICE const char *from_b(const struct gemm *g, int kind, int bf16, const struct path *p, int j,
			  bool *inside)
{
	int along = b_along_k(kind), id = THREAD + j * TILE_THREADS;
	int lines = copy_k(along, bf16, id) - copy_k(along, bf16, THREAD);
	int columns = copy_other(along, bf16, id) - copy_other(along, bf16, THREAD);
	const struct walk *k = &p->k[along ? 0 : j];
	uint64_t at;

	*inside = copy_k(along, bf16, id) < p->left && p->n + columns < g->n;
	if (kind == CONV) at = (uint64_t)lines * (unsigned)g->Op;
	else if (kind == CONV_DX) {
		int tap = k->outer * g->L + k->middle;
		at = (uint64_t)(tap * g->Ip + columns) * (unsigned)g->Op + (unsigned)k->inner;
	} else {
		unsigned row = (unsigned)(k->outer * g->P + k->middle), side = g->phases ? 2 : 1;
		unsigned number = side * (row * side * (unsigned)g->Q + (unsigned)k->inner);
		at = (uint64_t)number * (unsigned)g->Op;
	}
	return p->b + data_bytes(bf16, at);
}

/* The row of c that m is; -1 for a channel that is padding. */
DEVICE int64_t row_of_c(const struct gemm *g, int kind, int m, int phase)
{
	if (kind == CONV_DW)
		return m % g->Ip < g->I ? (int64_t)(m / g->Ip) * g->I + m % g->Ip : -1;
	if (!g->phases) return m;
	int cols = kind == CONV ? g->Q : g->W;
	return ((int64_t)(m / cols) * 2 + phase / 2) * (2 * cols) + m % cols * 2 + phase % 2;
}

#endif
