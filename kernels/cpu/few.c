/* few: correlation to few outputs, of which a vector would be mostly empty.  z[h][w][(k, l, o)] =
 * x[h][w] taps is one product of K L O columns, and y[p][q][o] the sum over the taps of
 * z[p + k - top][q + l - left][k][l][o]. */
#include "kernels/cpu/conv.h"

#include <omp.h>
#include <string.h>

enum { FEW = 4 };
typedef float four __attribute__((vector_size(4 * FEW), aligned(4), may_alias));

bool few_suits(const struct corr *c)
{
	if (c->stride != 1 || c->step != 1 || c->ends.on) return false;
	return c->t.O <= FEW && c->t.K * c->t.L > 2 && c->t.C >= 8;
}

struct few {
	const struct corr *c;
	struct panels w;
	int rows, strips;                    /* output rows of a strip, strips of an image */
	int z_cols, wide;                    /* pixels of a row of z, floats of a pixel */
	ptrdiff_t z_row;
	float *z;                            /* a strip's, one per thread */
};

static struct few few_plan(const struct corr *c, struct room *r)
{
	struct few f = { .c = c };

	panels_plan(&f.w, r, c->t.C, c->t.K * c->t.L * c->t.O);
	f.wide = panels_first(&f.w, f.w.count) + FEW;    /* sums read FEW floats at the last tap */
	f.z_cols = c->Q + c->t.L - 1;
	f.z_row = (ptrdiff_t)f.z_cols * f.wide;
	f.rows = most(direct_strip(c, sizeof(float) * (size_t)f.z_row), least(c->P, 4 * c->t.K));
	f.strips = ceil_div(c->P, f.rows);
	f.z = conv_take(r, (size_t)c->threads * (size_t)(f.rows + c->t.K - 1) * (size_t)f.z_row);
	return f;
}

static void few_pack(const struct few *f)
{
	const struct taps *t = &f->c->t;
	int columns = t->K * t->L * t->O;

	for (int panel = 0; panel < f->w.count; panel++) {
		int first = panels_first(&f->w, panel), width = panels_width(&f->w, panel);
		float *to = panels_at(&f->w, panel);

		for (int c = 0; c < t->C; c++)
			for (int i = first; i < first + width; i++, to++) {
				int tap = i / t->O;
				ptrdiff_t at = tap / t->L * t->k + tap % t->L * t->l + c * t->c;

				*to = i < columns ? t->w[at + i % t->O * t->o] : 0;
			}
	}
}

/* z of `pixels` pixels of one row of x. */
static void few_product(const struct few *f, const float *x, float *z, int pixels)
{
	int C = f->c->t.C;

	for (int panel = 0; panel < f->w.count; panel++) {
		int first = panels_first(&f->w, panel), width = panels_width(&f->w, panel);
		struct tile t = {
			.b = panels_at(&f->w, panel), .cols = width, .runs = 1, .run = C, .la = 1,
			.lb = width,
		};

		tile_rows(f->w.set, &t, width, pixels, x, C, z + first, f->wide);
	}
}

static void few_sum(const struct few *f, const float *z, float *y)
{
	const struct taps *t = &f->c->t;

	for (int q = 0; q < f->c->Q; q++, z += f->wide, y += t->O) {
		const float *from = z;
		four sum = { 0 };

		for (int k = 0; k < t->K; k++, from += (ptrdiff_t)(f->z_cols - t->L) * f->wide)
			for (int l = 0; l < t->L; l++, from += f->wide + t->O)
				sum += *(const four *)from;
		for (int o = 0; o < t->O; o++) y[o] = sum[o];
	}
}

static void few_strip(const struct few *f, int n, int p)
{
	const struct corr *c = f->c;
	int rows = least(f->rows, c->P - p), h0 = p - c->top;
	int inside = most(0, c->left), pixels = least(f->z_cols, c->W + c->left) - inside;
	float *z = f->z + omp_get_thread_num() * (f->rows + c->t.K - 1) * f->z_row;

	memset(z, 0, sizeof(float) * (size_t)(rows + c->t.K - 1) * (size_t)f->z_row);
	for (int i = 0; i < rows + c->t.K - 1; i++) {
		int h = h0 + i;
		ptrdiff_t at = ((ptrdiff_t)n * c->H + h) * c->W + inside - c->left;

		if (h < 0 || h >= c->H || pixels < 1) continue;
		few_product(f, c->x + at * c->t.C, z + i * f->z_row + inside * f->wide, pixels);
	}
	for (int i = 0; i < rows; i++)
		few_sum(f, z + i * f->z_row, c->y + ((ptrdiff_t)n * c->P + p + i) * c->Q * c->t.O);
}

void few_run(const struct corr *c, struct room *r)
{
	struct few f = few_plan(c, r);
	int items = c->N * f.strips;
	double work = (double)c->N * c->H * c->W * c->t.C * f.wide;

	if (!r->base) return;
	few_pack(&f);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) if (items > 1 && work > 2e5)
	for (int i = 0; i < items; i++) few_strip(&f, i / f.strips, i % f.strips * f.rows);
}
