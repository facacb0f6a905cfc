/* power: how the op of that name sees its matrix and where the parts of its result are. */
#ifndef IC_POWER_H
#define IC_POWER_H

#include "kernels/kernels.h"

/* The next part begins so many numbers after one of n, on 64 bytes of f32. */
#define POWER_ALIGNED(n) (((n) + 15) / 16 * 16)

/* x0 is [rows][columns].  v is at 0 of the result, u at u_at, and sigma, the last number, at
 * sigma_at; between them are zeros. */
struct power { int rows, columns, v, u, u_at, sigma_at; };

/* transposed: u is of the rows and v of the columns, else u of the columns and v of the rows. */
static inline struct power power_of(struct shape x0, bool transposed)
{
	struct power p;

	p.columns = x0.d[3];
	p.rows = x0.d[0] * x0.d[1] * x0.d[2];
	p.v = transposed ? p.columns : p.rows;
	p.u = transposed ? p.rows : p.columns;
	p.u_at = POWER_ALIGNED(p.v);
	p.sigma_at = p.u_at + POWER_ALIGNED(p.u);
	return p;
}

#endif
