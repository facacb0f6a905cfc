/* power: steps of the power method on many matrices at once, in four launches: the products by u, v
 * of unit length, the products by v, u of unit length with sigma.  All in f32: memory is the limit,
 * and spectral norms stay exact. */
#include "kernels/cuda/cuda.h"
#include "kernels/power.h"

/* Jobs that fit into the arguments of a kernel; rows of a part; warps of a block. */
enum { JOBS = 78, PART = 512, WARPS = THREADS / WARP };
enum { TRANSPOSED = 1, W_BF16 = 2, U_BF16 = 4 };   /* bits of how a job is */

/* parts_at: where the sums of its parts begin among all. */
struct job { const void *w, *u; float *y; int rows, columns, how; unsigned parts_at; float eps; };

/* Blocks from first[i] on have job i.  second: the product by v, else that by u. */
struct powers {
	float *parts;
	int n, second;
	unsigned first[JOBS];
	struct job job[JOBS];
};

/* A product has a result for each row, or for each column by parts of the rows. */
HOST_DEVICE bool has_rows(const struct job *j, int second)
{
	return ((j->how & TRANSPOSED) != 0) == (second != 0);
}

HOST_DEVICE int part_count(const struct job *j)
{
	return (j->rows + PART - 1) / PART;
}

HOST_DEVICE int rows_of_warp(const struct job *j)
{
	return j->columns < 1024 ? 4 : 1;
}

DEVICE float number_at(struct data d, size_t i, bool halves)
{
	return halves ? data_get(d, i) : ((const float *)d.p)[i];
}

/* y[row] = sum over k of x[k] w[row][k], by a warp. */
DEVICE void of_rows(const struct job *j, struct data w, struct data x, float *y, int block,
		    bool halves)
{
	int each = rows_of_warp(j), row = (block * WARPS + THREAD / WARP) * each;
	int end = row + each < j->rows ? row + each : j->rows;

	for (; row < end; row++) {
		float sum = 0;
		UNROLL_BY(8)
		for (int k = THREAD % WARP; k < j->columns; k += WARP)
			sum += number_at(x, (size_t)k, halves) *
			       number_at(w, (size_t)row * (size_t)j->columns + (size_t)k, halves);
		for (int lanes = WARP / 2; lanes; lanes /= 2) sum += shuffle_xor(sum, lanes);
		if (THREAD % WARP == 0) y[row] = sum;
	}
}

/* The sum over every WARPS-th of a part's rows of x[row] w[row][column]. */
DEVICE float of_column(const struct job *j, struct data w, struct data x, int part, int column,
		       bool halves)
{
	int end = (part + 1) * PART < j->rows ? (part + 1) * PART : j->rows;
	float sum = 0;

	UNROLL_BY(8)
	for (int row = part * PART + THREAD / WARP; row < end; row += WARPS)
		sum += number_at(x, (size_t)row, halves) *
		       number_at(w, (size_t)row * (size_t)j->columns + (size_t)column, halves);
	return sum;
}

/* parts[part][column]: a lane has a column. */
DEVICE void of_columns(const struct job *j, struct data w, struct data x, float *parts, int block,
		       bool halves)
{
	SHARED float sums[THREADS];
	int wide = (j->columns + WARP - 1) / WARP, part = block / wide;
	int column = block % wide * WARP + THREAD % WARP;

	sums[THREAD] = column < j->columns ? of_column(j, w, x, part, column, halves) : 0;
	sync_threads();
	if (THREAD >= WARP || column >= j->columns) return;
	float sum = 0;
	for (int k = 0; k < WARPS; k++) sum += sums[k * WARP + THREAD];
	parts[(size_t)part * (size_t)j->columns + (size_t)column] = sum;
}

KERNEL(power_products, struct powers)
{
	int k = job_of(a.first, a.n), block = BLOCK_X - (int)a.first[k];
	struct job j = a.job[k];
	struct data w = { (void *)j.w, j.how & W_BF16 }, x = { (void *)j.u, j.how & U_BF16 };
	struct data v = { j.y, 0 };

	if (a.second) x = v;
	if (has_rows(&j, a.second)) {
		float *y = j.y + (a.second ? POWER_ALIGNED(j.columns) : 0);
		if (w.bf16 || x.bf16) of_rows(&j, w, x, y, block, true);
		else of_rows(&j, w, x, y, block, false);
	} else {
		if (w.bf16 || x.bf16) of_columns(&j, w, x, a.parts + j.parts_at, block, true);
		else of_columns(&j, w, x, a.parts + j.parts_at, block, false);
	}
}

DEVICE float sum_of_block(float x)
{
	SHARED float sums[WARPS];

	for (int lanes = WARP / 2; lanes; lanes /= 2) x += shuffle_xor(x, lanes);
	if (THREAD % WARP == 0) sums[THREAD / WARP] = x;
	sync_threads();
	x = 0;
	for (int k = 0; k < WARPS; k++) x += sums[k];
	return x;
}

/* A block has a job: result i of its product is y[i], or the sum of its parts. */
KERNEL(power_units, struct powers)
{
	struct job j = a.job[BLOCK_X];
	bool rows = has_rows(&j, a.second);
	int n = rows ? j.rows : j.columns, other = rows ? j.columns : j.rows;
	float *y = j.y + (a.second ? POWER_ALIGNED(other) : 0), squares = 0;

	for (int i = THREAD; i < n; i += THREADS) {
		float sum = rows ? y[i] : 0;
		for (int k = 0; !rows && k < part_count(&j); k++)
			sum += a.parts[j.parts_at + (size_t)k * (size_t)n + (size_t)i];
		y[i] = sum;
		squares += sum * sum;
	}
	squares = sum_of_block(squares);
	float norm = sqrtf(squares) < j.eps ? j.eps : sqrtf(squares);
	for (int i = THREAD; i < n; i += THREADS) y[i] *= 1 / norm;
	if (n + THREAD < POWER_ALIGNED(n)) y[n + THREAD] = 0;
	if (a.second && THREAD == 0) y[POWER_ALIGNED(n)] = squares / norm;
}

/* Jobs of n calls, JOBS at most; returns how many numbers their parts are. */
static size_t take_jobs(struct powers *p, int n, const struct call *call)
{
	size_t parts = 0;

	for (p->n = 0; p->n < n && p->n < JOBS; p->n++) {
		const struct call *c = &call[p->n];
		struct job *j = &p->job[p->n];
		struct power of = power_of(c->x[0].s, c->a->i[0] != 0);

		j->w = c->x[0].p;
		j->u = c->x[1].p;
		j->y = c->y.p;
		j->rows = of.rows;
		j->columns = of.columns;
		j->how = (c->a->i[0] ? TRANSPOSED : 0) | (c->x[0].bf16 ? W_BF16 : 0) |
			 (c->x[1].bf16 ? U_BF16 : 0);
		j->eps = c->a->f[0];
		j->parts_at = (unsigned)parts;
		parts += (size_t)part_count(j) * (size_t)j->columns;
	}
	return parts;
}

static void run_product(struct backend *b, struct powers *p, int second)
{
	unsigned blocks = 0;

	p->second = second;
	for (int k = 0; k < p->n; k++) {
		const struct job *j = &p->job[k];
		p->first[k] = blocks;
		blocks += has_rows(j, second)
			? (unsigned)blocks_for((size_t)j->rows, WARPS * rows_of_warp(j))
			: (unsigned)(blocks_for((size_t)j->columns, WARP) * part_count(j));
	}
	LAUNCH(b, power_products, blocks, 1, 1, *p);
	LAUNCH(b, power_units, p->n, 1, 1, *p);
}

static void powers(struct backend *b, int n, const struct call *call)
{
	struct powers p;

	p.parts = (float *)b->work;
	for (int k = 0; k < n; k += p.n) {
		take_jobs(&p, n - k, call + k);
		run_product(b, &p, 0);
		run_product(b, &p, 1);
	}
}

static size_t powers_scratch(struct backend *b, int n, const struct call *call)
{
	struct powers p;
	size_t most = 0;

	(void)b;
	for (int k = 0; k < n; k += p.n) {
		size_t parts = take_jobs(&p, n - k, call + k);
		if (parts > most) most = parts;
	}
	return most * sizeof(float);
}

static void power(struct backend *b, struct view y, const struct view *x, const struct attr *at)
{
	struct call one = { y, x, at };
	powers(b, 1, &one);
}

static size_t power_scratch(struct backend *b, struct view y, const struct view *x,
			    const struct attr *at)
{
	struct call one = { y, x, at };
	return powers_scratch(b, 1, &one);
}

void cuda_power_fill(struct backend *b)
{
	b->op[OP_power] = power;
	b->scratch[OP_power] = power_scratch;
	b->powers = powers;
	b->powers_scratch = powers_scratch;
}
