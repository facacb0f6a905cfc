/* ref/move: ops that only move numbers, and the adjoint of picking rows. */
#include "kernels/ref/ref.h"

#include <math.h>
#include <stdbool.h>

void ref_slice(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	int from[4] = { 0 };
	size_t i = 0;

	(void)b;
	from[a->i[0]] = a->i[1];
	REF_EACH(y.s) {
		size_t at = ref_at(x[0].s, n + from[0], h + from[1], w + from[2], c + from[3]);
		y.p[i++] = x[0].p[at];
	}
}

void ref_pad(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	int axis = a->i[0], before = a->i[1];
	size_t i = 0;

	(void)b;
	REF_EACH(y.s) {
		int at[4] = { n, h, w, c };
		at[axis] -= before;
		bool zero = at[axis] < 0 || at[axis] >= x[0].s.d[axis];
		y.p[i++] = zero ? 0 : x[0].p[ref_at(x[0].s, at[0], at[1], at[2], at[3])];
	}
}

void ref_concat(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	int axis = a->i[0], first = x[0].s.d[axis];
	size_t i = 0;

	(void)b;
	REF_EACH(y.s) {
		int at[4] = { n, h, w, c };
		const struct view *from = at[axis] < first ? &x[0] : &x[1];
		if (from == &x[1]) at[axis] -= first;
		y.p[i++] = from->p[ref_at(from->s, at[0], at[1], at[2], at[3])];
	}
}

void ref_permute(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t i = 0;

	(void)b;
	REF_EACH(y.s) {
		int to[4] = { n, h, w, c }, at[4];
		for (int k = 0; k < 4; k++) at[a->i[k]] = to[k];
		y.p[i++] = x[0].p[ref_at(x[0].s, at[0], at[1], at[2], at[3])];
	}
}

void ref_pick(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t i = 0;

	(void)b, (void)a;
	REF_EACH(y.s) {
		real row = x[1].p[n];
		bool known = row >= 0 && row < (real)x[0].s.d[0];
		y.p[i++] = known ? x[0].p[ref_at(x[0].s, (int)row, h, w, c)] : (real)NAN;
	}
}

void ref_place(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t i = 0;

	(void)b, (void)a;
	REF_EACH(y.s) {
		double sum = 0;
		for (int from = 0; from < x[0].s.d[0]; from++) {
			real row = x[1].p[from];
			if (row >= 0 && row < (real)y.s.d[0] && (int)row == n)
				sum += (double)x[0].p[ref_at(x[0].s, from, h, w, c)];
		}
		y.p[i++] = (real)sum;
	}
}

void ref_up2(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t i = 0;

	(void)b, (void)a;
	REF_EACH(y.s) y.p[i++] = x[0].p[ref_at(x[0].s, n, h / 2, w / 2, c)];
}

/* Which of the four of block h, w is the first largest, 0..3 row by row; NaN is above numbers. */
static int largest(struct view x, int n, int h, int w, int c)
{
	real most = x.p[ref_at(x.s, n, 2 * h, 2 * w, c)];
	int which = 0;

	for (int k = 1; k < 4; k++) {
		real v = x.p[ref_at(x.s, n, 2 * h + k / 2, 2 * w + k % 2, c)];
		if (v > most || (isnan(v) && !isnan(most))) {
			most = v;
			which = k;
		}
	}
	return which;
}

void ref_max2_pick(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t i = 0;

	(void)b, (void)a;
	REF_EACH(y.s) {
		int k = largest(x[0], n, h, w, c);
		y.p[i++] = x[1].p[ref_at(x[1].s, n, 2 * h + k / 2, 2 * w + k % 2, c)];
	}
}

void ref_max2_place(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	size_t i = 0;

	(void)b, (void)a;
	REF_EACH(y.s) {
		bool whole = h / 2 < x[1].s.d[1] && w / 2 < x[1].s.d[2];
		bool mine = whole && largest(x[0], n, h / 2, w / 2, c) == h % 2 * 2 + w % 2;
		y.p[i++] = mine ? x[1].p[ref_at(x[1].s, n, h / 2, w / 2, c)] : 0;
	}
}
