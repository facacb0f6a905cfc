/* chain: element-wise steps and sums, run tile by tile so that what they pass to each other stays
 * in the cache.
 *
 * The space is first brought to as few dimensions as its views allow (kernels/chain.h).  It is
 * cut into pieces (whole indices of the leading dimension, equal parts of one, or, to sum a few
 * long rows into one, columns of all), a piece into tiles of at most TILE elements; pieces depend
 * on the shape alone, and each sums into its own partial results, added up in order at the end: the
 * same bytes for any number of threads.  An
 * input that is not contiguous over a tile is spread into a buffer, and kept there while it does
 * not change, so every loop is over contiguous floats. */
#include "kernels/chain.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

#include <omp.h>
#include <stdbool.h>
#include <string.h>

enum {
	TILE = 4096,                         /* elements of a tile at most ... */
	SMALL_TILE = 1024,                   /* and at least */
	NEAR = 10240,                        /* elements that the nearest cache holds */
	POOL = 3 * CHAIN_MAX * SMALL_TILE,   /* elements of all buffers of a thread */
	PIECES = 64,
	PIECE = 8192,                        /* elements of a piece at least */
	PARTIALS = 4 << 20,                  /* doubles of partial results of a sum */
};

struct operand {
	const float *p;
	int from;                            /* the tile of that step, or -1: p */
	size_t stride[4];                    /* per canonical dimension; 0: broadcast */
	size_t run;                          /* its last dimensions that do not broadcast */
	bool steady;                         /* spread, it depends on its first offset alone */
	int slot;                            /* the buffer to spread it in, or -1 */
};

/* A sum: `each` pieces in a row add to the same `region` elements of the result. */
struct fold {
	struct operand out;
	size_t count, region, each;
	size_t span;                         /* elements in a row that go to one element or row */
	size_t width;                        /* of that row; 0: one element */
	double *partial;                     /* [pieces][region] */
};

struct tile_step {
	row_fn *row;                         /* NULL: a sum */
	struct operand in[2];
	int inputs, slot;
	float f[2], *out;
	struct fold fold;
};

struct job {
	const struct rows *rows;
	int rank, pieces, n, slots;
	int origin[4];                       /* a dimension of the space that each comes from */
	size_t d[4], count, row;             /* row: elements of one leading index */
	size_t tile, unit;                   /* unit: elements of a piece */
	size_t split;                        /* pieces of a row; 0: a piece is whole rows */
	bool columns;                        /* a piece is `unit` columns of all rows */
	struct tile_step step[CHAIN_MAX];
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t ceil_div(size_t a, size_t b)
{
	return (a + b - 1) / b;
}

static void make_dims(struct job *j, const struct chain *c)
{
	j->rank = chain_dims(c, j->d, j->origin);
	j->count = shape_count(c->space);
	j->row = j->count / j->d[0];
}

static struct operand make_operand(const struct job *j, struct view v)
{
	struct operand o = { .p = v.p, .from = -1, .run = 1, .steady = true, .slot = -1 };
	size_t stride = 1;
	bool whole = true;

	for (int k = j->rank - 1; k >= 0; k--) {
		bool varies = v.s.d[j->origin[k]] != 1 || j->d[k] == 1;
		o.stride[k] = varies ? stride : 0;
		if (varies) stride *= j->d[k];
		whole = whole && varies;
		if (whole) o.run *= j->d[k];
		if (k > 0 && k < j->rank - 1 && varies) o.steady = false;
	}
	return o;
}

/* Elements at .. at + len of the space; i: the indices of the first. */
struct range { size_t at, len, i[4]; };

static struct range make_range(const struct job *j, size_t at, size_t len)
{
	struct range r = { .at = at, .len = len };

	for (int k = j->rank - 1; k > 0; k--) {
		r.i[k] = at % j->d[k];
		at /= j->d[k];
	}
	r.i[0] = at;
	return r;
}

static size_t offset(const struct job *j, const struct operand *o, const struct range *r)
{
	size_t sum = 0;

	for (int k = 0; k < j->rank; k++) sum += r->i[k] * o->stride[k];
	return sum;
}

static void make_fold(const struct job *j, struct fold *f, struct view out)
{
	int k = j->rank - 1;
	bool inner;

	f->out = make_operand(j, out);
	inner = f->out.stride[k] != 0;
	f->count = shape_count(out.s);
	f->width = inner ? j->d[k] : 0;
	f->span = 1;
	if (inner) f->span = j->d[k--];
	for (; k >= 0 && !f->out.stride[k]; k--) f->span *= j->d[k];
}

/* Doubles a piece of part of a row adds to. */
static size_t least_region(const struct job *j, const struct fold *f)
{
	return f->out.stride[0] ? f->count / j->d[0] : f->count;
}

/* Do all sums add rows to one row? */
static bool sums_rows(const struct job *j)
{
	bool any = false;

	for (int i = 0; i < j->n; i++) {
		const struct fold *f = &j->step[i].fold;
		if (j->step[i].row) continue;
		if (j->rank != 2 || f->out.stride[0] || f->count != j->row) return false;
		any = true;
	}
	return any;
}

static void make_columns(struct job *j, size_t want)
{
	j->columns = true;
	j->unit = ceil_div(ceil_div(j->row, want), 64) * 64;
	j->split = 0;
	j->pieces = (int)ceil_div(j->row, j->unit);
	for (int i = 0; i < j->n; i++) {
		if (j->step[i].row) continue;
		j->step[i].fold.region = j->unit;
		j->step[i].fold.each = 1;
	}
}

static void make_pieces(struct job *j)
{
	size_t inner = j->d[j->rank - 1], want = least(j->count / PIECE, PIECES);

	j->columns = false;
	if (want > j->d[0] && sums_rows(j)) {
		make_columns(j, want);
		return;
	}

	for (int i = 0; i < j->n; i++)
		if (!j->step[i].row)
			want = least(want, PARTIALS / least_region(j, &j->step[i].fold));
	if (want < 1) want = 1;
	if (want <= j->d[0]) {
		size_t rows = ceil_div(j->d[0], want);
		if (j->row % 16 && want > 1) rows = ceil_div(rows, 16) * 16; /* whole cache lines */
		j->unit = rows * j->row;
		j->split = 0;
		j->pieces = (int)ceil_div(j->count, j->unit);
	} else {
		size_t grain = inner <= TILE ? inner : 64;
		j->unit = ceil_div(ceil_div(j->row, ceil_div(want, j->d[0])), grain) * grain;
		j->split = ceil_div(j->row, j->unit);
		j->pieces = (int)(j->d[0] * j->split);
	}
	for (int i = 0; i < j->n; i++) {
		struct fold *f = &j->step[i].fold;
		bool kept = f->out.stride[0] != 0;
		if (j->step[i].row) continue;
		f->region = least_region(j, f) * (kept && !j->split ? j->unit / j->row : 1);
		f->each = !kept ? (size_t)j->pieces : j->split ? j->split : 1;
	}
}

/* Buffers: one for good for each input that may have to be spread, and one for each result from its
 * making to its last use (never that of an input of the same step). */
static void make_slots(struct job *j)
{
	int last[CHAIN_MAX] = { 0 }, spare[CHAIN_MAX], spares = 0, streams = 0;

	j->slots = 0;
	for (int i = 0; i < j->n; i++)
		for (int k = 0; k < j->step[i].inputs; k++) {
			struct operand *o = &j->step[i].in[k];
			if (o->from >= 0) last[o->from] = i;
			else if (o->run < j->count) o->slot = j->slots++;
		}
	for (int i = 0; i < j->n; i++) {
		struct tile_step *s = &j->step[i];
		s->slot = -1;
		if (s->row && !s->out) s->slot = spares ? spare[--spares] : j->slots++;
		for (int k = 0; k < s->inputs; k++) {
			int from = s->in[k].from;
			bool twice = k == 1 && from == s->in[0].from;
			if (from >= 0 && !twice && last[from] == i && j->step[from].slot >= 0)
				spare[spares++] = j->step[from].slot;
		}
	}
	for (int i = 0; i < j->n; i++) {
		const struct tile_step *s = &j->step[i];
		streams += s->out && s->row;
		for (int k = 0; k < s->inputs; k++)
			streams += s->in[k].from < 0 && s->in[k].slot < 0;
	}
	j->tile = least(TILE, NEAR / (size_t)(j->slots + streams) / 64 * 64);
	if (j->tile < SMALL_TILE) j->tile = SMALL_TILE;
}

static void make_job(struct job *j, const struct chain *c)
{
	j->rows = cpu_rows();
	j->n = c->n;
	make_dims(j, c);
	for (int i = 0; i < c->n; i++) {
		const struct chain_step *from = &c->step[i];
		struct tile_step *s = &j->step[i];
		bool sums = from->op == OP_sum_to && shape_count(from->out.s) < j->count;
		s->row = sums ? NULL : j->rows->ew[from->op == OP_sum_to ? OP_expand : from->op];
		s->inputs = from->inputs;
		for (int k = 0; k < s->inputs; k++) {
			s->in[k] = make_operand(j, from->in[k]);
			s->in[k].from = from->from[k];
		}
		s->out = from->out.p;
		s->f[0] = from->a.f[0];
		s->f[1] = from->a.f[1];
		if (sums) make_fold(j, &s->fold, from->out);
	}
	make_pieces(j);
	make_slots(j);
}

/* The first bytes of the scratch are the partial sums, the rest the buffers of each thread. */
static size_t partial_bytes(struct job *j, double *partial)
{
	size_t doubles = 0;

	for (int i = 0; i < j->n; i++) {
		if (j->step[i].row) continue;
		j->step[i].fold.partial = partial ? partial + doubles : NULL;
		doubles += ceil_div((size_t)j->pieces * j->step[i].fold.region, 8) * 8;
	}
	return doubles * sizeof *partial;
}

size_t cpu_chain_scratch(struct backend *b, const struct chain *c)
{
	struct job j;

	make_job(&j, c);
	return partial_bytes(&j, NULL) + (j.slots ? (size_t)b->threads * POOL * sizeof(float) : 0);
}

/* Per thread: its buffers, and what is in those of the inputs. */
struct worker {
	const struct job *j;
	float *pool;
	struct { size_t from, len; } held[2 * CHAIN_MAX];
};

static void spread(const struct job *j, const struct operand *o, struct range r, float *to)
{
	int last = j->rank - 1;
	const float *from = o->p + offset(j, o, &r);

	while (r.len) {
		size_t n = least(j->d[last] - r.i[last], r.len);
		if (o->stride[last]) memcpy(to, from, n * sizeof *to);
		else for (size_t k = 0; k < n; k++) to[k] = *from;
		to += n;
		r.len -= n;
		from -= r.i[last] * o->stride[last];
		r.i[last] = 0;
		for (int k = last - 1; k >= 0; k--) {
			from += o->stride[k];
			if (++r.i[k] < j->d[k] || !k) break;
			from -= r.i[k] * o->stride[k];
			r.i[k] = 0;
		}
	}
}

/* The range of an input, contiguous. */
static const float *fetch(struct worker *w, const struct operand *o, const struct range *r)
{
	const struct job *j = w->j;

	if (o->run == j->count) return o->p + r->at;
	size_t from = offset(j, o, r);
	if (o->run >= r->len && r->at % o->run + r->len <= o->run) return o->p + from;
	float *to = w->pool + (size_t)o->slot * j->tile;
	if (o->steady && w->held[o->slot].len >= r->len && w->held[o->slot].from == from) return to;
	spread(j, o, *r, to);
	w->held[o->slot].from = from;
	w->held[o->slot].len = r->len;
	return to;
}

/* x[n / width][width] down its columns; narrow rows are taken several at a time. */
static void add_rows(const struct rows *rows, double *to, const float *x, size_t n, size_t width)
{
	float sum[TILE];
	size_t wide = least(rows_at_once(width) * width, n);

	for (size_t block; n; x += block, n -= block) {
		block = n >= wide ? least(n / wide, ROWS_DEEP) * wide : n;
		size_t across = least(block, wide);
		memset(sum, 0, across * sizeof *sum);
		rows->sum_down(sum, x, block / across, across);
		for (size_t i = 0; i < across; i += width)
			for (size_t k = 0; k < width; k++) to[k] += (double)sum[i + k];
	}
}

static void fold_tile(const struct job *j, const struct fold *f, int piece, const float *x,
		      struct range r)
{
	size_t base = (size_t)piece / f->each * f->region, end = r.at + r.len;
	double *partial = f->partial + (size_t)piece * f->region;

	for (;;) {
		double *to = partial + (offset(j, &f->out, &r) - base);
		size_t n = least(f->span - r.at % f->span, end - r.at);
		if (!f->width) *to += j->rows->sum(x, n);
		else if (r.at % f->width + n > f->width) add_rows(j->rows, to, x, n, f->width);
		else for (size_t k = 0; k < n; k++) to[k] += (double)x[k];
		if (r.at + n == end) break;
		x += n;
		r = make_range(j, r.at + n, end - r.at - n);
	}
}

static void run_tile(struct worker *w, int piece, size_t at, size_t len)
{
	const struct job *j = w->j;
	const float *made[CHAIN_MAX], *x[2];
	struct range r = make_range(j, at, len);

	for (int i = 0; i < j->n; i++) {
		const struct tile_step *s = &j->step[i];
		for (int k = 0; k < s->inputs; k++)
			x[k] = s->in[k].from >= 0 ? made[s->in[k].from] : fetch(w, &s->in[k], &r);
		if (!s->row) {
			fold_tile(j, &s->fold, piece, x[0], r);
			continue;
		}
		float *y = s->out ? s->out + at : w->pool + (size_t)s->slot * j->tile;
		s->row(y, x[0], s->inputs > 1 ? x[1] : x[0], len, s->f[0], s->f[1]);
		made[i] = y;
	}
}

/* Tiles end with an inner row if those are longer than a tile, else with a leading row if those
 * are, else whole leading rows are taken together. */
static size_t tile_end(const struct job *j, size_t at)
{
	size_t inner = j->d[j->rank - 1];

	if (inner > j->tile) return least(at + j->tile, (at / inner + 1) * inner);
	if (j->row > j->tile)
		return least(at + j->tile / inner * inner, (at / j->row + 1) * j->row);
	return at + j->tile / j->row * j->row;
}

static void run_columns(struct worker *w, int piece)
{
	const struct job *j = w->j;
	size_t from = (size_t)piece * j->unit, end = least(from + j->unit, j->row);

	for (size_t next; from < end; from = next) {
		next = least(from + j->tile, end);
		for (size_t k = 0; k < j->d[0]; k++)
			run_tile(w, piece, k * j->row + from, next - from);
	}
}

static void run_piece(struct worker *w, int piece)
{
	const struct job *j = w->j;
	size_t first = j->split ? (size_t)piece / j->split * j->row : 0;
	size_t at = first + (j->split ? (size_t)piece % j->split : (size_t)piece) * j->unit;
	size_t end = least(at + j->unit, j->split ? first + j->row : j->count);

	for (int i = 0; i < j->n; i++)
		if (!j->step[i].row) {
			const struct fold *f = &j->step[i].fold;
			memset(f->partial + (size_t)piece * f->region, 0,
			       f->region * sizeof *f->partial);
		}
	if (j->columns) {
		run_columns(w, piece);
		return;
	}
	for (size_t next; at < end; at = next) {
		next = least(tile_end(j, at), end);
		run_tile(w, piece, at, next - at);
	}
}

static void add_up(const struct fold *f, float *y, int threads)
{
#pragma omp parallel for if (f->count * f->each > CPU_ALONE) num_threads(threads)
	for (size_t i = 0; i < f->count; i++) {
		const double *from =
			f->partial + i / f->region * f->each * f->region + i % f->region;
		double sum = 0;
		for (size_t k = 0; k < f->each; k++) sum += from[k * f->region];
		y[i] = (float)sum;
	}
}

static void start_worker(struct worker *w, const struct job *j, float *pool, int thread)
{
	w->j = j;
	w->pool = j->slots ? pool + (size_t)thread * POOL : NULL;
	for (int i = 0; i < j->slots && i < 2 * CHAIN_MAX; i++) w->held[i].len = 0;
}

void cpu_chain(struct backend *b, const struct chain *c)
{
	struct job j;

	make_job(&j, c);
	size_t partials = partial_bytes(&j, b->work);
	float *pool = j.slots ? (float *)((char *)b->work + partials) : NULL;
	if (b->threads == 1 || j.count < CPU_ALONE) {
		struct worker w;
		start_worker(&w, &j, pool, 0);
		for (int i = 0; i < j.pieces; i++) run_piece(&w, i);
	} else {
#pragma omp parallel num_threads(b->threads)
		{
			struct worker w;
			start_worker(&w, &j, pool, omp_get_thread_num());
#pragma omp for schedule(static)
			for (int i = 0; i < j.pieces; i++) run_piece(&w, i);
		}
	}
	for (int i = 0; i < j.n; i++)
		if (!j.step[i].row) add_up(&j.step[i].fold, j.step[i].out, b->threads);
}
