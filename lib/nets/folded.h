/* folded: layers of published networks on a tape, with what follows a convolution or dense layer
 * folded into its weights and bias: a batch norm,
 *   w' = w * s, b' = beta - mean * s, s = gamma / sqrt(var + eps),
 * or a gain, w' = w * gain, b' = b * gain. */
#ifndef IC_FOLDED_H
#define IC_FOLDED_H

#include "formats/safetensors.h"
#include "lib/base/hash.h"
#include "lib/tape/tape.h"

struct folded {
	struct tape *t, *second;             /* second: where the network goes on, or NULL */
	struct backend *b;
	val cut, joint;                      /* what goes from one to the other, and there */
	const struct tensors *from;          /* published names and PyTorch axis order */
	double eps;
	bool *used;                          /* [from->n] */
	const char *ignored[16];
	int n_ignored;
	bool failed;
	struct hash hash;                    /* of the values used, as f32, in order of use */
	real *held[256];                     /* folded weights and biases, which tapes read */
	int n_held, at;                      /* at: the next one for the tape being built */
};

struct folded folded_start(const struct tensors *from, double eps);

/* The layers added from now on go onto this tape, which will run on this kind of backend.  On every
 * tape after the first they are the same, in the same order, and read the same memory, packed for
 * the backend: the file is not looked at again. */
void folded_onto(struct folded *, struct tape *, struct backend *);

/* The rest of the network is for a batch of pictures [batch,H,W,C] on the second tape, if there is
 * one, and else goes on with x[1,H,W,C]: its weights take more memory than its values. */
val folded_later(struct folded *, val x, int batch);

enum act { ACT_NONE, ACT_RELU, ACT_RELU6 };

/* Tensor `name`.weight [out, in, k, l], or [in, 1, k, l], depthwise, where out is 0; then batch
 * norm `norm`.*, or where that is NULL the bias `name`.bias, or where it is "" neither. */
struct folded_layer {
	const char *name, *norm;
	int k, l, stride;
	struct pads pads;
	int out;
	enum act act;
};

/* The layer applied to x, `more` added before its act (-1: nothing).  A tensor that is missing,
 * misshapen or not finite fails the whole network, once, under its name: see folded_finish. */
val folded_conv(struct folded *, val x, val more, const struct folded_layer *);

/* x[1,1,1,in] by `name`.weight [out, in] and, if biased, `name`.bias [out]. */
val folded_dense(struct folded *, val x, const char *name, int out, bool biased);

/* By whole names: tensors [out, in], [out] and [out], the last two or NULL. */
struct folded_linear { const char *weight, *bias, *gain; int out; };
/* Of each pixel of x, `more` added (-1: nothing). */
val folded_linear(struct folded *, val x, val more, const struct folded_linear *);

/* Tensor `name` of that rank and shape as a leaf of another, through make unless that is NULL. */
typedef void folded_make(const float *from, real *to);
val folded_values(struct folded *, const char *name, int rank, const int64_t *shape,
	struct shape as, folded_make *make);

val folded_mean(struct folded *, val x);     /* over all pixels: [N,1,1,C] */

/* Tensors of this part of the network ("x" or "x.*"), or with this ending (".x"), need not be used;
 * the text is borrowed. */
void folded_ignore(struct folded *, const char *part);

/* After the last layer: 0, or -1 after fail(): a layer failed, or a tensor of the file was neither
 * used nor ignored. */
int folded_finish(const struct folded *);
void folded_free(struct folded *);

#endif
