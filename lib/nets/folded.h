/* folded: convolutions of published networks on a tape, each with its batch norm folded into
 * weights and bias:
 *   w' = w * s, b' = beta - mean * s, s = gamma / sqrt(var + eps). */
#ifndef IC_FOLDED_H
#define IC_FOLDED_H

#include "formats/safetensors.h"
#include "lib/base/hash.h"
#include "lib/tape/tape.h"

struct folded {
	struct tape *t;
	const struct tensors *from;          /* published names and PyTorch axis order */
	double eps;
	bool *used;                          /* [from->n] */
	struct hash hash;                    /* of the values used, as f32, in order of use */
	real *held[256];                     /* folded weights and biases, which tapes read */
	int n_held, at;                      /* at: the next one for the tape being built */
};

struct folded folded_start(const struct tensors *from, double eps);

/* The layers added from now on go onto this tape.  On every tape after the first they are the same,
 * in the same order, and read the same memory: the file is not looked at again. */
void folded_onto(struct folded *, struct tape *);

/* Adds conv `name`.weight [out, in, k, k] (or [in, 1, k, k], depthwise: out == 0) and batch norm
 * `norm`.* of x.  The value after the bias, or -1 after fail(): a tensor is missing, misshapen or
 * not finite. */
val folded_conv(struct folded *, val x, const char *name, const char *norm, int k, int stride,
	struct pads, int out);

/* After the last layer: 0, or -1 when a tensor of the file was not used and its name does not begin
 * or end with any of `ignored` (a NULL-terminated list; "x." is a beginning, ".x" an end). */
int folded_finish(const struct folded *, const char *const *ignored);
void folded_free(struct folded *);

#endif
