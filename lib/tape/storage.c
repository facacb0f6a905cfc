/* storage: which values a backend that has bf16 keeps in it: those that are computed from an input
 * by other than sums and layers that end in a bias, that are large, and that the host does not
 * read: activations and their gradients.  Weights with their norms and gradients, statistics and
 * losses stay in f32. */
#include "lib/tape/impl.h"
#include "lib/base/mem.h"

#include <stdlib.h>

enum { SMALL = 4096 };                       /* numbers whose bytes do not matter */

/* Sums over pictures or pixels; and layers that end in a bias of f32, which cuBLASLt does not add
 * to a result of bf16. */
static bool stays(const struct instr *i)
{
	switch (i->op) {
	case OP_conv_act: case OP_dwconv_act:
	case OP_sum_to: case OP_moments: case OP_conv_dw: case OP_place: return true;
	case OP_matmul: return i->a.i[0];    /* a^T b: of rows, which are pictures */
	default: return false;
	}
}

static bool is_activation(const struct instr *i, const bool *activation)
{
	bool any = i->op == OP_LEAF && i->kind == INPUT;

	for (int k = 0; k < i->n_in && !stays(i); k++) any = any || activation[i->in[k]];
	return any;
}

void plan_storage(struct tape *t)
{
	bool *activation = mem_new((size_t)t->n, sizeof *activation);

	for (val v = 0; v < t->n; v++) {
		struct instr *i = &t->ins[v];
		activation[v] = is_activation(i, activation);
		i->bf16 = activation[v] && tape_runs(i) && i->stored && !i->kept &&
			  shape_count(i->s) > SMALL;
	}
	free(activation);
}
