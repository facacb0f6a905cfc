/* chain: element-wise steps and sums as one pass over their space, each thread a small interpreter;
 * moments are two such passes, single element-wise ops chains of one step.
 *
 * The space is first brought to as few dimensions as its views allow (kernels/chain.h).  A sum runs
 * over its results and, split in parts that depend on the shape alone, over what adds to each; the
 * parts are added up in order: the same bytes each time. */
#include "kernels/chain.h"
#include "kernels/cuda/steps.h"

enum { EACH = 4, WARPS = THREADS / WARP, ALL = 15 };   /* ALL: dimensions */
enum { TARGET_BLOCKS = 528 };                /* four for each processor of an H100 */

/* Result o is the sum over the dimensions `cut` of where `kept` has it. */
struct fold {
	struct space s;
	struct operand in;
	int kept, cut;                       /* which dimensions, as bits */
	unsigned results, terms, part;       /* terms of a result, and how many of them in a part */
	/* results next to each other that a thread has, of `wide` threads next to each other in a
	 * row; 0: the lanes of a warp are terms of one */
	int lanes, wide;
	float *partial;                      /* [parts][results][2] */
};

struct fold_end { const float *partial; float *y; unsigned results; int parts; float factor; };

/* A thread has EACH times `lanes` elements. */
DEVICE void each(const struct space *s, int lanes)
{
	unsigned step = (unsigned)(THREADS * lanes);
	unsigned e = (unsigned)BLOCK_X * EACH * step + (unsigned)(THREAD * lanes);
	unsigned i[4] = { 0, 0, 0, 0 };
	SIXTEEN float kept[CHAIN_MAX * 4];
	float r[4] = { 0, 0, 0, 0 };

	for (int k = 0; k < EACH && e < s->count; k++, e += step) {
		if (s->placed) spread(s, ALL, e, i);
		run_steps(s, e, i, kept, r, lanes);
	}
}

KERNEL(chain_each, struct space) { each(&a, 1); }
KERNEL(chain_fours, struct space) { each(&a, 4); }

/* sum and its rounding error (Knuth's two-sum). */
struct pair { float sum, error; };

DEVICE void pair_add(struct pair *to, float x)
{
	float s = to->sum + x, back = s - to->sum;

	to->error += (to->sum - (s - back)) + (x - back);
	to->sum = s;
}

/* Term t of the `lanes` results the first of which has the indices i. */
DEVICE void term(const struct fold *f, unsigned *i, unsigned t, float *kept, float *x, int lanes)
{
	float r[4] = { 0, 0, 0, 0 };
	unsigned e = 0;

	spread(&f->s, f->cut, t, i);
	UNROLL
	for (int k = 0; k < 4; k++) e = e * f->s.d[k].d + i[k];
	run_steps(&f->s, e, i, kept, r, lanes);
	take(&f->in, e, i, r, kept, x, lanes);
}

DEVICE void put_part(const struct fold *f, unsigned o, struct pair p)
{
	float *to = f->partial + 2 * ((size_t)BLOCK_Y * f->results + o);

	to[0] = p.sum;
	to[1] = p.error;
}

/* Threads are results; of a block's rows each has every so manieth term. */
DEVICE void fold_results(const struct fold *f, int lanes)
{
	SHARED struct pair part[THREADS][4];
	int rows = THREADS / f->wide, lane = THREAD % f->wide, row = THREAD / f->wide;
	unsigned o = (unsigned)((BLOCK_X * f->wide + lane) * lanes);
	unsigned begin = (unsigned)BLOCK_Y * f->part, i[4] = { 0, 0, 0, 0 };
	unsigned end = begin + f->part < f->terms ? begin + f->part : f->terms;
	struct pair sum[4] = { { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } };
	SIXTEEN float kept[CHAIN_MAX * 4];
	float x[4];

	spread(&f->s, f->kept, o, i);
	for (unsigned t = begin + (unsigned)row; o < f->results && t < end; t += (unsigned)rows) {
		term(f, i, t, kept, x, lanes);
		UNROLL
		for (int l = 0; l < lanes; l++) pair_add(&sum[l], x[l]);
	}
	UNROLL
	for (int l = 0; l < lanes; l++) part[THREAD][l] = sum[l];
	sync_threads();
	if (row || o >= f->results) return;
	UNROLL
	for (int l = 0; l < lanes; l++) {
		for (int k = 1; k < rows; k++) {
			pair_add(&sum[l], part[k * f->wide + lane][l].sum);
			sum[l].error += part[k * f->wide + lane][l].error;
		}
		put_part(f, o + (unsigned)l, sum[l]);
	}
}

KERNEL(fold_lanes, struct fold) { fold_results(&a, 1); }
KERNEL(fold_fours, struct fold) { fold_results(&a, 4); }

/* Lanes are terms: a warp has one result.  More blocks at once than TARGET_BLOCKS has no run. */
KERNEL_OF(THREADS, 4, fold_terms, struct fold)
{
	int lane = THREAD % WARP;
	unsigned o = (unsigned)BLOCK_X * WARPS + (unsigned)(THREAD / WARP),
		 begin = (unsigned)BLOCK_Y * a.part;
	unsigned end = begin + a.part < a.terms ? begin + a.part : a.terms, i[4] = { 0 };
	struct pair sum = { 0, 0 };
	float kept[CHAIN_MAX], x;

	spread(&a.s, a.kept, o, i);
	for (unsigned t = begin + (unsigned)lane; o < a.results && t < end; t += WARP) {
		term(&a, i, t, kept, &x, 1);
		pair_add(&sum, x);
	}
	for (int lanes = WARP / 2; lanes; lanes /= 2) {
		float other = shuffle_xor(sum.sum, lanes), error = shuffle_xor(sum.error, lanes);
		pair_add(&sum, other);
		sum.error += error;
	}
	if (!lane && o < a.results) put_part(&a, o, sum);
}

KERNEL(fold_parts, struct fold_end)
{
	unsigned o = (unsigned)BLOCK_X * THREADS + (unsigned)THREAD;
	struct pair sum = { 0, 0 };

	if (o >= a.results) return;
	for (int k = 0; k < a.parts; k++) {
		const float *p = a.partial + 2 * ((size_t)k * a.results + o);
		pair_add(&sum, p[0]);
		sum.error += p[1];
	}
	/* what overflowed has no error to add */
	float whole = sum.sum + sum.error;
	a.y[o] = (whole == whole ? whole : sum.sum) * a.factor;
}

/* The dimensions of s; origin: one of the chain's that each comes from. */
static void make_dims(struct space *s, const struct chain *c, int origin[4])
{
	size_t d[4];
	int from[4], rank = chain_dims(c, d, from), more = 4 - rank;

	for (int k = 0; k < 4; k++) {
		s->d[k] = make_divisor(k < more ? 1 : (unsigned)d[k - more]);
		origin[k] = k < more ? 0 : from[k - more];
	}
	s->count = (unsigned)shape_count(c->space);
}

/* from: the step whose result it is, or -1. */
static struct operand make_operand(const struct space *s, const int *origin, struct view v,
				   int from)
{
	struct operand o;
	unsigned stride = 1;

	memset(&o, 0, sizeof o);
	o.source = from >= 0 ? KEPT : WHOLE;
	o.from = from;
	o.d = data_of(v);
	for (int k = 3; k >= 0 && from < 0; k--) {
		bool varies = v.s.d[origin[k]] != 1 || s->d[k].d == 1;
		o.stride[k] = varies ? (int)stride : 0;
		if (varies) stride *= s->d[k].d;
		else o.source = PLACED;
	}
	return o;
}

static void make_steps(struct space *s, const struct chain *c, const int *origin)
{
	memset(s->step, 0, sizeof s->step);
	s->n = c->n;
	for (int i = 0; i < c->n; i++) {
		const struct chain_step *from = &c->step[i];
		struct device_step *t = &s->step[i];
		bool sums = from->op == OP_sum_to && shape_count(from->out.s) < s->count;
		t->op = from->op == OP_sum_to ? (int)OP_expand : (int)from->op;
		t->f[0] = from->a.f[0];
		t->f[1] = from->a.f[1];
		for (int k = 0; k < from->inputs; k++)
			t->in[k] = make_operand(s, origin, from->in[k], from->from[k]);
		t->out = data_of(from->out);
		if (sums) t->out.p = NULL;
	}
}

static void make_fold(struct fold *f, const struct chain_step *sum, const int *origin)
{
	f->in = make_operand(&f->s, origin, sum->in[0], sum->from[0]);
	f->kept = f->cut = 0;
	f->results = f->terms = 1;
	for (int k = 0; k < 4; k++) {
		if (sum->out.s.d[origin[k]] != 1 || f->s.d[k].d == 1) {
			f->kept |= 1 << k;
			f->results *= f->s.d[k].d;
		} else {
			f->cut |= 1 << k;
			f->terms *= f->s.d[k].d;
		}
	}
	bool inner = f->kept >> 3 && f->results > 1;
	f->lanes = !inner ? 0 : f->s.d[3].d % 4 ? 1 : 4;
	for (f->wide = 1; f->wide < WARP && f->wide * f->lanes < (int)f->results; f->wide *= 2);
}

static int blocks_across(const struct fold *f)
{
	return blocks_for(f->results, f->lanes ? f->wide * f->lanes : (int)WARPS);
}

/* Parts so that the device has enough to do, and each has enough terms. */
static int parts_of(const struct fold *f)
{
	int across = blocks_across(f);
	unsigned enough = 16 * (unsigned)(f->lanes ? THREADS / f->wide : (int)WARP);
	unsigned most = (f->terms + enough - 1) / enough;
	unsigned want = (unsigned)((TARGET_BLOCKS + across - 1) / across);

	want = want < most ? want : most;
	return want > 1 ? (int)want : 1;
}

static size_t chain_scratch(struct backend *b, const struct chain *c)
{
	struct fold f;
	int origin[4];
	size_t most = 0;

	(void)b;
	make_dims(&f.s, c, origin);
	for (int i = 0; i < c->n; i++) {
		if (c->step[i].op != OP_sum_to) continue;
		make_fold(&f, &c->step[i], origin);
		size_t n = (size_t)parts_of(&f) * f.results * 2 * sizeof(float);
		if (n > most) most = n;
	}
	return most;
}

/* The operand, when the steps have these numbers. */
static void renumber(struct operand *o, const int *number)
{
	if (o->source == KEPT) o->from = number[o->from];
}

/* What is read right after it was computed need not be kept; now: the number of steps until then.
 */
static void choose_source(struct space *s, struct operand *o, int now)
{
	s->placed |= o->source == PLACED;
	if (o->source != KEPT) return;
	if (o->from == now - 1) o->source = BEFORE;
	else s->step[o->from].kept = 1;
}

/* Leaves the steps that lead to the sum, and with `stores` those that store or lead to one. */
static void prune(struct space *s, struct operand *sum, bool stores)
{
	bool needed[CHAIN_MAX] = { false };
	int number[CHAIN_MAX] = { 0 }, n = 0;

	if (sum->source == KEPT) needed[sum->from] = true;
	for (int i = s->n - 1; i >= 0; i--) {
		if (!stores) s->step[i].out.p = NULL;
		needed[i] |= s->step[i].out.p != NULL;
		for (int k = 0; k < 2 && needed[i]; k++)
			if (s->step[i].in[k].source == KEPT) needed[s->step[i].in[k].from] = true;
	}
	for (int i = 0; i < s->n; i++) {
		if (!needed[i]) continue;
		number[i] = n;
		s->step[n] = s->step[i];
		for (int k = 0; k < 2; k++) renumber(&s->step[n].in[k], number);
		n++;
	}
	s->n = n;
	s->placed = 0;
	renumber(sum, number);
	for (int i = 0; i < n; i++)
		for (int k = 0; k < 2; k++) choose_source(s, &s->step[i].in[k], i);
	choose_source(s, sum, n);
}

static void run_fold(struct backend *b, struct fold *f, float *y, double factor)
{
	int parts = parts_of(f), across = blocks_across(f);
	struct fold_end e;

	f->part = (f->terms + (unsigned)parts - 1) / (unsigned)parts;
	f->partial = (float *)b->work;
	if (f->lanes == 4) LAUNCH(b, fold_fours, across, parts, 1, *f);
	else if (f->lanes) LAUNCH(b, fold_lanes, across, parts, 1, *f);
	else LAUNCH(b, fold_terms, across, parts, 1, *f);
	e.partial = f->partial;
	e.y = y;
	e.results = f->results;
	e.parts = parts;
	e.factor = (float)factor;
	LAUNCH(b, fold_parts, blocks_for(f->results, THREADS), 1, 1, e);
}

/* Of more than one element to each of the results. */
static bool is_sum(const struct chain_step *s, const struct space *all)
{
	return s->op == OP_sum_to && shape_count(s->out.s) != all->count;
}

/* The last pass stores, when all others have read what is written over. */
void cuda_chain_scaled(struct backend *b, const struct chain *c, double factor)
{
	struct operand none = { NOWHERE, 0, { NULL, 0 }, { 0, 0, 0, 0 } };
	struct fold f;
	int origin[4], last = -1;

	make_dims(&f.s, c, origin);
	for (int i = 0; i < c->n; i++)
		if (is_sum(&c->step[i], &f.s)) last = i;
	for (int i = 0; i <= last; i++) {
		if (!is_sum(&c->step[i], &f.s)) continue;
		make_steps(&f.s, c, origin);
		make_fold(&f, &c->step[i], origin);
		prune(&f.s, &f.in, i == last);
		run_fold(b, &f, c->step[i].out.p, factor);
	}
	if (last >= 0) return;
	make_steps(&f.s, c, origin);
	prune(&f.s, &none, true);
	if (f.s.d[3].d % 4)
		LAUNCH(b, chain_each, blocks_for(f.s.count, THREADS * EACH), 1, 1, f.s);
	else LAUNCH(b, chain_fours, blocks_for(f.s.count, 4 * THREADS * EACH), 1, 1, f.s);
}

static void chain(struct backend *b, const struct chain *c)
{
	cuda_chain_scaled(b, c, 1);
}

static struct chain_step make_step(enum op op, struct view y, const struct view *x, int inputs,
				   const struct attr *a)
{
	struct chain_step s;

	memset(&s, 0, sizeof s);
	s.op = op;
	if (a) s.a = *a;
	s.inputs = inputs;
	s.out = y;
	s.from[0] = s.from[1] = s.from[2] = -1;
	for (int k = 0; k < inputs; k++) s.in[k] = x[k];
	return s;
}

static void one(struct backend *b, enum op op, int inputs, struct view y, const struct view *x,
		const struct attr *a)
{
	struct chain_step s = make_step(op, y, x, inputs, a);
	struct chain c;

	c.space = op == OP_sum_to ? x[0].s : y.s;
	c.n = 1;
	c.step = &s;
	cuda_chain_scaled(b, &c, 1);
}

#define OP(name, inputs, klass, what) DEFINE_##klass(name, inputs)
#define DEFINE_EW(name, inputs) \
	static void cuda_##name(struct backend *b, struct view y, const struct view *x, \
				const struct attr *a) \
	{ \
		one(b, OP_##name, inputs, y, x, a); \
	}
#define DEFINE_REDUCE(name, inputs)
#define DEFINE_MOVE(name, inputs)
#define DEFINE_LINEAR(name, inputs)
#define DEFINE_OTHER(name, inputs)
#include "kernels/ops.def"
#undef OP

DEFINE_EW(sum_to, 1)

static size_t sum_to_scratch(struct backend *b, struct view y, const struct view *x,
			     const struct attr *a)
{
	struct chain_step s = make_step(OP_sum_to, y, x, 1, a);
	struct chain c;

	c.space = x[0].s;
	c.n = 1;
	c.step = &s;
	return chain_scratch(b, &c);
}

static struct shape per_channel(struct shape x)
{
	x.d[0] = x.d[1] = x.d[2] = 1;
	return x;
}

/* mean = sum(x) / n; variance = sum((x - mean)^2) / n */
static void moments(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	struct view mean, var, in[2], inside;
	struct chain_step s[3];
	struct chain c;
	double part = (double)x[0].s.d[3] / (double)shape_count(x[0].s);

	mean = var = y;
	mean.s = var.s = per_channel(x[0].s);
	var.p = y.p + x[0].s.d[3];
	memset(&inside, 0, sizeof inside);
	inside.s = x[0].s;
	s[0] = make_step(OP_sum_to, mean, x, 1, a);
	c.space = x[0].s;
	c.n = 1;
	c.step = s;
	cuda_chain_scaled(b, &c, part);

	in[0] = x[0];
	in[1] = mean;
	s[0] = make_step(OP_sub, inside, in, 2, a);
	in[0] = in[1] = inside;
	s[1] = make_step(OP_mul, inside, in, 2, a);
	s[1].from[0] = s[1].from[1] = 0;
	s[2] = make_step(OP_sum_to, var, &inside, 1, a);
	s[2].from[0] = 1;
	c.n = 3;
	cuda_chain_scaled(b, &c, part);
}

static size_t moments_scratch(struct backend *b, struct view y, const struct view *x,
			      const struct attr *a)
{
	y.s = per_channel(x[0].s);
	return sum_to_scratch(b, y, x, a);
}

void cuda_chain_fill(struct backend *b)
{
#define OP(name, inputs, klass, what) FILL_##klass(name)
#define FILL_EW(name) b->op[OP_##name] = cuda_##name;
#define FILL_REDUCE(name)
#define FILL_MOVE(name)
#define FILL_LINEAR(name)
#define FILL_OTHER(name)
#include "kernels/ops.def"
#undef OP
	b->op[OP_sum_to] = cuda_sum_to;
	b->scratch[OP_sum_to] = sum_to_scratch;
	b->op[OP_moments] = moments;
	b->scratch[OP_moments] = moments_scratch;
	b->chain = chain;
	b->chain_scratch = chain_scratch;
}
