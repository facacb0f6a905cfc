/* dump: a tape as TSV, one line an instruction. */
#include "lib/tape/impl.h"
#include "lib/base/fail.h"

static const char *op_text(int op)
{
	return op == OP_LEAF ? "leaf" : op == OP_ALIAS ? "alias" : op_name[op];
}

const char *tape_name(const struct tape *t, val v)
{
	static _Thread_local char text[192];
	const struct instr *i = &t->ins[v];

	snprintf(text, sizeof text, "%%%d %s [%d,%d,%d,%d]%s%s", v, op_text(i->op), i->s.d[0],
		 i->s.d[1], i->s.d[2], i->s.d[3], i->label ? " " : "", i->label ? i->label : "");
	return text;
}

void tape_dump(const struct tape *t, FILE *f)
{
	fprintf(f, "#value\top\tinputs\tshape\tattributes\tlive\tchain\tplace\tlabel\n");
	for (val v = 0; v < t->n; v++) {
		const struct instr *i = &t->ins[v];
		fprintf(f, "%d\t%s\t", v, op_text(i->op));
		for (int k = 0; k < i->n_in; k++) fprintf(f, "%s%d", k ? "," : "", i->in[k]);
		fprintf(f, "\t%d,%d,%d,%d\t", i->s.d[0], i->s.d[1], i->s.d[2], i->s.d[3]);
		for (size_t k = 0; k < LEN(i->a.i); k++) fprintf(f, "%d,", i->a.i[k]);
		fprintf(f, "%g,%g\t%d\t%d\t", (double)i->a.f[0], (double)i->a.f[1], i->live,
			i->group);
		if (i->again >= 0)
			fprintf(f, "%zu,%zu\t", t->life[i->life].at, t->life[i->again].at);
		else if (i->life >= 0) fprintf(f, "%zu\t", t->life[i->life].at);
		else fprintf(f, "-\t");
		fprintf(f, "%s%s\n", i->kept ? "kept " : "", i->label ? i->label : "");
	}
}
