/* ref: the plain definitions of all ops, in `real`, sums in double.  Private to kernels. */
#ifndef IC_REF_H
#define IC_REF_H

#include "kernels/kernels.h"

#define OP(name, inputs, klass, what) op_fn ref_##name;
#include "kernels/ops.def"
#undef OP

/* see kernels/sift.h */
void ref_sift(struct backend *, const struct sift *);
void ref_sift_kth(struct backend *, const struct sift *);

op_scratch ref_attention_scratch, ref_attention_back_scratch;
int ref_fill(struct backend *);              /* the whole table; 0 */

/* Where element n, h, w, c of a dense value is; a dimension of 1 is broadcast. */
static inline size_t ref_at(struct shape s, int n, int h, int w, int c)
{
	size_t at = s.d[0] == 1 ? 0 : (size_t)n;

	at = at * (size_t)s.d[1] + (s.d[1] == 1 ? 0 : (size_t)h);
	at = at * (size_t)s.d[2] + (s.d[2] == 1 ? 0 : (size_t)w);
	return at * (size_t)s.d[3] + (s.d[3] == 1 ? 0 : (size_t)c);
}

/* Runs the statement that follows for each n, h, w, c of a shape, in memory order. */
#define REF_EACH(s) \
	for (int n = 0; n < (s).d[0]; n++) \
		for (int h = 0; h < (s).d[1]; h++) \
			for (int w = 0; w < (s).d[2]; w++) \
				for (int c = 0; c < (s).d[3]; c++)

#endif
