/* few: correlation to few outputs.  z[h][w][(k, l, o)] = x[h][w] taps is one product as wide as K L O, and y[p][q][o] is the sum over the taps of
 * z[p + k - top][q + l - left][k][l][o]; a vector of outputs of its own would be mostly empty. */
#include "kernels/cpu/conv.h"

#include <omp.h>
#include <string.h>

enum { FEW = 4 };
typedef float four __attribute__((vector_size(4 * FEW), aligned(4), may_alias));

bool few_suits(const struct corr *c)
{
	return c->t.O <= FEW && c->t.K * c->t.L > 2 && c->t.C >= 8 && c->stride == 1 && c->step == 1;
}

struct few { const struct corr *c; struct panels w; int rows, strips, z_cols, wide; float *z; };

static struct few few_plan(const struct corr *c, struct room *r)
{
	struct few f = { .c = c };

	panels_plan(&f.w, r, c->t.C, c->t.K * c->t.L * c->t.O);
	f.wide = f.w.vecs * f.w.set->lanes + FEW;        /* sums read FEW floats at the last tap */
	f.z_cols = c->Q + c->t.L - 1;
	f.rows = most(direct_strip(c, sizeof(float) * (size_t)f.z_cols * (size_t)f.wide), least(c->P, 4 * c->t.K));
	f.strips = ceil_div(c->P, f.rows);
	f.z = conv_take(r, (size_t)c->threads * (size_t)(f.rows + c->t.K - 1) * (size_t)f.z_cols * (size_t)f.wide);
	return f;
}

static void few_pack(const struct few *f)
{
	const struct taps *t = &f->c->t;
	int per = t->K * t->L * t->O, lanes = f->w.set->lanes;

	for (int panel = 0; panel < f->w.count; panel++) {
		int first = panels_first(&f->w, panel) * lanes, width = panels_first(&f->w, panel + 1) * lanes - first;
		float *to = panels_at(&f->w, panel);

		for (int c = 0; c < t->C; c++)
			for (int i = first; i < first + width; i++, to++) {
				int tap = i / t->O;

				*to = i < per ? t->w[tap / t->L * t->k + tap % t->L * t->l + c * t->c + i % t->O * t->o] : 0;
			}
	}
}

/* z of the pixels [w, w + n) of one row of x. */
static void few_product(const struct few *f, const float *x, float *z, int n)
{
	const struct tile_set *set = f->w.set;
	int C = f->c->t.C;

	for (int panel = 0; panel < f->w.count; panel++) {
		int first = panels_first(&f->w, panel), vecs = panels_first(&f->w, panel + 1) - first, high = set->rows[vecs];
		struct tile t = { .b = panels_at(&f->w, panel), .cols = vecs * set->lanes, .runs = 1, .run = C, .la = 1,
			.lb = vecs * set->lanes };

		for (int at = 0; at < n; at += high) {
			t.rows = least(high, n - at);
			for (int m = 0; m < high; m++) {
				int pixel = at + (m < t.rows ? m : 0);

				t.a[m] = x + (ptrdiff_t)pixel * C;
				t.c[m] = z + (ptrdiff_t)pixel * f->wide + first * set->lanes;
			}
			set->product[vecs](&t);
		}
	}
}

static void few_sum(const struct few *f, const float *z, float *y)
{
	const struct taps *t = &f->c->t;

	for (int q = 0; q < f->c->Q; q++, z += f->wide, y += t->O) {
		const float *from = z;
		four sum = { 0 };

		for (int k = 0; k < t->K; k++, from += (ptrdiff_t)(f->z_cols - t->L) * f->wide)
			for (int l = 0; l < t->L; l++, from += f->wide + t->O) sum += *(const four *)from;
		for (int o = 0; o < t->O; o++) y[o] = sum[o];
	}
}

static void few_strip(const struct few *f, int n, int p)
{
	const struct corr *c = f->c;
	int rows = least(f->rows, c->P - p), h0 = p - c->top;
	int from = most(0, c->left), until = least(f->z_cols, c->W + c->left);   /* columns of z that lie inside x */
	ptrdiff_t z_row = (ptrdiff_t)f->z_cols * f->wide;
	float *z = f->z + omp_get_thread_num() * (f->rows + c->t.K - 1) * z_row;

	memset(z, 0, sizeof(float) * (size_t)(rows + c->t.K - 1) * (size_t)z_row);
	for (int i = 0; i < rows + c->t.K - 1; i++) {
		int h = h0 + i;

		if (h < 0 || h >= c->H || until <= from) continue;
		few_product(f, c->x + (((ptrdiff_t)n * c->H + h) * c->W + from - c->left) * c->t.C,
			z + i * z_row + (ptrdiff_t)from * f->wide, until - from);
	}
	for (int i = 0; i < rows; i++)
		few_sum(f, z + i * z_row, c->y + ((ptrdiff_t)n * c->P + p + i) * c->Q * c->t.O);
}

void few_run(const struct corr *c, struct room *r)
{
	struct few f = few_plan(c, r);

	if (!r->base) return;
	few_pack(&f);
#pragma omp parallel for schedule(dynamic) num_threads(c->threads) \
	if (c->N * f.strips > 1 && (double)c->N * c->P * c->Q * c->t.O * c->t.K * c->t.L * c->t.C > 2e5)
	for (int i = 0; i < c->N * f.strips; i++) few_strip(&f, i / f.strips, i % f.strips * f.rows);
}
