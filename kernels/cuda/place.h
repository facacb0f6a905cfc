/* place: where the chunks of a product's operands lie: of images, of weights. */
#ifndef IC_CUDA_PLACE_H
#define IC_CUDA_PLACE_H

#include "kernels/cuda/gemm.h"

/* Which operands have k innermost, so that a chunk is of neighbours in k; else of neighbours in m
 * or n. */
DEVICE int a_along_k(int kind) { return kind != CONV_DW; }
DEVICE int b_along_k(int kind) { return kind == CONV_DX; }

/* A place along m: a pixel before the tap is added, or a tap and its channel n; n -1: outside. */
struct where { int n, y, x; };

DEVICE struct where where_of(const struct gemm *g, int kind, int m)
{
	struct where w = { -1, 0, 0 };

	if (m >= g->m) return w;
	if (kind == CONV) {
		w.n = m / (g->P * g->Q);
		w.y = m / g->Q % g->P * g->stride - g->top;
		w.x = m % g->Q * g->stride - g->left;
	} else if (kind == CONV_DX) {
		w.n = m / (g->H * g->W);
		w.y = m / g->W % g->H + g->top;
		w.x = m % g->W + g->left;
	} else {
		w.n = m % g->Ip;
		w.y = m / g->Ip / g->L - g->top;
		w.x = m / g->Ip % g->L - g->left;
	}
	return w;
}

DEVICE unsigned divided(unsigned n, struct divisor d)
{
	return (high_word(n, d.mul) + n) >> d.shift;
}

/* A place along k: channel c of tap y, x; or pixel y, x of picture c. */
struct walk { int k, c, y, x; };

/* inner, outer: channels and L, or Q and P. */
DEVICE struct walk walk_to(const struct gemm *g, int kind, int k)
{
	unsigned first = divided((unsigned)k, g->inner), second = divided(first, g->outer);
	int low = k - (int)(first * g->inner.d), middle = (int)(first - second * g->outer.d);
	struct walk w = { k, low, (int)second, middle };

	if (kind == CONV_DW) w.c = (int)second, w.y = middle, w.x = low;
	return w;
}

/* Pixel y, x of picture n in rows of `padded`, of an image that may be given at half its side; -1
 * where it is outside. */
DEVICE int64_t pixel(int n, int y, int x, int rows, int cols, int half)
{
	if (y < 0 || y >= rows || x < 0 || x >= cols) return -1;
	return ((int64_t)n * (rows >> half) + (y >> half)) * (cols >> half) + (x >> half);
}

/* The element of a where the chunk of m, k begins; -1 where it is zero. */
DEVICE int64_t at_a(const struct gemm *g, int kind, struct where m, struct walk k)
{
	int y = kind == CONV_DX ? m.y - k.y : m.y + k.y;
	int x = kind == CONV_DX ? m.x - k.x : m.x + k.x;
	int64_t at;

	if (kind == CONV) {
		at = pixel(m.n, y, x, g->H, g->W, g->half_a);
		return at < 0 ? -1 : at * g->Ip + k.c;
	}
	if (kind == CONV_DW) {
		at = pixel(k.c, k.y * g->stride + m.y, k.x * g->stride + m.x, g->H, g->W,
			   g->half_a);
		return at < 0 ? -1 : at * g->Ip + m.n;
	}
	if (g->stride > 1) {
		if (y < 0 || x < 0 || y % g->stride || x % g->stride) return -1;
		y /= g->stride, x /= g->stride;
	}
	at = pixel(m.n, y, x, g->P, g->Q, g->half_a);
	return at < 0 ? -1 : at * g->Op + k.c;
}

/* ... of b, of n, k, which are inside. */
DEVICE int64_t at_b(const struct gemm *g, int kind, struct walk k, int n)
{
	if (kind == CONV_DX) return (((int64_t)k.y * g->L + k.x) * g->Ip + n) * g->Op + k.c;
	if (kind == CONV_DW && g->half_b)
		return pixel(k.c, k.y, k.x, g->P, g->Q, 1) * g->Op + n;
	return (int64_t)k.k * g->Op + n;
}

/* The row of c that m is; -1 for a channel that is padding. */
DEVICE int64_t row_of_c(const struct gemm *g, int kind, int m)
{
	if (kind != CONV_DW) return m;
	return m % g->Ip < g->I ? (int64_t)(m / g->Ip) * g->I + m % g->Ip : -1;
}

#endif
