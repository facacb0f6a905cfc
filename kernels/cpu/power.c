/* power: a step of the power method on a matrix or its transpose, by the products of matmul. */
#include "kernels/cpu/cpu.h"
#include "kernels/power.h"

#include <math.h>

/* v = u op(m) and u1 = v op(m): what matmul is given, and how. */
struct products { struct view m, u, v, u1; struct attr first, second; };

static struct view row_at(float *p, int n)
{
	return (struct view){ .p = p, .s = { { 1, 1, 1, n } } };
}

static struct products products_of(const struct power *p, struct view y, const struct view *x,
	const struct attr *a)
{
	return (struct products){
		.m = { .p = x[0].p, .s = { { 1, 1, p->rows, p->columns } } },
		.u = row_at(x[1].p, p->u), .v = row_at(y.p, p->v),
		.u1 = row_at(y.p + p->u_at, p->u),
		.first = { .i = { 0, !a->i[0] } }, .second = { .i = { 0, a->i[0] } },
	};
}

/* x becomes unit(x), and what follows it up to `end` zeros; the product of both is returned. */
static float unit(float *x, int n, int end, float eps)
{
	double sum = 0, norm;

	for (int i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
	norm = sqrt(sum) < (double)eps ? (double)eps : sqrt(sum);
	for (int i = 0; i < n; i++) x[i] *= (float)(1 / norm);
	for (int i = n; i < end; i++) x[i] = 0;
	return (float)(sum / norm);
}

void cpu_power(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct power p = power_of(x[0].s, a->i[0]);
	struct products m = products_of(&p, y, x, a);

	cpu_matmul(b, m.v, (struct view[]){ m.u, m.m }, &m.first);
	unit(m.v.p, p.v, p.u_at, a->f[0]);
	cpu_matmul(b, m.u1, (struct view[]){ m.v, m.m }, &m.second);
	y.p[p.sigma_at] = unit(m.u1.p, p.u, p.sigma_at - p.u_at, a->f[0]);
}

size_t cpu_power_scratch(struct backend *b, struct view y, const struct view *x,
	const struct attr *a)
{
	struct power p = power_of(x[0].s, a->i[0]);
	struct products m = products_of(&p, y, x, a);
	size_t one = cpu_matmul_scratch(b, m.v, (struct view[]){ m.u, m.m }, &m.first);
	size_t two = cpu_matmul_scratch(b, m.u1, (struct view[]){ m.v, m.m }, &m.second);

	return one > two ? one : two;
}
