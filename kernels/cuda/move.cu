/* move: ops whose every result is a few reads: moves, 2x2 blocks, rows by number, filters; and
 * softmax. */
#include "kernels/cuda/cuda.h"

struct move {
	int op;
	struct shape y, x[OP_INPUTS];
	struct data from[OP_INPUTS], to;
	unsigned count;
	struct divisor side[4];              /* y's */
	struct attr at;
};

struct element { int n, h, w, c; };

DEVICE float read(const struct move *m, int k, int n, int h, int w, int c)
{
	const int *d = m->x[k].d;
	return data_get(m->from[k], (((size_t)n * d[1] + h) * d[2] + w) * d[3] + c);
}

/* Which of the four of block h, w is the first largest, row by row; NaN is above numbers. */
DEVICE int largest(const struct move *m, struct element e, int h, int w)
{
	float most = read(m, 0, e.n, 2 * h, 2 * w, e.c);
	int which = 0;

	for (int k = 1; k < 4; k++) {
		float v = read(m, 0, e.n, 2 * h + k / 2, 2 * w + k % 2, e.c);
		if (v > most || (v != v && most == most)) {
			most = v;
			which = k;
		}
	}
	return which;
}

DEVICE float max2_pick_at(const struct move *m, struct element e)
{
	int k = largest(m, e, e.h, e.w);
	return read(m, 1, e.n, 2 * e.h + k / 2, 2 * e.w + k % 2, e.c);
}

DEVICE float max2_place_at(const struct move *m, struct element e)
{
	int h = e.h / 2, w = e.w / 2;
	bool whole = h < m->x[1].d[1] && w < m->x[1].d[2];

	if (!whole || largest(m, e, h, w) != e.h % 2 * 2 + e.w % 2) return 0;
	return read(m, 1, e.n, h, w, e.c);
}

DEVICE float pick_at(const struct move *m, struct element e)
{
	float row = data_get(m->from[1], (size_t)e.n);
	bool known = row >= 0 && row < (float)m->x[0].d[0];

	return known ? read(m, 0, (int)row, e.h, e.w, e.c) : bits_float(0x7fc00000u);
}

DEVICE float place_at(const struct move *m, struct element e)
{
	float sum = 0, error = 0;

	for (int from = 0; from < m->x[0].d[0]; from++) {
		float row = data_get(m->from[1], (size_t)from);
		if (!(row >= 0 && row < (float)m->y.d[0] && (int)row == e.n)) continue;
		float x = read(m, 0, from, e.h, e.w, e.c), s = sum + x, back = s - sum;
		error += (sum - (s - back)) + (x - back);
		sum = s;
	}
	return error == error ? sum + error : sum;
}

DEVICE float sum2_at(const struct move *m, struct element e)
{
	float top = read(m, 0, e.n, 2 * e.h, 2 * e.w, e.c) +
		    read(m, 0, e.n, 2 * e.h, 2 * e.w + 1, e.c);
	return top + (read(m, 0, e.n, 2 * e.h + 1, 2 * e.w, e.c) +
		      read(m, 0, e.n, 2 * e.h + 1, 2 * e.w + 1, e.c));
}

/* Start or end of an axis cut off, or zeros, or another value, put there. */
DEVICE float along_axis(const struct move *m, const int *at0)
{
	int axis = m->at.i[0], at[4] = { at0[0], at0[1], at0[2], at0[3] }, k = 0;

	if (m->op == OP_slice) at[axis] += m->at.i[1];
	if (m->op == OP_pad) at[axis] -= m->at.i[1];
	if (m->op == OP_pad && (at[axis] < 0 || at[axis] >= m->x[0].d[axis])) return 0;
	if (m->op == OP_concat && at[axis] >= m->x[0].d[axis]) {
		k = 1;
		at[axis] -= m->x[0].d[axis];
	}
	return read(m, k, at[0], at[1], at[2], at[3]);
}

DEVICE float permuted(const struct move *m, const int *to)
{
	int at[4];

	for (int k = 0; k < 4; k++) at[m->at.i[k]] = to[k];
	return read(m, 0, at[0], at[1], at[2], at[3]);
}

/* The pixel of the image before up-sampling, or -1 where there is a zero. */
DEVICE int source(int at, int up, int size)
{
	return at < 0 || at % up || at / up >= size ? -1 : at / up;
}

DEVICE float fir_at(const struct move *m, struct element e)
{
	const int *i = m->at.i;
	int rows = m->x[1].d[1], cols = m->x[1].d[2];
	float sum = 0;

	for (int k = 0; k < rows; k++)
		for (int l = 0; l < cols; l++) {
			int row = source(e.h * i[1] + k - i[2], i[0], m->x[0].d[1]);
			int col = source(e.w * i[1] + l - i[4], i[0], m->x[0].d[2]);
			int tap = i[6] ? (rows - 1 - k) * cols + cols - 1 - l : k * cols + l;
			if (row >= 0 && col >= 0)
				sum += read(m, 0, e.n, row, col, e.c) *
				       data_get(m->from[1], (size_t)tap);
		}
	return sum;
}

DEVICE float dwconv_act_at(const struct move *m, struct element e)
{
	const int *i = m->at.i;
	float sum = 0;

	for (int k = 0; k < m->x[1].d[0]; k++)
		for (int l = 0; l < m->x[1].d[1]; l++) {
			int row = e.h * i[0] + k - i[1], col = e.w * i[0] + l - i[3];
			if (row >= 0 && row < m->x[0].d[1] && col >= 0 && col < m->x[0].d[2])
				sum += read(m, 0, e.n, row, col, e.c) * read(m, 1, k, l, 0, e.c);
		}
	sum += data_get(m->from[2], (size_t)e.c);
	return sum < m->at.f[0] ? m->at.f[0] : sum > m->at.f[1] ? m->at.f[1] : sum;
}

/* The largest under the window, or the mean. */
DEVICE float pool_at(const struct move *m, struct element e, int largest_of)
{
	const int *i = m->at.i;
	float most = -INFINITY, sum = 0;
	int seen = 0;

	for (int k = 0; k < i[5]; k++)
		for (int l = 0; l < i[6]; l++) {
			int row = e.h * i[0] + k - i[1], col = e.w * i[0] + l - i[3];
			if (row < 0 || row >= m->x[0].d[1] || col < 0 || col >= m->x[0].d[2])
				continue;
			float v = read(m, 0, e.n, row, col, e.c);
			most = v > most || v != v ? v : most;
			sum += v;
			seen++;
		}
	return largest_of ? most : sum / (float)(i[7] ? i[5] * i[6] : seen);
}

KERNEL(move_each, struct move)
{
	unsigned i = (unsigned)BLOCK_X * THREADS + (unsigned)THREAD, rest = i;
	int at[4] = { 0, 0, 0, 0 };
	float v;

	if (i >= a.count) return;
	UNROLL
	for (int k = 3; k >= 0; k--) {
		unsigned left = divide(&rest, &a.side[k]);
		at[k] = (int)rest;
		rest = left;
	}
	struct element e = { at[0], at[1], at[2], at[3] };
	switch (a.op) {
	case OP_permute: v = permuted(&a, at); break;
	case OP_pick: v = pick_at(&a, e); break;
	case OP_place: v = place_at(&a, e); break;
	case OP_up2: v = read(&a, 0, e.n, e.h / 2, e.w / 2, e.c); break;
	case OP_sum2: v = sum2_at(&a, e); break;
	case OP_max2_pick: v = max2_pick_at(&a, e); break;
	case OP_max2_place: v = max2_place_at(&a, e); break;
	case OP_fir: v = fir_at(&a, e); break;
	case OP_dwconv_act: v = dwconv_act_at(&a, e); break;
	case OP_maxpool: v = pool_at(&a, e, 1); break;
	case OP_avgpool: v = pool_at(&a, e, 0); break;
	default: v = along_axis(&a, at);
	}
	data_put(a.to, i, v);
}

/* A warp has a row: y = exp(x - max) / sum of the same; y may be x. */
KERNEL(softmax_rows, struct move)
{
	int c = a.y.d[3], lane = THREAD % WARP;
	size_t row = (size_t)BLOCK_X * (THREADS / WARP) + (size_t)(THREAD / WARP);
	size_t first = row * (size_t)c + (size_t)lane;
	size_t end = row < a.count ? (row + 1) * (size_t)c : 0;
	float most = -INFINITY, sum = 0;

	for (size_t i = first; i < end; i += WARP) {
		float x = data_get(a.from[0], i);
		most = x > most ? x : most;
	}
	for (int lanes = WARP / 2; lanes; lanes /= 2) most = fmaxf(most, shuffle_xor(most, lanes));
	for (size_t i = first; i < end; i += WARP) sum += expf(data_get(a.from[0], i) - most);
	for (int lanes = WARP / 2; lanes; lanes /= 2) sum += shuffle_xor(sum, lanes);
	for (size_t i = first; i < end; i += WARP)
		data_put(a.to, i, expf(data_get(a.from[0], i) - most) / sum);
}

static struct move make_move(enum op op, struct view y, const struct view *x, const struct attr *a)
{
	struct move m;

	memset(&m, 0, sizeof m);
	m.op = (int)op;
	m.y = y.s;
	m.to = data_of(y);
	m.count = (unsigned)shape_count(y.s);
	for (int k = 0; k < 4; k++) m.side[k] = make_divisor((unsigned)y.s.d[k]);
	m.at = *a;
	for (int k = 0; k < op_inputs[op]; k++) {
		m.x[k] = x[k].s;
		m.from[k] = data_of(x[k]);
	}
	return m;
}

#define MOVES(EACH) \
	EACH(slice) EACH(pad) EACH(concat) EACH(permute) EACH(pick) EACH(place) EACH(up2) \
	EACH(sum2) EACH(max2_pick) EACH(max2_place) EACH(fir) EACH(dwconv_act) \
	EACH(maxpool) EACH(avgpool)
#define DEFINE(name) \
	static void cuda_##name(struct backend *b, struct view y, const struct view *x, \
				const struct attr *a) \
	{ \
		struct move m = make_move(OP_##name, y, x, a); \
		LAUNCH(b, move_each, blocks_for(m.count, THREADS), 1, 1, m); \
	}
MOVES(DEFINE)

static void softmax(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct move m = make_move(OP_softmax, y, x, a);

	m.count /= (unsigned)y.s.d[3];       /* rows */
	LAUNCH(b, softmax_rows, blocks_for(m.count, THREADS / WARP), 1, 1, m);
}

void cuda_move_fill(struct backend *b)
{
#define FILL(name) b->op[OP_##name] = cuda_##name;
	MOVES(FILL)
	b->op[OP_softmax] = softmax;
}
