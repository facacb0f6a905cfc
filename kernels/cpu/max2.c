/* max2: picking and placing by the first largest of each 2x2 block; a NaN is above numbers. */
#include "kernels/cpu/cpu.h"

#include <string.h>


/* Of a later x and the largest so far: yes when x is larger.  Written as selections, which become
 * vectors. */
static inline float if_larger(float x, float most, float yes, float no)
{
	float v = x > most ? yes : no;

	v = x != x ? yes : v;
	return most != most ? no : v;
}

/* Two rows of x, or of what is picked along with it; the blocks follow each other in both. */
struct pair { const float *top, *low; };

/* Everything is loaded first: a load that depends on a comparison is not vectorised. */
static void pick_block(float *restrict y, struct pair x, struct pair z, size_t n)
{
	for (size_t i = 0, j = n; i < n; i++, j++) {
		float x0 = x.top[i], x1 = x.top[j], x2 = x.low[i], x3 = x.low[j];
		float z0 = z.top[i], z1 = z.top[j], z2 = z.low[i], z3 = z.low[j];
		float most1 = if_larger(x1, x0, x1, x0), v1 = if_larger(x1, x0, z1, z0);
		float most2 = if_larger(x2, most1, x2, most1), v2 = if_larger(x2, most1, z2, v1);
		y[i] = if_larger(x3, most2, z3, v2);
	}
}

static void place_block(float *restrict top, float *restrict low, struct pair x, const float *g,
			size_t n)
{
	for (size_t i = 0, j = n; i < n; i++, j++) {
		float x0 = x.top[i], x1 = x.top[j], x2 = x.low[i], x3 = x.low[j], v = g[i];
		float most1 = if_larger(x1, x0, x1, x0), which1 = if_larger(x1, x0, 1, 0);
		float most2 = if_larger(x2, most1, x2, most1);
		float which2 = if_larger(x2, most1, 2, which1);
		float which = if_larger(x3, most2, 3, which2);
		top[i] = which == 0 ? v : 0;
		top[j] = which == 1 ? v : 0;
		low[i] = which == 2 ? v : 0;
		low[j] = which == 3 ? v : 0;
	}
}

static struct pair pair_at(struct pair p, size_t skip)
{
	return (struct pair){ p.top + skip, p.low + skip };
}

void cpu_max2_pick(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t high = (size_t)x[0].s.d[1], row = (size_t)x[0].s.d[2] * (size_t)x[0].s.d[3];
	size_t rows = (size_t)y.s.d[1], all = (size_t)y.s.d[0] * rows;
	size_t n = (size_t)y.s.d[3], to = (size_t)y.s.d[2] * n;

	(void)a;
#pragma omp parallel for if (all * row >= CPU_ALONE) num_threads(b->threads)
	for (size_t i = 0; i < all; i++) {
		size_t at = (i / rows * high + 2 * (i % rows)) * row;
		struct pair by = { x[0].p + at, x[0].p + at + row };
		struct pair from = { x[1].p + at, x[1].p + at + row };
		for (size_t w = 0; w < to; w += n)
			pick_block(y.p + i * to + w, pair_at(by, 2 * w), pair_at(from, 2 * w), n);
	}
}

/* An odd last row or column is in no block: zeros. */
void cpu_max2_place(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	const int *d = x[1].s.d;
	size_t high = (size_t)y.s.d[1], row = (size_t)y.s.d[2] * (size_t)y.s.d[3];
	size_t rows = (size_t)d[1], all = (size_t)d[0] * rows;
	size_t n = (size_t)d[3], from = (size_t)d[2] * n, inside = 2 * from;

	(void)a;
#pragma omp parallel for if (all * row >= CPU_ALONE) num_threads(b->threads)
	for (size_t i = 0; i < all; i++) {
		size_t at = (i / rows * high + 2 * (i % rows)) * row;
		struct pair by = { x[0].p + at, x[0].p + at + row };
		float *top = y.p + at, *low = top + row;
		for (size_t w = 0; w < from; w += n)
			place_block(top + 2 * w, low + 2 * w, pair_at(by, 2 * w),
				    x[1].p + i * from + w, n);
		memset(top + inside, 0, (row - inside) * sizeof *top);
		memset(low + inside, 0, (row - inside) * sizeof *low);
		if (high % 2 && i % rows == rows - 1) memset(low + row, 0, row * sizeof *low);
	}
}
