/* nets: published networks as functions from square pictures to feature rows. */
#ifndef IC_NETS_H
#define IC_NETS_H

#include <stdbool.h>
#include <stdint.h>

#define NETS "efficientnet-lite0"            /* names, joined by "|" */
/* What is done to bytes v before resampling to the network's side: lite (v - 127) / 128; icgan
 * (v / 255 - mean) / std of ImageNet. */
#define NETS_PROTOCOLS "lite|icgan"

struct net {
	const char *name, *protocol;
	int width;                           /* of a feature row */
	uint64_t weights;                    /* hash of the weights used */
	struct net_state *s;
};

/* net and protocol: indices into the lists above.  weights: a file of ic-weights(5) with the
 * published names, or NULL: NAME.safetensors in $IC_WEIGHTS, else in ../share/ic/weights or
 * ../../pipelines/weights beside this program.  0, or -1 after fail(). */
int nets_open(struct net *, int net, int protocol, const char *weights);

/* n pictures of [side][side][3] to f[n][width]; mirrored: left and right exchanged.  Each of
 * par_threads() threads takes whole pictures, so a row depends on nothing but its picture. */
int nets_features(struct net *, int n, int side, const uint8_t *const *rgb, bool mirrored,
	float *f);
void nets_close(struct net *);               /* accepts a zeroed struct */

#endif
