/* ref/attention: attention, softmax(q k^T) v over the last two dimensions, and its gradients.  With
 * p = softmax(q k^T) and g the gradient of y = p v:
 *	dv = p^T g,  ds = p (g v^T - sum over columns of p g v^T),  dq = ds k,  dk = ds^T q */
#include "kernels/ref/ref.h"

#include <math.h>
#include <stdbool.h>

/* One of q[m][d], k[t][d], v[t][e]. */
struct one { int m, t, d, e; const real *q, *k, *v; };

static struct one one_of(const struct view *x, int n, int h)
{
	return (struct one){
		x[0].s.d[2], x[1].s.d[2], x[0].s.d[3], x[2].s.d[3],
		x[0].p + ref_at(x[0].s, n, h, 0, 0), x[1].p + ref_at(x[1].s, n, h, 0, 0),
		x[2].p + ref_at(x[2].s, n, h, 0, 0),
	};
}

/* y[m][n] = a[m][k] b[k][n]; ta: a is stored [k][m] */
static void times(real *y, const double *a, bool ta, const real *b, int m, int n, int k)
{
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++) {
			double sum = 0;
			for (int l = 0; l < k; l++)
				sum += a[ta ? l * m + i : i * k + l] * (double)b[l * n + j];
			*y++ = (real)sum;
		}
}

/* y[m][n] = a[m][k] b[n][k]^T */
static void inner(double *y, const real *a, const real *b, int m, int n, int k)
{
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++) {
			double sum = 0;
			for (int l = 0; l < k; l++)
				sum += (double)a[i * k + l] * (double)b[j * k + l];
			*y++ = sum;
		}
}

/* p[m][t] = softmax(q k^T) */
static void weights(double *p, const struct one *o)
{
	inner(p, o->q, o->k, o->m, o->t, o->d);
	for (int i = 0; i < o->m; i++, p += o->t) {
		double most = p[0], sum = 0;
		for (int j = 1; j < o->t; j++) most = p[j] > most ? p[j] : most;
		for (int j = 0; j < o->t; j++) sum += p[j] = exp(p[j] - most);
		for (int j = 0; j < o->t; j++) p[j] /= sum;
	}
}

void ref_attention(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct shape each = { { y.s.d[0], y.s.d[1], 1, 1 } };

	(void)a;
	REF_EACH(each) {
		struct one o = one_of(x, n, h);
		weights(b->work, &o);
		times(y.p + ref_at(y.s, n, h, w, c), b->work, false, o.v, o.m, o.e, o.t);
	}
}

size_t ref_attention_scratch(struct backend *b, struct view y, const struct view *x,
	const struct attr *a)
{
	(void)b, (void)y, (void)a;
	return (size_t)x[0].s.d[2] * (size_t)x[1].s.d[2] * sizeof(double);
}

/* ds[m][t] of p and g v^T, in place of the latter */
static void scores_back(double *ds, const double *p, const struct one *o)
{
	for (int i = 0; i < o->m; i++, p += o->t, ds += o->t) {
		double sum = 0;
		for (int j = 0; j < o->t; j++) sum += p[j] * ds[j];
		for (int j = 0; j < o->t; j++) ds[j] = p[j] * (ds[j] - sum);
	}
}

void ref_attention_back(struct backend *b, struct view y, const struct view *x,
	const struct attr *a)
{
	struct shape each = { { x[0].s.d[0], x[0].s.d[1], 1, 1 } };
	real *dq = y.p, *dk = dq + shape_count(x[0].s), *dv = dk + shape_count(x[1].s);

	(void)a;
	REF_EACH(each) {
		struct one o = one_of(x, n, h);
		const real *g = x[3].p + ref_at(x[3].s, n, h, w, c);
		double *p = b->work, *ds = p + o.m * o.t;
		weights(p, &o);
		inner(ds, g, o.v, o.m, o.t, o.e);
		scores_back(ds, p, &o);
		times(dq + ref_at(x[0].s, n, h, w, c), ds, false, o.k, o.m, o.d, o.t);
		times(dk + ref_at(x[1].s, n, h, w, c), ds, true, o.q, o.t, o.d, o.m);
		times(dv + ref_at(x[2].s, n, h, w, c), p, true, g, o.t, o.e, o.m);
	}
}

size_t ref_attention_back_scratch(struct backend *b, struct view y, const struct view *x,
	const struct attr *a)
{
	return 2 * ref_attention_scratch(b, y, x, a);
}
