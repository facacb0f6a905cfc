/* move: ops whose every result is a few reads: moves, 2x2 blocks, rows by number, filters, each for
 * one number or for eight channels a thread; and softmax. */
#include "kernels/cuda/lanes.h"

struct move {
	int op;
	struct shape y, x[OP_INPUTS];
	struct data from[OP_INPUTS], to;
	unsigned count;                      /* of numbers, or of rows */
	struct divisor side[4];              /* y's */
	struct attr at;
};

struct element { int n, h, w, c; };          /* c: of the first lane */

DEVICE size_t place(const struct move *m, int k, int n, int h, int w, int c)
{
	const int *d = m->x[k].d;
	return (((size_t)n * d[1] + h) * d[2] + w) * d[3] + c;
}

DEVICE void read(const struct move *m, int k, int n, int h, int w, int c, float *v, int lanes)
{
	lanes_get(m->from[k], place(m, k, n, h, w, c), v, lanes);
}

DEVICE void fill(float *v, float x, int lanes)
{
	UNROLL
	for (int l = 0; l < lanes; l++) v[l] = x;
}

/* The four pixels of the 2x2 block h, w, row by row. */
DEVICE void read_block(const struct move *m, int k, struct element e, int h, int w,
		       float v[4][LANES], int lanes)
{
	UNROLL
	for (int j = 0; j < 4; j++)
		lanes_ask(m->from[k], place(m, k, e.n, 2 * h + j / 2, 2 * w + j % 2, e.c), v[j],
			  lanes);
	UNROLL
	for (int j = 0; j < 4; j++) lanes_open(m->from[k], v[j], lanes);
}

/* Which of the block's four is the first largest; NaN is above numbers. */
DEVICE int largest(float v[4][LANES], int l)
{
	float most = v[0][l];
	int which = 0;

	UNROLL
	for (int k = 1; k < 4; k++)
		if (v[k][l] > most || (v[k][l] != v[k][l] && most == most)) {
			most = v[k][l];
			which = k;
		}
	return which;
}

DEVICE void max2_pick_at(const struct move *m, struct element e, float *v, int lanes)
{
	float x[4][LANES];
	int which[LANES];

	read_block(m, 0, e, e.h, e.w, x, lanes);
	UNROLL
	for (int l = 0; l < lanes; l++) which[l] = largest(x, l);
	read_block(m, 1, e, e.h, e.w, x, lanes);
	UNROLL
	for (int l = 0; l < lanes; l++) {
		float top = which[l] & 1 ? x[1][l] : x[0][l];
		float low = which[l] & 1 ? x[3][l] : x[2][l];
		v[l] = which[l] & 2 ? low : top;
	}
}

DEVICE void max2_place_at(const struct move *m, struct element e, float *v, int lanes)
{
	int h = e.h / 2, w = e.w / 2, here = e.h % 2 * 2 + e.w % 2;
	float x[4][LANES];

	if (h >= m->x[1].d[1] || w >= m->x[1].d[2]) {
		fill(v, 0, lanes);
		return;
	}
	read_block(m, 0, e, h, w, x, lanes);
	read(m, 1, e.n, h, w, e.c, v, lanes);
	UNROLL
	for (int l = 0; l < lanes; l++)
		if (largest(x, l) != here) v[l] = 0;
}

DEVICE void pick_at(const struct move *m, struct element e, float *v, int lanes)
{
	float row = data_get(m->from[1], (size_t)e.n);

	if (row >= 0 && row < (float)m->x[0].d[0]) read(m, 0, (int)row, e.h, e.w, e.c, v, lanes);
	else fill(v, bits_float(0x7fc00000u), lanes);
}

DEVICE void place_at(const struct move *m, struct element e, float *sum, int lanes)
{
	float error[LANES] = { 0 }, x[LANES];

	fill(sum, 0, lanes);
	for (int from = 0; from < m->x[0].d[0]; from++) {
		float row = data_get(m->from[1], (size_t)from);
		if (!(row >= 0 && row < (float)m->y.d[0] && (int)row == e.n)) continue;
		read(m, 0, from, e.h, e.w, e.c, x, lanes);
		UNROLL
		for (int l = 0; l < lanes; l++) {
			float s = sum[l] + x[l], back = s - sum[l];
			error[l] += (sum[l] - (s - back)) + (x[l] - back);
			sum[l] = s;
		}
	}
	UNROLL
	for (int l = 0; l < lanes; l++)
		if (error[l] == error[l]) sum[l] += error[l];
}

DEVICE void sum2_at(const struct move *m, struct element e, float *v, int lanes)
{
	float x[4][LANES];

	read_block(m, 0, e, e.h, e.w, x, lanes);
	UNROLL
	for (int l = 0; l < lanes; l++) v[l] = (x[0][l] + x[1][l]) + (x[2][l] + x[3][l]);
}

/* Start or end of an axis cut off, or zeros, or another value, put there. */
DEVICE void along_axis(const struct move *m, const int *at0, float *v, int lanes)
{
	int axis = m->at.i[0], at[4] = { at0[0], at0[1], at0[2], at0[3] }, k = 0;

	if (m->op == OP_slice) at[axis] += m->at.i[1];
	if (m->op == OP_pad) at[axis] -= m->at.i[1];
	if (m->op == OP_pad && (at[axis] < 0 || at[axis] >= m->x[0].d[axis])) {
		fill(v, 0, lanes);
		return;
	}
	if (m->op == OP_concat && at[axis] >= m->x[0].d[axis]) {
		k = 1;
		at[axis] -= m->x[0].d[axis];
	}
	read(m, k, at[0], at[1], at[2], at[3], v, lanes);
}

DEVICE void permuted(const struct move *m, const int *to, float *v, int lanes)
{
	int at[4];

	for (int k = 0; k < 4; k++) at[m->at.i[k]] = to[k];
	read(m, 0, at[0], at[1], at[2], at[3], v, lanes);
}

/* The pixel of the image before up-sampling, or -1 where there is a zero. */
DEVICE int source(int at, int up, int size)
{
	return at < 0 || at % up || at / up >= size ? -1 : at / up;
}

DEVICE void fir_at(const struct move *m, struct element e, float *sum, int lanes)
{
	const int *i = m->at.i;
	int rows = m->x[1].d[1], cols = m->x[1].d[2];
	float x[LANES];

	fill(sum, 0, lanes);
	for (int k = 0; k < rows; k++)
		for (int l = 0; l < cols; l++) {
			int row = source(e.h * i[1] + k - i[2], i[0], m->x[0].d[1]);
			int col = source(e.w * i[1] + l - i[4], i[0], m->x[0].d[2]);
			int tap = i[6] ? (rows - 1 - k) * cols + cols - 1 - l : k * cols + l;
			if (row < 0 || col < 0) continue;
			float weight = data_get(m->from[1], (size_t)tap);
			read(m, 0, e.n, row, col, e.c, x, lanes);
			UNROLL
			for (int j = 0; j < lanes; j++) sum[j] += x[j] * weight;
		}
}

DEVICE void dwconv_act_at(const struct move *m, struct element e, float *sum, int lanes)
{
	const int *i = m->at.i;
	float low = m->at.f[0], high = m->at.f[1], x[LANES], weight[LANES];

	fill(sum, 0, lanes);
	for (int k = 0; k < m->x[1].d[0]; k++)
		for (int l = 0; l < m->x[1].d[1]; l++) {
			int row = e.h * i[0] + k - i[1], col = e.w * i[0] + l - i[3];
			if (row < 0 || row >= m->x[0].d[1] || col < 0 || col >= m->x[0].d[2])
				continue;
			read(m, 0, e.n, row, col, e.c, x, lanes);
			read(m, 1, k, l, 0, e.c, weight, lanes);
			UNROLL
			for (int j = 0; j < lanes; j++) sum[j] += x[j] * weight[j];
		}
	read(m, 2, 0, 0, 0, e.c, x, lanes);
	UNROLL
	for (int j = 0; j < lanes; j++) {
		sum[j] += x[j];
		sum[j] = sum[j] < low ? low : sum[j] > high ? high : sum[j];
	}
}

/* The largest under the window, or the mean. */
DEVICE void pool_at(const struct move *m, struct element e, bool largest_of, float *v, int lanes)
{
	const int *i = m->at.i;
	float x[LANES];
	int seen = 0;

	fill(v, largest_of ? -INFINITY : 0, lanes);
	for (int k = 0; k < i[5]; k++)
		for (int l = 0; l < i[6]; l++) {
			int row = e.h * i[0] + k - i[1], col = e.w * i[0] + l - i[3];
			if (row < 0 || row >= m->x[0].d[1] || col < 0 || col >= m->x[0].d[2])
				continue;
			read(m, 0, e.n, row, col, e.c, x, lanes);
			UNROLL
			for (int j = 0; j < lanes; j++)
				v[j] = !largest_of ? v[j] + x[j] :
				       x[j] > v[j] || x[j] != x[j] ? x[j] : v[j];
			seen++;
		}
	UNROLL
	for (int j = 0; j < lanes && !largest_of; j++)
		v[j] /= (float)(i[7] ? i[5] * i[6] : seen);
}

DEVICE void move(const struct move *m, int lanes)
{
	unsigned i = ((unsigned)BLOCK_X * THREADS + (unsigned)THREAD) * (unsigned)lanes, rest = i;
	int at[4] = { 0, 0, 0, 0 };
	float v[LANES];

	if (i >= m->count) return;
	UNROLL
	for (int k = 3; k >= 0; k--) {
		unsigned left = divide(&rest, &m->side[k]);
		at[k] = (int)rest;
		rest = left;
	}
	struct element e = { at[0], at[1], at[2], at[3] };
	switch (m->op) {
	case OP_permute: permuted(m, at, v, lanes); break;
	case OP_pick: pick_at(m, e, v, lanes); break;
	case OP_place: place_at(m, e, v, lanes); break;
	case OP_up2: read(m, 0, e.n, e.h / 2, e.w / 2, e.c, v, lanes); break;
	case OP_sum2: sum2_at(m, e, v, lanes); break;
	case OP_max2_pick: max2_pick_at(m, e, v, lanes); break;
	case OP_max2_place: max2_place_at(m, e, v, lanes); break;
	case OP_fir: fir_at(m, e, v, lanes); break;
	case OP_dwconv_act: dwconv_act_at(m, e, v, lanes); break;
	case OP_maxpool: pool_at(m, e, true, v, lanes); break;
	case OP_avgpool: pool_at(m, e, false, v, lanes); break;
	default: along_axis(m, at, v, lanes);
	}
	lanes_put(m->to, i, v, lanes);
}

KERNEL_OF(THREADS, 6, move_each, struct move) { move(&a, 1); }
KERNEL_OF(THREADS, 4, move_eights, struct move) { move(&a, LANES); }

/* A warp has a row: y = exp(x - max) / sum of the same; y may be x. */
DEVICE void softmax_row(const struct move *m, int lanes)
{
	size_t row = (size_t)BLOCK_X * (THREADS / WARP) + (size_t)(THREAD / WARP);
	size_t first = row * (size_t)m->y.d[3], step = (size_t)(WARP * lanes);
	size_t end = row < m->count ? first + (size_t)m->y.d[3] : 0;
	float most = -INFINITY, sum = 0, v[LANES];

	first += (size_t)(THREAD % WARP * lanes);
	for (size_t i = first; i < end; i += step) {
		lanes_get(m->from[0], i, v, lanes);
		UNROLL
		for (int l = 0; l < lanes; l++) most = v[l] > most ? v[l] : most;
	}
	for (int away = WARP / 2; away; away /= 2) most = fmaxf(most, shuffle_xor(most, away));
	for (size_t i = first; i < end; i += step) {
		lanes_get(m->from[0], i, v, lanes);
		UNROLL
		for (int l = 0; l < lanes; l++) sum += expf(v[l] - most);
	}
	for (int away = WARP / 2; away; away /= 2) sum += shuffle_xor(sum, away);
	for (size_t i = first; i < end; i += step) {
		lanes_get(m->from[0], i, v, lanes);
		UNROLL
		for (int l = 0; l < lanes; l++) v[l] = expf(v[l] - most) / sum;
		lanes_put(m->to, i, v, lanes);
	}
}

KERNEL(softmax_rows, struct move)
{
	if (a.y.d[3] % LANES) softmax_row(&a, 1);
	else softmax_row(&a, LANES);
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

/* Eight channels of y, from a multiple of eight on, are eight of x from such a one on. */
static bool by_eights(const struct move *m)
{
	const int *i = m->at.i;
	bool shifted = (m->op == OP_slice || m->op == OP_pad) && i[0] == 3 && i[1] % LANES;
	bool turned = m->op == OP_permute && i[3] != 3;

	return m->y.d[3] % LANES == 0 && m->x[0].d[3] % LANES == 0 && !shifted && !turned;
}

static void run(struct backend *b, const struct move *m)
{
	if (by_eights(m)) LAUNCH(b, move_eights, blocks_for(m->count, LANES * THREADS), 1, 1, *m);
	else LAUNCH(b, move_each, blocks_for(m->count, THREADS), 1, 1, *m);
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
		run(b, &m); \
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
