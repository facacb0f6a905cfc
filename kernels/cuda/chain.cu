/* chain: element-wise steps and sums as one pass over their space, each thread a small interpreter;
 * moments are two such passes, single element-wise ops chains of one step.
 *
 * The space is first brought to as few dimensions as its views allow (kernels/chain.h).  A sum runs
 * over its results and, split in parts that depend on the shape alone, over what adds to each; the
 * parts are added up in order: the same bytes each time. */
#include "kernels/chain.h"
#include "kernels/cuda/steps.h"

enum { EACH = 2, WARPS = THREADS / WARP };
enum { TARGET_BLOCKS = 528 };                /* four for each processor of an H100 */

/* What becomes of the parts, each a sum and its error: y = their sum times factor. */
struct fold_end {
	float *partial;                      /* [parts][results][2], where there are several */
	float *y;
	unsigned results;
	int parts;
	float factor;
};

/* Result o is the sum over the dimensions `cut` of where `kept` has it. */
struct fold {
	struct space s;                      /* the last step's result is what is added up */
	int kept, cut;                       /* which dimensions, as bits */
	unsigned results, terms, part;       /* terms of a result, and how many of them in a part */
	/* results next to each other that a thread has, of 1 << wide threads next to each other in
	 * a row; 0: the lanes of a warp are terms of one, or all threads of a block (whole) */
	int lanes, wide, whole;
	struct fold_end end;
};

/* A thread has EACH times `lanes` elements. */
DEVICE void each(const struct space *s, int lanes)
{
	unsigned step = (unsigned)(THREADS * lanes);
	unsigned e = (unsigned)BLOCK_X * EACH * step + (unsigned)(THREAD * lanes);
	unsigned i[4] = { 0, 0, 0, 0 };
	SIXTEEN float kept[CHAIN_MAX * LANES];
	float r[LANES] = { 0 };

	for (int k = 0; k < EACH && e < s->count; k++, e += step) {
		spread(s, s->varied, e, i);
		run_steps(s, e, i, kept, r, lanes);
	}
}

KERNEL(chain_each, struct space) { each(&a, 1); }
KERNEL(chain_eights, struct space) { each(&a, LANES); }

/* sum and its rounding error (Knuth's two-sum). */
struct pair { float sum, error; };

DEVICE void pair_add(struct pair *to, float x)
{
	float s = to->sum + x, back = s - to->sum;

	to->error += (to->sum - (s - back)) + (x - back);
	to->sum = s;
}

/* Term t of the `lanes` results the first of which has the indices i. */
DEVICE void term(const struct fold *f, unsigned *i, unsigned t, float *kept, float *r, int lanes)
{
	unsigned e = 0;

	spread(&f->s, f->cut, t, i);
	UNROLL
	for (int k = 0; k < 4; k++) e = e * f->s.d[k].d + i[k];
	run_steps(&f->s, e, i, kept, r, lanes);
}

/* What overflowed has no error to add. */
DEVICE void put_end(const struct fold_end *e, unsigned o, struct pair p)
{
	float whole = p.sum + p.error;

	e->y[o] = (whole == whole ? whole : p.sum) * e->factor;
}

DEVICE void put_part(const struct fold_end *e, unsigned o, struct pair p)
{
	float *to = e->partial + 2 * ((size_t)BLOCK_Y * e->results + o);

	if (e->parts == 1) {
		put_end(e, o, p);
		return;
	}
	to[0] = p.sum;
	to[1] = p.error;
}

/* Threads are results; of a block's rows, which are no fewer than LANES, each has every so manieth
 * term. */
DEVICE void fold_results(const struct fold *f, int lanes)
{
	SHARED struct pair part[LANES][THREADS];
	int wide = 1 << f->wide, rows = THREADS >> f->wide;
	int lane = THREAD & (wide - 1), row = THREAD >> f->wide;
	unsigned o = (unsigned)((BLOCK_X * wide + lane) * lanes);
	unsigned begin = (unsigned)BLOCK_Y * f->part, i[4] = { 0, 0, 0, 0 };
	unsigned end = begin + f->part < f->terms ? begin + f->part : f->terms;
	struct pair sum[LANES] = { { 0, 0 } };
	SIXTEEN float kept[CHAIN_MAX * LANES];
	float r[LANES] = { 0 };

	spread(&f->s, f->kept, o, i);
	for (unsigned t = begin + (unsigned)row; o < f->results && t < end; t += (unsigned)rows) {
		term(f, i, t, kept, r, lanes);
		UNROLL
		for (int l = 0; l < lanes; l++) pair_add(&sum[l], r[l]);
	}
	UNROLL
	for (int l = 0; l < lanes; l++) part[l][THREAD] = sum[l];
	sync_threads();
	o += (unsigned)row;                  /* from here on a row is one of a thread's results */
	if (row >= lanes || o >= f->results) return;
	struct pair whole = part[row][lane];
	for (int k = 1; k < rows; k++) {
		struct pair more = part[row][k * wide + lane];
		pair_add(&whole, more.sum);
		whole.error += more.error;
	}
	put_part(&f->end, o, whole);
}

KERNEL(fold_lanes, struct fold) { fold_results(&a, 1); }
KERNEL(fold_eights, struct fold) { fold_results(&a, LANES); }

/* Lanes are terms: a warp has one result, or a block has.  More blocks at once than TARGET_BLOCKS
 * has no run. */
KERNEL_OF(THREADS, 4, fold_terms, struct fold)
{
	SHARED struct pair part[WARPS];
	int lane = THREAD % WARP, warp = THREAD / WARP;
	unsigned o = (unsigned)(a.whole ? BLOCK_X : BLOCK_X * WARPS + warp);
	unsigned begin = (unsigned)BLOCK_Y * a.part, i[4] = { 0 };
	unsigned end = begin + a.part < a.terms ? begin + a.part : a.terms;
	unsigned first = (unsigned)(a.whole ? THREAD : lane), step = a.whole ? THREADS : WARP;
	struct pair sum = { 0, 0 };
	float kept[CHAIN_MAX], r = 0;

	spread(&a.s, a.kept, o, i);
	for (unsigned t = begin + first; o < a.results && t < end; t += step) {
		term(&a, i, t, kept, &r, 1);
		pair_add(&sum, r);
	}
	for (int lanes = WARP / 2; lanes; lanes /= 2) {
		float other = shuffle_xor(sum.sum, lanes), error = shuffle_xor(sum.error, lanes);
		pair_add(&sum, other);
		sum.error += error;
	}
	if (a.whole) {
		if (!lane) part[warp] = sum;
		sync_threads();
		for (int w = 1; w < WARPS; w++) {
			pair_add(&sum, part[w].sum);
			sum.error += part[w].error;
		}
	}
	if (!(a.whole ? THREAD : lane) && o < a.results) put_part(&a.end, o, sum);
}

KERNEL(fold_parts, struct fold_end)
{
	unsigned o = (unsigned)BLOCK_X * THREADS + (unsigned)THREAD;
	struct pair sum = { 0, 0 };

	if (o >= a.results) return;
	UNROLL_BY(8)
	for (int k = 0; k < a.parts; k++) {
		const float *p = a.partial + 2 * ((size_t)k * a.results + o);
		pair_add(&sum, p[0]);
		sum.error += p[1];
	}
	put_end(&a, o, sum);
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

/* Returns its bits.  from: the step whose result it is, or -1. */
static unsigned make_operand(struct operand *o, const struct space *s, const int *origin,
			     struct view v, int from, int lanes)
{
	unsigned stride = 1, how = MEMORY;

	o->from = from;
	o->p = v.p;
	if (from >= 0) return KEPT;
	for (int k = 3; k >= 0; k--) {
		bool varies = v.s.d[origin[k]] != 1 || s->d[k].d == 1;
		o->stride[k] = varies ? (int)stride : 0;
		if (varies) stride *= s->d[k].d;
		else how |= PLACED;
	}
	return how | (lanes > 1 && o->stride[3] ? v.bf16 ? HALVES : 0 : v.bf16 ? HALF : ONE);
}

/* Of more than one element to each of the results. */
static bool is_sum(const struct chain_step *s, const struct space *all)
{
	return s->op == OP_sum_to && shape_count(s->out.s) != all->count;
}

static void make_steps(struct space *s, const struct chain *c, const int *origin, int lanes)
{
	memset(s->step, 0, sizeof s->step);
	s->n = c->n;
	for (int i = 0; i < c->n; i++) {
		const struct chain_step *from = &c->step[i];
		struct device_step *t = &s->step[i];
		int op = from->op == OP_sum_to ? (int)OP_expand : (int)from->op;
		t->how = (unsigned)op << OP_AT;
		t->f[0] = from->a.f[0];
		t->f[1] = from->a.f[1];
		for (int k = 0; k < from->inputs; k++)
			t->how |= OPERAND(k, make_operand(&t->in[k], s, origin, from->in[k],
							  from->from[k], lanes));
		if (is_sum(from, s)) continue;
		t->out = from->out.p;
		if (from->out.bf16) t->how |= ROUND;
		if (from->out.p) t->how |= from->out.bf16 ? STORE_HALVES : STORE;
	}
}

static void make_fold(struct fold *f, const struct chain_step *sum, const int *origin)
{
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
	f->lanes = !inner ? 0 : f->s.d[3].d % LANES ? 1 : LANES;
	for (f->wide = 0; f->wide < 5 && f->lanes << f->wide < (int)f->results; f->wide++);
	f->whole = !inner && f->terms >= 4 * THREADS;
}

static int blocks_across(const struct fold *f)
{
	return blocks_for(f->results, f->lanes ? f->lanes << f->wide : f->whole ? 1 : (int)WARPS);
}

/* Parts so that the device has enough to do, and each has enough terms. */
static int parts_of(const struct fold *f)
{
	int across = blocks_across(f);
	int threads = f->lanes ? THREADS >> f->wide : f->whole ? (int)THREADS : (int)WARP;
	unsigned enough = 16 * (unsigned)threads;
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

/* Leaves the steps that lead to the sum, and with `stores` those that store or lead to one; the sum
 * becomes the last, or none where that is its operand already.  sum -1: there is none. */
static void prune(struct space *s, int sum, bool stores)
{
	struct device_step end = s->step[sum < 0 ? 0 : sum];
	bool needed[CHAIN_MAX] = { false };
	int number[CHAIN_MAX] = { 0 }, n = 0;

	for (int i = s->n - 1; i >= 0; i--) {
		struct device_step *t = &s->step[i];
		if (!stores) t->how &= ~(unsigned)(STORE | STORE_HALVES);
		needed[i] |= i == sum || t->how & (STORE | STORE_HALVES);
		for (int k = 0; k < 2 && needed[i]; k++)
			if (t->how & OPERAND(k, KEPT)) needed[t->in[k].from] = true;
	}
	for (int i = 0; i < s->n; i++) {
		if (!needed[i] || i == sum) continue;
		number[i] = n;
		s->step[n++] = s->step[i];
	}
	bool there = end.how & OPERAND(0, KEPT) && number[end.in[0].from] == n - 1;
	if (sum >= 0 && !there) s->step[n++] = end;
	s->n = n;
	for (int i = 0; i < n; i++)
		for (int k = 0; k < 2; k++)
			if (s->step[i].how & OPERAND(k, KEPT))
				s->step[i].in[k].from = number[s->step[i].in[k].from];
}

/* x + y or x y, the second of which is the result before: the first then. */
static void turn(struct device_step *t, int before)
{
	unsigned op = t->how >> OP_AT, both = MEMORY | KEPT | PLACED | HALVES | ONE | HALF;
	struct operand x = t->in[0];

	if ((op != OP_add && op != OP_mul) || !(t->how & OPERAND(1, KEPT)) ||
	    t->in[1].from != before)
		return;
	t->how = (t->how & ~(both | both << OPERAND_BITS)) | (t->how & both) << OPERAND_BITS | KEPT;
	t->in[0] = t->in[1];
	t->in[1] = x;
}

/* What the next step has as its first operand need not be kept, and what none reads not rounded but
 * where it is stored. */
static void connect(struct space *s, bool folds)
{
	uint32_t read = folds ? 1u << (s->n - 1) : 0, placed = 0;

	for (int i = 0; i < s->n; i++) {
		struct device_step *t = &s->step[i];
		turn(t, i - 1);
		for (int k = 0; k < 2; k++) {
			int from = t->in[k].from;
			placed |= t->how & OPERAND(k, PLACED);
			if (!(t->how & OPERAND(k, KEPT))) continue;
			read |= 1u << from;
			if (!k && from == i - 1) t->how ^= KEPT;
			else s->step[from].how |= KEEP;
		}
	}
	for (int i = 0; i < s->n; i++)
		if (!(read >> i & 1)) s->step[i].how &= ~(unsigned)ROUND;
	s->varied = 0;
	for (int k = 0; k < 4 && placed; k++) s->varied |= (s->d[k].d > 1) << k;
}

static void run_fold(struct backend *b, struct fold *f, float *y, double factor)
{
	int parts = parts_of(f), across = blocks_across(f);
	struct fold_end e = { (float *)b->work, y, f->results, parts, (float)factor };

	f->part = (f->terms + (unsigned)parts - 1) / (unsigned)parts;
	f->end = e;
	if (f->lanes == LANES) LAUNCH(b, fold_eights, across, parts, 1, *f);
	else if (f->lanes) LAUNCH(b, fold_lanes, across, parts, 1, *f);
	else LAUNCH(b, fold_terms, across, parts, 1, *f);
	if (parts > 1) LAUNCH(b, fold_parts, blocks_for(f->results, THREADS), 1, 1, e);
}

/* The last pass stores, when all others have read what is written over. */
void cuda_chain_scaled(struct backend *b, const struct chain *c, double factor)
{
	struct fold f;
	int origin[4], last = -1;

	make_dims(&f.s, c, origin);
	for (int i = 0; i < c->n; i++)
		if (is_sum(&c->step[i], &f.s)) last = i;
	for (int i = 0; i <= last; i++) {
		if (!is_sum(&c->step[i], &f.s)) continue;
		make_fold(&f, &c->step[i], origin);
		make_steps(&f.s, c, origin, f.lanes);
		prune(&f.s, i, i == last);
		connect(&f.s, true);
		run_fold(b, &f, c->step[i].out.p, factor);
	}
	if (last >= 0) return;
	int lanes = f.s.d[3].d % LANES ? 1 : LANES;
	int across = blocks_for(f.s.count, lanes * THREADS * EACH);
	make_steps(&f.s, c, origin, lanes);
	prune(&f.s, -1, true);
	connect(&f.s, false);
	if (lanes == 1) LAUNCH(b, chain_each, across, 1, 1, f.s);
	else LAUNCH(b, chain_eights, across, 1, 1, f.s);
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
