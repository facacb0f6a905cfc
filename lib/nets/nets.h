/* nets: published networks as functions from square pictures to feature rows. */
#ifndef IC_NETS_H
#define IC_NETS_H

#include "kernels/kernels.h"

#include <stdbool.h>
#include <stdint.h>

#define NETS "efficientnet-lite0"            /* names, joined by "|" */
#define NETS_PROTOCOLS "lite|icgan"          /* what is done to bytes v before resampling to the network's side:
                                                lite (v - 127) / 128; icgan (v / 255 - mean) / std of ImageNet */

struct net {
	const char *name, *protocol;
	int width;                           /* of a feature row */
	int batch;
	uint64_t weights;                    /* hash of the weights used */
	struct net_state *s;
};

/* net and protocol: indices into the lists above.  weights: a safetensors file with the published names, or NULL: NAME.safetensors in
 * $IC_WEIGHTS, else in ../share/ic/weights or ../../pipelines/weights beside this program.  batch pictures pass through the
 * network together; a row depends neither on it nor on the other pictures.  0, or -1 after fail(). */
int nets_open(struct net *, int net, int protocol, const char *weights, int batch, struct backend *);

/* n pictures (at most batch) of [side][side][3] to f[n][width]; mirrored: left and right exchanged. */
int nets_features(struct net *, int n, int side, const uint8_t *const *rgb, bool mirrored, float *f);
void nets_close(struct net *);               /* accepts a zeroed struct; before backend_free */

#endif
