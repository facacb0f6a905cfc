/* storage: which values a backend that has bf16 keeps in it, of those that are large and that the
 * host does not read: activations and their gradients, which are computed from an input by other
 * than sums and layers that end in a bias; and weights that were computed and that only products
 * read, which round them anyway.  Weights with their norms and gradients, statistics and losses
 * stay in f32. */
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
	case OP_sum_to: case OP_moments: case OP_conv_dw: case OP_place: case OP_power:
		return true;
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

/* With a scale taps are summed before they are rounded (kernels/cuda/taps.cu). */
static bool rounds(const struct instr *i, int input)
{
	bool conv = i->op == OP_conv || i->op == OP_conv_dx;

	return input == 1 && (i->op == OP_matmul || (conv && i->a.i[7] == CONV_SAME));
}

/* Clears those that others than products read, or nobody. */
static void choose_factors(const struct tape *t, bool *factor)
{
	bool *read = mem_new((size_t)t->n, sizeof *read);

	for (val v = 0; v < t->n; v++) factor[v] = t->ins[v].op != OP_power;   /* has parts */
	for (val v = 0; v < t->n; v++) {
		const struct instr *i = &t->ins[v];
		for (int k = 0; k < i->n_in && tape_runs(i); k++) {
			val root = tape_root(t, i->in[k]);
			read[root] = true;
			factor[root] = factor[root] && rounds(i, k);
		}
	}
	for (val v = 0; v < t->n; v++) factor[v] = factor[v] && read[v];
	free(read);
}

void plan_storage(struct tape *t)
{
	bool *activation = mem_new((size_t)t->n, sizeof *activation);
	bool *factor = mem_new((size_t)t->n, sizeof *factor);

	choose_factors(t, factor);
	for (val v = 0; v < t->n; v++) {
		struct instr *i = &t->ins[v];
		activation[v] = is_activation(i, activation);
		i->bf16 = (activation[v] || factor[v]) && tape_runs(i) && i->stored && !i->kept &&
			  shape_count(i->s) > SMALL;
	}
	free(activation);
	free(factor);
}
