/* influence: phi(x) = 2 (m - m').(x - m) + (x - m)^T (I - T) (x - m), the derivative of
 * |m - m'|^2 + tr S + tr S' - 2 tr (S S')^(1/2) by the weight of x, with the optimal transport
 * T = S'^(1/2) (S'^(1/2) S S'^(1/2))^(-1/2) S'^(1/2).
 *
 * Any factors S = A A^T, S' = B B^T do: T = B (K K^T)^(-1/2) B^T with K = B^T A, and with the
 * eigenvectors u_i and eigenvalues w_i of K K^T, T = sum g_i g_i^T, g_i = w_i^(-1/4) B u_i.
 * Directions that K loses are left out. */
#include "lib/stat/influence.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/say.h"
#include "lib/stat/frechet.h"
#include "lib/stat/pair.h"
#include "lib/stat/tiles.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512, BAND = 64 };

/* A factor [d][rank] of cov, which is kept. */
static double *factor_of(int d, const double *cov, int *rank)
{
	size_t count = (size_t)d * (size_t)d;
	double *copy = mem_big(count, sizeof *copy, "a covariance");
	double *f = NULL;

	if (copy) {
		memcpy(copy, cov, count * sizeof *copy);
		f = frechet_factor(d, copy, rank);
	}
	free(copy);
	return f;
}

/* Factors a[d][m] and b[d][n], K[n][m], the eigenvectors u[n][n] and eigenvalues w[n] of K K^T,
 * and g[n][d]. */
struct transport { int d, m, n; double *a, *b, *k, *u, *w, *g; };

/* Rows g_i; 0 where w_i, ascending, is rounding. */
static void scaled_vectors(const struct transport *t)
{
	double floor = t->n * DBL_EPSILON * t->w[t->n - 1];

	blas_dgemm(false, true, t->n, t->d, t->n, 1, t->u, t->n, t->b, t->n, 0, t->g, t->d);
	for (int i = 0; i < t->n; i++) {
		double by = t->w[i] > floor ? 1 / sqrt(sqrt(t->w[i])) : 0;
		for (int j = 0; j < t->d; j++) t->g[(size_t)i * (size_t)t->d + (size_t)j] *= by;
	}
}

/* form[d][d] = I - T */
static int find_form(const struct transport *t, double *form)
{
	size_t d = (size_t)t->d;

	memset(form, 0, d * d * sizeof *form);
	if (t->m && t->n) {
		blas_dgemm(true, false, t->n, t->m, t->d, 1, t->b, t->n, t->a, t->m, 0, t->k, t->m);
		blas_dgemm(false, true, t->n, t->n, t->m, 1, t->k, t->m, t->k, t->m, 0, t->u, t->n);
		int info = lapack_eigh(t->n, t->u, t->w);
		if (info)
			return fail("%d eigenvalues: LAPACK failed (%d)", t->n, info);
		scaled_vectors(t);
		blas_dsyrk(t->d, t->n, -1, t->g, t->d, form, t->d);
	}
	for (size_t i = 0; i < d; i++) {
		for (size_t j = 0; j < i; j++) form[i * d + j] = form[j * d + i];
		form[i * d + i] += 1;
	}
	return 0;
}

static int form_of(int d, const double *cov, const double *other_cov, double *form)
{
	size_t count = (size_t)d * (size_t)d;
	struct transport t = { .d = d, .w = mem_new((size_t)d, sizeof *t.w) };
	int bad = -1;

	t.a = factor_of(d, cov, &t.m);
	t.b = t.a ? factor_of(d, other_cov, &t.n) : NULL;
	t.k = t.b ? mem_big(count, sizeof *t.k, "a product of factors") : NULL;
	t.u = t.k ? mem_big(count, sizeof *t.u, "eigenvectors") : NULL;
	t.g = t.u ? mem_big(count, sizeof *t.g, "a transport") : NULL;
	if (t.g) bad = find_form(&t, form);
	free(t.a);
	free(t.b);
	free(t.k);
	free(t.u);
	free(t.w);
	free(t.g);
	return bad;
}

int influence_open(struct influence *f, int d, const double *mean, const double *cov,
	const double *other_mean, const double *other_cov)
{
	size_t size = (size_t)d;

	*f = (struct influence){ .width = d, .mean = mem_new(size, sizeof *f->mean),
		.pull = mem_new(size, sizeof *f->pull),
		.form = mem_big(size * size, sizeof *f->form, "a transport") };
	for (size_t i = 0; i < size; i++) {
		f->mean[i] = mean[i];
		f->pull[i] = 2 * (mean[i] - other_mean[i]);
	}
	if (f->form && !form_of(d, cov, other_cov, f->form)) return 0;
	influence_close(f);
	return -1;
}

void influence_close(struct influence *f)
{
	free(f->mean);
	free(f->pull);
	free(f->form);
	*f = (struct influence){ 0 };
}

struct work { const struct influence *f; double *x, *y, *phi; int n; };

/* phi = (x - m).(2 (m - m') + (I - T) (x - m)) */
static void phi_band(void *ctx, int64_t band, int worker)
{
	struct work *w = ctx;
	int d = w->f->width, at = (int)band * BAND, n = w->n - at < BAND ? w->n - at : BAND;
	double *x = w->x + (size_t)at * (size_t)d, *y = w->y + (size_t)at * (size_t)d;

	(void)worker;
	for (int i = 0; i < n; i++)
		for (int j = 0; j < d; j++) x[(size_t)i * (size_t)d + (size_t)j] -= w->f->mean[j];
	blas_dgemm(false, false, n, d, d, 1, x, d, w->f->form, d, 0, y, d);
	for (int i = 0; i < n; i++, x += d, y += d)
		w->phi[at + i] = pair_dot(x, w->f->pull, d) + pair_dot(x, y, d);
}

int influence_rows(const struct influence *f, const struct knn_set *rows, double *phi)
{
	size_t block = (size_t)f->width * BLOCK;
	float *room = mem_big(block, sizeof *room, "a block of rows");
	struct work w = { .f = f, .x = mem_big(block, sizeof *w.x, "a block of rows"),
		.y = mem_big(block, sizeof *w.y, "a block of rows") };
	int bad = room && w.x && w.y ? 0 : -1;

	for (int64_t i = 0; i < rows->count && !bad; i += BLOCK) {
		w.n = rows->count - i < BLOCK ? (int)(rows->count - i) : BLOCK;
		w.phi = phi + i;
		bad = stop_check() || tiles_read(rows, i, w.n, room, w.x) ? -1 : 0;
		if (!bad) par_for((w.n + BAND - 1) / BAND, &w, phi_band);
		progress("standard error", i, rows->count, "%s", "");
	}
	free(room);
	free(w.x);
	free(w.y);
	return bad;
}

int influence_variance(const struct influence *f, const struct knn_set *rows, double *variance)
{
	double n = (double)rows->count, mean = 0, square = 0;
	double *phi = mem_new((size_t)rows->count, sizeof *phi);
	int bad = influence_rows(f, rows, phi);

	for (int64_t i = 0; i < rows->count; i++) mean += phi[i] / n;
	for (int64_t i = 0; i < rows->count; i++) square += (phi[i] - mean) * (phi[i] - mean);
	*variance = square / (n - 1) / n;
	free(phi);
	return bad;
}
