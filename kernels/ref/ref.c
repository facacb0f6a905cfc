/* ref: the full table of plain definitions. */
#include "kernels/ref/ref.h"

static op_fn *const table[OP_COUNT] = {
#define OP(name, inputs, klass, what) [OP_##name] = ref_##name,
#include "kernels/ops.def"
#undef OP
};

int ref_fill(struct backend *b)
{
	for (int i = 0; i < OP_COUNT; i++) b->op[i] = table[i];
	b->sift = ref_sift;
	b->sift_kth = ref_sift_kth;
	b->scratch[OP_attention] = ref_attention_scratch;
	b->scratch[OP_attention_back] = ref_attention_back_scratch;
	return 0;
}
