/* check-chain: random chains of element-wise steps and sums against the same steps one by one, for
 * several thread counts; and on an emulated GPU, with values of bf16 among them. */
#include "kernels/kernels.h"
#include "lib/base/fail.h"
#include "lib/base/rng.h"
#include "tests/library.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

enum { CHAINS = 300, DEVICE_CHAINS = 150, GUARD = 32 };
static const uint32_t guard_word = 0x7fdeadbe;

static float *guarded(size_t n)
{
	uint32_t *p = aligned_alloc(64, (n + 2 * GUARD + 15) / 16 * 64);

	if (!p) abort();
	for (size_t i = 0; i < n + 2 * GUARD; i++) p[i] = guard_word;
	return (float *)p + GUARD;
}

static bool guards_hold(const float *p, size_t n)
{
	const uint32_t *from = (const uint32_t *)p;

	for (int i = 0; i < GUARD; i++)
		if (from[i - GUARD] != guard_word || from[n + (size_t)i] != guard_word)
			return false;
	return true;
}

static int choose(struct rng *r, int n)
{
	return (int)rng_below(r, (uint32_t)n);
}

static struct shape random_space(struct rng *r, size_t most)
{
	static const int n[] = { 1, 2, 3, 17, 33, 70, 200 }, c[] = { 1, 3, 8, 33, 130, 1025, 5003 };
	static const int side[] = { 1, 1, 2, 5, 9, 16 };
	struct shape s;

	if (most > 100000 && !choose(r, 6))   /* a few long rows */
		return (struct shape){ { 2 + choose(r, 2), 16, 16, 130 } };
	do {
		int h = side[choose(r, 6)], w = side[choose(r, 6)];
		s = (struct shape){ { n[choose(r, 7)], h, w, c[choose(r, 7)] } };
	} while (shape_count(s) > most);
	return s;
}

/* Some of the dimensions made 1. */
static struct shape thinned(struct rng *r, struct shape s)
{
	static const int usual[] = { 0, 15, 7, 14, 6, 1 };   /* bit k: dimension k is made 1 */
	bool long_rows = s.d[0] < 4 && s.d[1] == 16 && s.d[2] == 16;
	int mask = long_rows && choose(r, 4) ? 1
		: choose(r, 4) ? usual[choose(r, 6)] : choose(r, 16);

	for (int k = 0; k < 4; k++)
		if (mask >> k & 1) s.d[k] = 1;
	return s;
}

static float *random_values(struct rng *r, size_t n)
{
	float *p = guarded(n);

	for (size_t i = 0; i < n; i++) p[i] = (float)(2 * rng_uniform(r) - 1);
	return p;
}

/* A chain, the memory it reads, and where its results go. */
struct trial {
	struct chain c;
	struct chain_step step[CHAIN_MAX];
	float *input[CHAIN_MAX][3], *out[CHAIN_MAX];
	bool stored[CHAIN_MAX];
	bool taken[CHAIN_MAX][3];
	/* the input whose memory it writes over; step -1: none */
	struct { int step, input; } over[CHAIN_MAX];
};

static void random_input(struct trial *t, struct rng *r, int i, int k, bool bf16)
{
	struct chain_step *s = &t->step[i];
	bool full = s->op == OP_sum_to;
	int from = i ? choose(r, i) : -1;

	s->from[k] = -1;
	if (s->op != OP_expand && !(s->op == OP_mul && k) && from >= 0 &&
	    t->step[from].op != OP_sum_to && choose(r, 3)) {
		s->from[k] = from;
		return;
	}
	struct shape shape = full ? t->c.space : thinned(r, t->c.space);
	t->input[i][k] = random_values(r, shape_count(shape));
	s->in[k] = (struct view){ .p = t->input[i][k], .s = shape, .bf16 = bf16 && choose(r, 2) };
}

static void random_step(struct trial *t, struct rng *r, int i, bool bf16)
{
	static const enum op ops[] = {
		OP_add, OP_sub, OP_mul, OP_scale, OP_tanh, OP_sigmoid, OP_lrelu, OP_lrelu_g,
		OP_clamp, OP_expand, OP_sum_to, OP_sum_to, OP_sum_to,
	};
	struct chain_step *s = &t->step[i];

	s->op = ops[choose(r, (int)(sizeof ops / sizeof *ops))];
	s->inputs = op_inputs[s->op];
	s->a.f[0] = (float)(rng_uniform(r) - 0.5);
	s->a.f[1] = s->a.f[0] + 0.5f;
	s->out.s = s->op == OP_sum_to ? thinned(r, t->c.space) : t->c.space;
	s->out.bf16 = bf16 && s->op != OP_sum_to && choose(r, 2);
	for (int k = 0; k < s->inputs; k++) random_input(t, r, i, k, bf16);
	t->stored[i] = s->op == OP_sum_to || i == t->c.n - 1 || !choose(r, 4);
	t->out[i] = guarded(shape_count(s->out.s));
	s->out.p = t->stored[i] ? t->out[i] : NULL;
}

/* Half of what is stored goes over an input, where there is one that no later step reads. */
static void random_place(struct trial *t, struct rng *r, int i)
{
	bool may = t->stored[i] && t->step[i].op != OP_sum_to && choose(r, 2);

	t->over[i].step = -1;
	for (int m = 0; m <= i && may; m++)
		for (int k = 0; k < t->step[m].inputs && t->step[m].op != OP_sum_to; k++) {
			const struct view *x = &t->step[m].in[k];
			if (t->step[m].from[k] >= 0 || t->taken[m][k] ||
			    shape_count(x->s) != shape_count(t->c.space) ||
			    x->bf16 != t->step[i].out.bf16)
				continue;
			t->over[i].step = m;
			t->over[i].input = k;
		}
	if (t->over[i].step >= 0) t->taken[t->over[i].step][t->over[i].input] = true;
}

/* most: numbers of its space; bf16: values may be. */
static void random_chain(struct trial *t, struct rng *r, size_t most, bool bf16)
{
	memset(t, 0, sizeof *t);
	t->c = (struct chain){ random_space(r, most), 1 + choose(r, CHAIN_MAX), t->step };
	for (int i = 0; i < t->c.n; i++) random_step(t, r, i, bf16);
	for (int i = 0; i < t->c.n; i++) random_place(t, r, i);
}

static void trial_free(struct trial *t)
{
	for (int i = 0; i < t->c.n; i++) {
		free(t->out[i] - GUARD);
		for (int k = 0; k < 3; k++)
			if (t->input[i][k]) free(t->input[i][k] - GUARD);
	}
}

static void reserve(struct backend *b, size_t bytes)
{
	if (backend_reserve(b, bytes)) abort();
}

/* One step of the trial as an op of the backend, into value[i]; inputs inside the chain are earlier
 * values. */
static void run_step(struct backend *b, const struct trial *t, int i, float **value, bool absolute,
		     float *y)
{
	const struct chain_step *s = &t->step[i];
	struct view in[2];
	float *sizes = NULL;

	for (int k = 0; k < s->inputs; k++) {
		in[k] = s->in[k];
		if (s->from[k] >= 0)
			in[k] = (struct view){ .p = value[s->from[k]], .s = t->c.space };
	}
	if (absolute) {
		size_t n = shape_count(in[0].s);
		sizes = guarded(n);
		for (size_t j = 0; j < n; j++) sizes[j] = fabsf(in[0].p[j]);
		in[0].p = sizes;
	}
	struct view to = { .p = y, .s = s->out.s };
	if (b->scratch[s->op]) reserve(b, b->scratch[s->op](b, to, in, &s->a));
	b->op[s->op](b, to, in, &s->a);
	if (sizes) free(sizes - GUARD);
}

/* Sums may differ in their order; everything else must be the same number. */
static bool agrees(const struct trial *t, int i, const float *want, const float *size)
{
	bool sums = t->step[i].op == OP_sum_to;

	for (size_t j = 0; j < shape_count(t->step[i].out.s); j++) {
		double off = fabs((double)t->out[i][j] - (double)want[j]);
		if (!(off <= (sums ? 4 * 0x1p-23 * (double)size[j] : 0))) return false;
	}
	return true;
}

static bool matches_single_steps(struct backend *cpu, struct backend *ref, const struct trial *t)
{
	float *value[CHAIN_MAX];
	bool good = true;

	for (int i = 0; i < t->c.n; i++) {
		bool sums = t->step[i].op == OP_sum_to;
		size_t n = shape_count(t->step[i].out.s);
		float *size = guarded(n);
		value[i] = guarded(n);
		run_step(sums ? ref : cpu, t, i, value, false, value[i]);
		if (sums) run_step(ref, t, i, value, true, size);
		if (t->stored[i])
			good = good && agrees(t, i, value[i], size) && guards_hold(t->out[i], n);
		free(size - GUARD);
	}
	for (int i = 0; i < t->c.n; i++) free(value[i] - GUARD);
	return good;
}

/* The steps with the inputs that are written over where the results are to be. */
static void set_inputs(const struct trial *t, struct chain_step *step)
{
	memcpy(step, t->step, sizeof t->step);
	for (int i = 0; i < t->c.n; i++) {
		int m = t->over[i].step, k = t->over[i].input;
		if (m < 0) continue;
		memcpy(t->out[i], t->input[m][k], shape_count(t->c.space) * sizeof(float));
		step[m].in[k].p = t->out[i];
	}
}

/* Runs the chain with poisoned scratch between guards. */
static bool run_chain(const struct trial *t, int threads)
{
	struct chain_step step[CHAIN_MAX];
	struct chain c = { t->c.space, t->c.n, step };
	struct backend *b = backend_new("cpu", threads);

	set_inputs(t, step);
	size_t count = (b->chain_scratch(b, &c) + 3) / 4;
	float *work = guarded(count);

	b->work = work;
	b->chain(b, &c);
	b->work = NULL;
	bool held = guards_hold(work, count);
	free(work - GUARD);
	backend_free(b);
	return held;
}

static bool same_for_threads(const struct trial *t, int threads)
{
	float *first[CHAIN_MAX];
	bool same;

	for (int i = 0; i < t->c.n; i++) {
		size_t bytes = shape_count(t->step[i].out.s) * sizeof(float);
		first[i] = malloc(bytes);
		if (!first[i]) abort();
		memcpy(first[i], t->out[i], bytes);
	}
	same = run_chain(t, threads);
	for (int i = 0; i < t->c.n; i++) {
		same = same &&
		       !memcmp(first[i], t->out[i], shape_count(t->step[i].out.s) * sizeof(float));
		free(first[i]);
	}
	return same;
}

static size_t bytes_of(struct view v)
{
	return shape_count(v.s) * (v.bf16 ? 2 : 4);
}

/* Memory of the device, with NaN around it that guards it. */
static void *taken(struct backend *b, size_t bytes)
{
	size_t n = (bytes + 3) / 4;
	float *here = guarded(n);
	char *p = backend_take(b, (n + 2 * GUARD) * sizeof *here);

	must(p);
	backend_put(b, p, here - GUARD, (n + 2 * GUARD) * sizeof *here);
	free(here - GUARD);
	return p + GUARD * sizeof *here;
}

static void given_back(struct backend *b, void *p)
{
	if (p) backend_give(b, (char *)p - GUARD * sizeof(float));
}

/* The numbers of a view on the device; of bf16: their upper halves. */
static void *sent(struct backend *b, struct view v)
{
	size_t n = shape_count(v.s);
	uint16_t *halves = malloc(n * sizeof *halves);
	void *p = taken(b, bytes_of(v));

	if (!halves) abort();
	for (size_t i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, &v.p[i], sizeof bits);
		halves[i] = (uint16_t)(bits >> 16);
	}
	backend_put(b, p, v.bf16 ? (void *)halves : v.p, bytes_of(v));
	free(halves);
	return p;
}

/* Both hold the same bytes, and guards around them. */
static bool same_there(struct backend *b, struct view v, void *x, void *y)
{
	size_t n = (bytes_of(v) + 3) / 4, bytes = (n + 2 * GUARD) * sizeof(float);
	float *here[2] = { guarded(n), guarded(n) };

	backend_get(b, here[0] - GUARD, (float *)x - GUARD, bytes);
	backend_get(b, here[1] - GUARD, (float *)y - GUARD, bytes);
	bool same = !memcmp(here[0] - GUARD, here[1] - GUARD, bytes) && guards_hold(here[0], n);
	for (int k = 0; k < 2; k++) free(here[k] - GUARD);
	return same;
}

/* The steps of the chain on the device, one by one into value[]; step[]: those of the chain, with
 * the same inputs, and results of their own or over an input. */
static void run_steps(struct backend *b, const struct trial *t, struct chain_step *step,
		      struct view *value)
{
	memcpy(step, t->step, sizeof t->step);
	for (int i = 0; i < t->c.n; i++) {
		struct chain_step *s = &step[i];
		struct view in[OP_INPUTS] = { { 0 } };
		for (int k = 0; k < s->inputs; k++) {
			if (s->from[k] < 0) s->in[k].p = sent(b, s->in[k]);
			in[k] = s->from[k] < 0 ? s->in[k] : value[s->from[k]];
		}
		value[i] = s->out;
		value[i].p = taken(b, bytes_of(s->out));
		if (b->scratch[s->op]) reserve(b, b->scratch[s->op](b, value[i], in, &s->a));
		b->op[s->op](b, value[i], in, &s->a);
	}
	for (int i = 0; i < t->c.n; i++) {
		int m = t->over[i].step;
		if (m >= 0) step[i].out.p = step[m].in[t->over[i].input].p;
		else if (t->stored[i]) step[i].out.p = taken(b, bytes_of(step[i].out));
	}
}

/* The chain on the device gives what its steps give there one by one, to the last bit. */
static bool same_on_device(struct backend *b, const struct trial *t)
{
	struct chain_step step[CHAIN_MAX];
	struct view value[CHAIN_MAX];
	struct chain c = { t->c.space, t->c.n, step };
	bool same = true;

	run_steps(b, t, step, value);
	reserve(b, b->chain_scratch(b, &c));
	b->chain(b, &c);
	for (int i = 0; i < c.n; i++)
		if (t->stored[i]) same &= same_there(b, step[i].out, step[i].out.p, value[i].p);
	for (int i = 0; i < c.n; i++) {
		if (t->over[i].step < 0) given_back(b, step[i].out.p);
		given_back(b, value[i].p);
		for (int k = 0; k < step[i].inputs; k++)
			if (step[i].from[k] < 0) given_back(b, step[i].in[k].p);
	}
	return same && !backend_fault(b);
}

static void check_device(void)
{
	struct backend *b = backend_new("cuda-bf16", 0);

	must(b);
	for (int i = 0; i < DEVICE_CHAINS; i++) {
		struct rng r = rng_at(8, (uint64_t)i);
		static struct trial t;
		random_chain(&t, &r, 20000, true);
		const int *d = t.c.space.d;
		ok(same_on_device(b, &t), "chain %d of %d over [%d,%d,%d,%d] on a device", i, t.c.n,
		   d[0], d[1], d[2], d[3]);
		trial_free(&t);
	}
	backend_free(b);
}

int main(void)
{
	struct backend *cpu = backend_new("cpu", 1), *ref = backend_new("ref", 1);

	use_library();
	for (int i = 0; i < CHAINS; i++) {
		struct rng r = rng_at(7, (uint64_t)i);
		static struct trial t;
		random_chain(&t, &r, 150000, false);
		const int *d = t.c.space.d;
		bool held = run_chain(&t, 1), good = matches_single_steps(cpu, ref, &t);
		bool same = same_for_threads(&t, 3) && same_for_threads(&t, 7);
		ok(held && good && same, "chain %d of %d over [%d,%d,%d,%d]%s%s%s", i, t.c.n, d[0],
		   d[1], d[2], d[3], held ? "" : ": wrote outside its scratch",
		   good ? "" : ": not what single steps give", same ? "" : ": depends on threads");
		trial_free(&t);
	}
	backend_free(cpu);
	backend_free(ref);
	check_device();
	return done_testing();
}
