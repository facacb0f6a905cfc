/* pack: weights of conv_act in the order in which a backend reads them. */
#include "lib/tape/impl.h"
#include "lib/base/fail.h"

size_t tape_packed(const struct tape *t, struct backend *b, val y)
{
	const struct instr *i = &t->ins[y];
	struct shape x[2] = { t->ins[i->in[0]].s, t->ins[i->in[1]].s };

	must(i->op == OP_conv_act && !t->measured);
	return b->packed ? b->packed(b, i->s, x, &i->a) : 0;
}

void tape_pack(struct tape *t, struct backend *b, val y, const real *w, real *to)
{
	struct instr *i = &t->ins[y];
	struct view x[2] = { { .s = t->ins[i->in[0]].s },
			     { .p = (real *)w, .s = t->ins[i->in[1]].s } };

	must(i->op == OP_conv_act && !t->measured);
	if (w) b->pack(b, to, i->s, x, &i->a);
	tape_bind(t, i->in[1], to);
	i->a.i[8] = true;
}
