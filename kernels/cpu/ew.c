/* ew: element-wise ops and sums alone: chains of one step. */
#include "kernels/cpu/cpu.h"

static struct chain_step one_step(enum op op, int inputs, struct view y, const struct view *x,
				  const struct attr *a)
{
	struct chain_step s = { .op = op, .a = *a, .inputs = inputs, .out = y };

	for (int k = 0; k < inputs; k++) {
		s.in[k] = x[k];
		s.from[k] = -1;
	}
	return s;
}

static struct chain chain_of(const struct chain_step *s)
{
	return (struct chain){ s->op == OP_sum_to ? s->in[0].s : s->out.s, 1, s };
}

static void one(struct backend *b, enum op op, struct view y, const struct view *x,
		const struct attr *a)
{
	struct chain_step s = one_step(op, op_inputs[op], y, x, a);
	struct chain c = chain_of(&s);

	cpu_chain(b, &c);
}

static size_t one_scratch(struct backend *b, enum op op, struct view y, const struct view *x,
			  const struct attr *a)
{
	struct chain_step s = one_step(op, op_inputs[op], y, x, a);
	struct chain c = chain_of(&s);
	return cpu_chain_scratch(b, &c);
}

#define ONE(name) \
	static op_fn one_##name; \
	static void one_##name(struct backend *b, struct view y, const struct view *x, \
			       const struct attr *a) \
	{ \
		one(b, OP_##name, y, x, a); \
	} \
	static op_scratch one_##name##_scratch; \
	static size_t one_##name##_scratch(struct backend *b, struct view y, \
					   const struct view *x, const struct attr *a) \
	{ \
		return one_scratch(b, OP_##name, y, x, a); \
	}
#define ONE_EW(name) ONE(name)
#define ONE_REDUCE(name)
#define ONE_MOVE(name)
#define ONE_LINEAR(name)
#define ONE_OTHER(name)
#define OP(name, inputs, klass, what) ONE_##klass(name)
#include "kernels/ops.def"
#undef OP
ONE(sum_to)

void cpu_ew_fill(struct backend *b)
{
#undef ONE
#define ONE(name) b->op[OP_##name] = one_##name, b->scratch[OP_##name] = one_##name##_scratch;
#define OP(name, inputs, klass, what) ONE_##klass(name)
#include "kernels/ops.def"
#undef OP
	ONE(sum_to)
	b->chain = cpu_chain;
	b->chain_scratch = cpu_chain_scratch;
}
