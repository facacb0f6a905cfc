/* adam: the optimiser and weighted sums, over flat buffers. */
#include "kernels/cuda/cuda.h"

enum { EACH = 4 };

struct adam { size_t n; const float *g; float *w, *m, *v; struct adam_rates r; };
struct mix { size_t n; float *y; const float *x; float a, b; };

KERNEL(adam_each, struct adam)
{
	size_t i = (size_t)BLOCK_X * THREADS * EACH + (size_t)THREAD;

	for (int k = 0; k < EACH && i < a.n; k++, i += THREADS) {
		float g = a.g[i];
		float m = a.r.beta1 * a.m[i] + (1 - a.r.beta1) * g;
		float v = a.r.beta2 * a.v[i] + (1 - a.r.beta2) * g * g;
		a.m[i] = m;
		a.v[i] = v;
		a.w[i] -= a.r.rate * m / (sqrtf(v) * a.r.root + a.r.eps);
	}
}

KERNEL(mix_each, struct mix)
{
	size_t i = (size_t)BLOCK_X * THREADS * EACH + (size_t)THREAD;

	for (int k = 0; k < EACH && i < a.n; k++, i += THREADS)
		a.y[i] = (a.a != 0 ? a.a * a.y[i] : 0) + a.b * a.x[i];
}

static void adam(struct backend *b, size_t n, const real *g, real *w, real *m, real *v,
		 const struct adam_rates *r)
{
	struct adam a = { n, g, w, m, v, *r };

	LAUNCH(b, adam_each, blocks_for(n, THREADS * EACH), 1, 1, a);
}

static void mix(struct backend *b, size_t n, real *y, real a, const real *x, real c)
{
	struct mix m = { n, y, x, a, c };

	LAUNCH(b, mix_each, blocks_for(n, THREADS * EACH), 1, 1, m);
}

void cuda_adam_fill(struct backend *b)
{
	b->adam = adam;
	b->mix = mix;
}
