/* sift: pairs of rows that may reach a bar.  A block multiplies a tile of pairs as tile.cu does,
 * and only the hits leave it: it counts them, takes a stretch of the list, and writes them there;
 * where that stretch begins is of chance, what it holds is not. */
#include "kernels/cuda/fragment.h"
#include "kernels/sift.h"

#include <assert.h>

enum { GROUP = 16 };                         /* rows of tiles that are under way together */
enum { LEFT = 1, RIGHT = 2 };

static_assert((int)SIFT_SIDE == (int)TILE && SIFT_DEEP == 8 * DEPTH_CHUNKS, "one tile, one step");

/* Which tile, and its first rows.  A column of GROUP tiles is followed by the next: what is under
 * way at one time reads few rows of either operand. */
struct spot { int row, column, m0, n0; };

DEVICE struct spot spot_of(const struct sift *s)
{
	int down = tiles_of(s->a.n), across = tiles_of(s->b.n);
	int first = BLOCK_X / (GROUP * across) * GROUP, at = BLOCK_X % (GROUP * across);
	int rows = down - first < GROUP ? down - first : GROUP;
	struct spot p = { first + at % rows, at / rows, 0, 0 };

	p.m0 = p.row * TILE;
	p.n0 = p.column * TILE;
	return p;
}

/* Begins the copies of numbers k .. k+SIFT_DEEP-1 of a tile's rows, from row x0 on. */
DEVICE void copy_rows(const struct sift_rows *r, int wide, int x0, int k, struct chunk *to)
{
	UNROLL
	for (int j = 0; j < COPIES; j++) {
		int id = THREAD + j * TILE_THREADS, x = x0 + copy_other(1, 1, id);
		size_t from = (size_t)(x < r->n ? x : 0) * (size_t)wide;
		copy_async(&to[copy_place(1, 1, id)], r->bits + from + k + copy_k(1, 1, id),
			   x < r->n);
	}
}

/* Begins the copies of a step of both operands, if there are any left. */
DEVICE void copy_step(const struct sift *s, struct spot p, int k, struct stage *to)
{
	if (k < s->wide) {
		copy_rows(&s->a, s->wide, p.m0, k, to->a);
		copy_rows(&s->b, s->wide, p.n0, k, to->b);
	}
	copy_commit();
}

DEVICE void multiply_tile(const struct sift *s, struct spot p, struct stage *stage, float *acc)
{
	int ahead = 0, fill = 0;

	UNROLL
	for (int i = 0; i < SUMS; i++) acc[i] = 0;
	for (; fill < STAGES - 1; fill++, ahead += SIFT_DEEP) copy_step(s, p, ahead, &stage[fill]);
	for (int k = 0, now = 0; k < s->wide; k += SIFT_DEEP, ahead += SIFT_DEEP) {
		await_step(GROUPED);
		if (GROUPED) multiply_group(&stage[now], 0, 1, 1, acc);
		copy_step(s, p, ahead, &stage[fill]);
		if (!GROUPED) multiply_fragments(&stage[now], 0, 1, 1, PRECISION_BF16, acc);
		if (++now == STAGES) now = 0;
		if (++fill == STAGES) fill = 0;
	}
	if (GROUPED) end_group(acc);
}

/* What of the pair of rows m and n is reached. */
DEVICE int reached(const struct sift *s, int m, int n, float dot)
{
	if (m >= s->a.n || n >= s->b.n || (s->upper && n < m)) return 0;
	float most = dot + (s->a.norm[m] * s->b.rest[n] + s->a.rest[m] * s->b.norm[n]);
	int left = most + s->b.bias[n] >= s->a.bar[m] ? LEFT : 0;
	if (!s->both || (s->upper && m == n)) return left;
	return left | (most + s->a.bias[m] >= s->b.bar[n] ? RIGHT : 0);
}

/* Which of a thread's pairs are reached, by i, and by j as bits; asked once, for what is counted
 * must be what is written, and two copies of one formula may be fused in two ways. */
struct marks { uint32_t left[ROWS], right[ROWS]; };
static_assert(COLUMNS == 32, "of a row, a word");

DEVICE struct marks marks_of(const struct sift *s, struct spot p, const float *acc)
{
	struct marks m = { { 0, 0, 0, 0 }, { 0, 0, 0, 0 } };

	UNROLL
	for (int i = 0; i < ROWS; i++) {
		UNROLL
		for (int j = 0; j < COLUMNS; j++) {
			int what = reached(s, p.m0 + fragment_row(i), p.n0 + fragment_column(j),
					   acc[fragment_place(i, j)]);
			m.left[i] |= (what & LEFT ? 1u : 0) << j;
			m.right[i] |= (what & RIGHT ? 1u : 0) << j;
		}
	}
	return m;
}

DEVICE uint32_t hits_of(const struct marks *m)
{
	uint32_t n = 0;

	UNROLL
	for (int i = 0; i < ROWS; i++) n += bits_set(m->left[i] | m->right[i]);
	return n;
}

/* The hits, to the list from `at` on. */
DEVICE void put_hits(const struct sift *s, const struct marks *m, const float *acc, uint32_t at)
{
	UNROLL
	for (int i = 0; i < ROWS; i++) {
		UNROLL
		for (int j = 0; j < COLUMNS; j++) {
			bool left = m->left[i] >> j & 1, right = m->right[i] >> j & 1;
			if (!left && !right) continue;
			struct sift_hit h = { acc[fragment_place(i, j)], (uint8_t)fragment_row(i),
				(uint8_t)fragment_column(j), left, right };
			s->hit[at++] = h;
		}
	}
}

/* What threads tell each other when the tile is multiplied. */
struct talk { uint32_t each[TILE_THREADS], warp[TILE_THREADS / WARP], start; };

/* What the threads before this one of the block have, and all have; whole numbers below 2^24. */
DEVICE uint32_t before(struct talk *t, uint32_t mine, uint32_t *all)
{
	int first = THREAD / WARP * WARP;
	float sum = (float)mine;
	uint32_t n = 0;

	t->each[THREAD] = mine;
	for (int lanes = WARP / 2; lanes; lanes /= 2) sum += shuffle_xor(sum, lanes);
	if (THREAD == first) t->warp[THREAD / WARP] = (uint32_t)sum;
	sync_threads();
	for (int w = 0; w < THREAD / WARP; w++) n += t->warp[w];
	for (int i = first; i < THREAD; i++) n += t->each[i];
	*all = 0;
	for (int w = 0; w < TILE_THREADS / WARP; w++) *all += t->warp[w];
	return n;
}

/* Where the tile's hits go; with no room for all of them, nowhere. */
DEVICE bool reserve(const struct sift *s, struct talk *t, struct spot p, uint32_t hits,
		    uint32_t *from)
{
	if (!THREAD) {
		struct sift_part part = { hits ? add_atomic(s->count, hits) : 0, hits };
		s->part[(size_t)p.row * (size_t)tiles_of(s->b.n) + (size_t)p.column] = part;
		t->start = part.from;
	}
	sync_threads();
	*from = t->start;
	return *from <= s->limit && hits <= s->limit - *from;
}

KERNEL_OF(TILE_THREADS, 2, sift_tile, struct sift)
{
	SHARED struct stage stage[STAGES];
	struct talk *talk = (struct talk *)stage;
	struct spot p = spot_of(&a);
	float acc[SUMS];
	struct marks marks = { { 0, 0, 0, 0 }, { 0, 0, 0, 0 } };
	uint32_t all, from, first;
	bool needed = !a.upper || p.column >= p.row;

	if (needed) {
		multiply_tile(&a, p, stage, acc);
		marks = marks_of(&a, p, acc);
	}
	sync_threads();                      /* nobody reads the last step any more */
	first = before(talk, hits_of(&marks), &all);
	if (reserve(&a, talk, p, all, &from)) put_hits(&a, &marks, acc, from + first);
}

KERNEL_OF(TILE_THREADS, 2, sift_scores, struct sift)
{
	SHARED struct stage stage[STAGES];
	struct spot p = spot_of(&a);
	float acc[SUMS];

	multiply_tile(&a, p, stage, acc);
	UNROLL
	for (int j = 0; j < COLUMNS; j++) {
		int n = p.n0 + fragment_column(j);
		if (n >= a.b.n) continue;
		float bias = a.b.bias[n];
		UNROLL
		for (int i = 0; i < ROWS; i++) {
			int m = p.m0 + fragment_row(i);
			if (m < a.a.n)
				a.score[(size_t)m * (size_t)a.b.n + (size_t)n] =
					acc[fragment_place(i, j)] + bias;
		}
	}
}

/* Floats as numbers that have their order, and back. */
DEVICE uint32_t to_order(float x)
{
	uint32_t u = float_bits(x);
	return u >> 31 ? ~u : u | 0x80000000u;
}

DEVICE float from_order(uint32_t u)
{
	return bits_float(u >> 31 ? u & 0x7fffffffu : ~u);
}

/* A warp has a row.  The largest number that rank scores reach is found bit by bit; counts are
 * below 2^24, and exact as floats. */
KERNEL(sift_select, struct sift)
{
	int m = BLOCK_X * (THREADS / WARP) + THREAD / WARP;
	const float *score = a.score + (size_t)(m < a.a.n ? m : 0) * (size_t)a.b.n;
	uint32_t most = 0;

	for (int bit = 31; bit >= 0; bit--) {
		uint32_t next = most | 1u << bit;
		float reach = 0;
		for (int n = THREAD % WARP; n < a.b.n; n += WARP)
			reach += to_order(score[n]) >= next;
		for (int lanes = WARP / 2; lanes; lanes /= 2) reach += shuffle_xor(reach, lanes);
		if (reach >= (float)a.rank) most = next;
	}
	if (m < a.a.n && THREAD % WARP == 0) a.kth[m] = from_order(most);
}

static void sift(struct backend *b, const struct sift *s)
{
	LAUNCH_OF(TILE_THREADS, b, sift_tile, tiles_of(s->a.n) * tiles_of(s->b.n), 1, 1, *s);
}

static void sift_kth(struct backend *b, const struct sift *s)
{
	LAUNCH_OF(TILE_THREADS, b, sift_scores, tiles_of(s->a.n) * tiles_of(s->b.n), 1, 1, *s);
	LAUNCH(b, sift_select, blocks_for((size_t)s->a.n, THREADS / WARP), 1, 1, *s);
}

void cuda_sift_fill(struct backend *b)
{
	b->sift = sift;
	b->sift_kth = sift_kth;
}
