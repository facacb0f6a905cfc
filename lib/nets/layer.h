/* layer: the layers of the BigGAN networks as functions from values to values; parameters by
 * published name through the scope. */
#ifndef IC_LAYER_H
#define IC_LAYER_H

#include "lib/tape/param.h"

/* Spectral norm (spec biggan 1.6): the weight divided by the singular value estimate of one power
 * step from u0; in train mode u0 and sv0 advance.  name: the layer, "blocks.0.0.conv1".  The
 * estimate is differentiated through the weight only. */
val layer_sn(struct scope *, const char *name);

/* Spectrally normed, stride 1, same size; CONV_UP: of up2(x), CONV_DOWN: averaged over 2x2 blocks,
 * before the bias. */
val layer_conv(struct scope *, const char *name, val x, enum conv_scale, bool bias);
/* x[N,1,1,I] -> [N,1,1,O], spectrally normed */
val layer_dense(struct scope *, const char *name, val x, bool bias);

/* Batch norm, then x gain + shift, then relu: gain and shift are [N or 1,1,1,C].  name holds
 * stored_mean and stored_var. */
val layer_norm_relu(struct scope *, const char *name, val x, val gain, val shift);

/* Self-attention over pixels (spec biggan 1.5): keys and values max-pooled, no scaling; returns
 * gamma o + x. */
val layer_attention(struct scope *, const char *name, val x);

/* Their parameters, in published order. */
void layer_sn_params(struct params *, const char *name, enum order, int rank, const int64_t *shape,
		     bool bias);
void layer_attention_params(struct params *, const char *name, int channels);

val layer_pool2(struct tape *, val x);       /* 2x2 average */

#endif
