/* adam: the optimiser and weighted sums, over pieces of flat buffers: as many as fit into the
 * arguments of a kernel in one launch. */
#include "kernels/cuda/cuda.h"

enum { EACH = 4, PER_BLOCK = THREADS * EACH, PIECES = 128 };

/* Blocks from `first` on have piece i. */
struct pieces { int n; unsigned first[PIECES]; struct piece at[PIECES]; };
struct adam { const float *w; float *m, *v; struct adam_rates r; struct pieces p; };
struct mix { float a, c; struct pieces p; };

DEVICE size_t first_element(const struct pieces *p, int piece)
{
	return (size_t)(BLOCK_X - (int)p->first[piece]) * PER_BLOCK + (size_t)THREAD;
}

KERNEL(adam_pieces, struct adam)
{
	int piece = job_of(a.p.first, a.p.n);
	struct piece p = a.p.at[piece];
	float *mean = a.m + (p.y - a.w), *square = a.v + (p.y - a.w);
	size_t i = first_element(&a.p, piece);

	for (int k = 0; k < EACH && i < p.n; k++, i += THREADS) {
		float g = p.x[i];
		float m = a.r.beta1 * mean[i] + (1 - a.r.beta1) * g;
		float v = a.r.beta2 * square[i] + (1 - a.r.beta2) * g * g;
		mean[i] = m;
		square[i] = v;
		p.y[i] -= a.r.rate * m / (sqrtf(v) * a.r.root + a.r.eps);
	}
}

KERNEL(mix_pieces, struct mix)
{
	int piece = job_of(a.p.first, a.p.n);
	struct piece p = a.p.at[piece];
	size_t i = first_element(&a.p, piece);

	for (int k = 0; k < EACH && i < p.n; k++, i += THREADS)
		p.y[i] = (a.a != 0 ? a.a * p.y[i] : 0) + a.c * p.x[i];
}

/* Takes up to PIECES of n, empty ones left out; the blocks they need, 0 for none. */
static unsigned take_pieces(struct pieces *p, const struct piece **at, int *n)
{
	unsigned blocks = 0;

	for (p->n = 0; *n && p->n < PIECES; ++*at, --*n) {
		if (!(*at)->n) continue;
		p->first[p->n] = blocks;
		p->at[p->n++] = **at;
		blocks += (unsigned)blocks_for((*at)->n, PER_BLOCK);
	}
	return blocks;
}

static void adam(struct backend *b, int n, const struct piece *at, real *w, real *m, real *v,
		 const struct adam_rates *r)
{
	struct adam a;
	unsigned blocks;

	a.w = w;
	a.m = m;
	a.v = v;
	a.r = *r;
	while ((blocks = take_pieces(&a.p, &at, &n))) LAUNCH(b, adam_pieces, blocks, 1, 1, a);
}

static void mix(struct backend *b, int n, const struct piece *at, real x, real c)
{
	struct mix m;
	unsigned blocks;

	m.a = x;
	m.c = c;
	while ((blocks = take_pieces(&m.p, &at, &n))) LAUNCH(b, mix_pieces, blocks, 1, 1, m);
}

void cuda_adam_fill(struct backend *b)
{
	b->adam = adam;
	b->mix = mix;
}
