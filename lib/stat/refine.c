/* refine: of x = H_x + L_x + e_x, H_x = step_x high_x, L_x = step_x low_x / 256, |e_x| <= last_x,
 * |L_x + e_x| <= rest_x, and of y alike, what the products leave out is at most
 *   first half   x.y - (H_x + L_x).H_y = (x - e_x).(y - H_y) + e_x.y
 *                <= (norm_x + last_x) rest_y + last_x norm_y
 *   both         x.y - (H_x + L_x).H_y - H_x.L_y = L_x.L_y + (x - e_x).e_y + e_x.y
 *                <= (rest_x + last_x) (rest_y + last_y) + (norm_x + last_x) last_y
 *                   + last_x norm_y */
#include "lib/stat/refine.h"
#include "lib/base/fail.h"

struct sides { const struct quant *x, *y; const float *x_bar, *y_bar; };

/* Drops the hits that reach no bar. */
static int keep(const struct sides *s, struct hit *hit, int n)
{
	int kept = 0;

	for (int h = 0; h < n; h++) {
		struct hit one = hit[h];
		float most = (float)(one.dot + one.slack);
		one.left &= most + s->y->bias[one.j] >= s->x_bar[one.i];
		one.right &= most + s->x->bias[one.i] >= s->y_bar[one.j];
		hit[kept] = one;
		kept += one.left | one.right;
	}
	return kept;
}

static int first_half(const struct near_set *near, const struct sides *s, struct hit *hit, int n)
{
	const struct quant *x = s->x, *y = s->y;
	struct near_pair pair[REFINE_MOST];

	for (int h = 0; h < n; h++)
		pair[h] = (struct near_pair){ .low = quant_low(x, hit[h].i),
			.high = quant_high(y, hit[h].j), .sum = y->sum[hit[h].j] };
	near->dots(pair, n, x->wide);
	for (int h = 0; h < n; h++) {
		int i = hit[h].i, j = hit[h].j;
		hit[h].dot = (hit[h].dot + pair[h].dot * (1. / NEAR_LOW)) *
			((double)x->step[i] * (double)y->step[j]);
		hit[h].slack = (double)((x->norm[i] + x->last[i]) * y->rest[j] +
			x->last[i] * y->norm[j]);
	}
	return keep(s, hit, n);
}

static int other_half(const struct near_set *near, const struct sides *s, struct hit *hit, int n)
{
	const struct quant *x = s->x, *y = s->y;
	struct near_pair pair[REFINE_MOST];

	for (int h = 0; h < n; h++)
		pair[h] = (struct near_pair){ .low = quant_low(y, hit[h].j),
			.high = quant_high(x, hit[h].i), .sum = x->sum[hit[h].i] };
	near->dots(pair, n, x->wide);
	for (int h = 0; h < n; h++) {
		int i = hit[h].i, j = hit[h].j;
		hit[h].dot += pair[h].dot *
			((double)x->step[i] * (double)y->step[j] * (1. / NEAR_LOW));
		hit[h].slack = (double)((x->rest[i] + x->last[i]) * (y->rest[j] + y->last[j]) +
			(x->norm[i] + x->last[i]) * y->last[j] + x->last[i] * y->norm[j]);
	}
	return keep(s, hit, n);
}

int refine(const struct near_set *near, const struct quant *x, const float *x_bar,
	const struct quant *y, const float *y_bar, struct hit *hit, int n,
	struct knn_effort *effort)
{
	struct sides s = { x, y, x_bar, y_bar };

	must(n <= REFINE_MOST);
	effort->halved += n;
	n = first_half(near, &s, hit, n);
	effort->refined += n;
	return other_half(near, &s, hit, n);
}
