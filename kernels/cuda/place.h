/* place: where the operands of a product lie: a[m,k] of matrices and of pictures, b[k,n]. */
#ifndef IC_CUDA_PLACE_H
#define IC_CUDA_PLACE_H

#include "kernels/cuda/gemm.h"

DEVICE int a_along_m(int kind)
{
	return kind == MATMUL_TA || kind == MATMUL_TAB || kind == CONV_DW;
}

DEVICE int b_along_k(int kind)
{
	return kind == MATMUL_TB || kind == MATMUL_TAB || kind == CONV_DX;
}

/* A place along m: a pixel before the tap is added, or a tap and its channel. */
struct where { int n, y, x, m; };

DEVICE struct where where_of(const struct gemm *g, int kind, int m)
{
	struct where w = { 0, 0, 0, m };

	if (kind == CONV) {
		w.n = m / (g->P * g->Q);
		w.y = m / g->Q % g->P * g->stride - g->top;
		w.x = m % g->Q * g->stride - g->left;
	} else if (kind == CONV_DX) {
		w.n = m / (g->H * g->W);
		w.y = m / g->W % g->H + g->top;
		w.x = m % g->W + g->left;
	} else if (kind == CONV_DW) {
		w.n = m % g->I;
		w.y = m / g->I / g->L - g->top;
		w.x = m / g->I % g->L - g->left;
	}
	return w;
}

/* A place along k: a tap and its channel c, or a pixel of picture c. */
struct walk { int k, c, y, x; };

DEVICE struct walk walk_to(const struct gemm *g, int kind, int k)
{
	struct walk w = { k, 0, 0, 0 };

	if (kind == CONV || kind == CONV_DX) {
		int channels = kind == CONV ? g->I : g->O;
		w.c = k % channels;
		w.y = k / channels / g->L;
		w.x = k / channels % g->L;
	} else if (kind == CONV_DW) {
		w.c = k / (g->P * g->Q);
		w.y = k / g->Q % g->P;
		w.x = k % g->Q;
	}
	return w;
}

DEVICE void walk_on(const struct gemm *g, int kind, struct walk *w)
{
	w->k += DEPTH;
	if (kind == CONV || kind == CONV_DX) {
		int channels = kind == CONV ? g->I : g->O;
		for (w->c += DEPTH; w->c >= channels; w->c -= channels)
			if (++w->x == g->L) w->x = 0, w->y++;
	} else if (kind == CONV_DW) {
		for (w->x += DEPTH; w->x >= g->Q; w->x -= g->Q)
			if (++w->y == g->P) w->y = 0, w->c++;
	}
}

DEVICE int inside(int y, int x, int rows, int cols)
{
	return y >= 0 && y < rows && x >= 0 && x < cols;
}

/* Where a[m,k] is; NULL where it is zero. */
DEVICE const float *at_a(const struct gemm *g, int kind, const float *a, struct where m,
			 struct walk k)
{
	int y, x;

	switch (kind) {
	case CONV:
		y = m.y + k.y, x = m.x + k.x;
		if (!inside(y, x, g->H, g->W)) return NULL;
		return a + (((size_t)m.n * g->H + y) * g->W + x) * g->I + k.c;
	case CONV_DX:
		y = m.y - k.y, x = m.x - k.x;
		if (y < 0 || x < 0 || y % g->stride || x % g->stride) return NULL;
		y /= g->stride, x /= g->stride;
		if (!inside(y, x, g->P, g->Q)) return NULL;
		return a + (((size_t)m.n * g->P + y) * g->Q + x) * g->O + k.c;
	case CONV_DW:
		y = k.y * g->stride + m.y, x = k.x * g->stride + m.x;
		if (!inside(y, x, g->H, g->W)) return NULL;
		return a + (((size_t)k.c * g->H + y) * g->W + x) * g->I + m.n;
	case MATMUL_TA: case MATMUL_TAB: return a + (size_t)k.k * g->lda + m.m;
	default: return a + (size_t)m.m * g->lda + k.k;
	}
}

DEVICE const float *at_b(const struct gemm *g, int kind, const float *b, struct walk k, int n)
{
	switch (kind) {
	case CONV_DX: return b + (((size_t)k.y * g->L + k.x) * g->I + n) * g->O + k.c;
	case MATMUL_TB: case MATMUL_TAB: return b + (size_t)n * g->ldb + k.k;
	default: return b + (size_t)k.k * g->ldb + n;
	}
}

#endif
