/* ops: the names, inputs and classes of ops.def. */
#include "kernels/kernels.h"

const char *const op_name[OP_COUNT] = {
#define OP(name, inputs, klass, what) [OP_##name] = #name,
#include "kernels/ops.def"
#undef OP
};

const int op_inputs[OP_COUNT] = {
#define OP(name, inputs, klass, what) [OP_##name] = inputs,
#include "kernels/ops.def"
#undef OP
};

const enum op_class op_klass[OP_COUNT] = {
#define OP(name, inputs, klass, what) [OP_##name] = klass,
#include "kernels/ops.def"
#undef OP
};
