/* nets: published networks as functions from pictures to rows of features or class scores. */
#ifndef IC_NETS_H
#define IC_NETS_H

#include "formats/image.h"
#include "formats/rows.h"
#include "formats/safetensors.h"

#include <stdbool.h>
#include <stdint.h>

/* Names, joined by "|", for tables of options: of the networks; of the protocols (see prepare.h),
 * the first of which, "own", is the one a network is usually given. */
extern const char nets_list[], nets_protocols[];
#define NETS (nets_list + 1)
#define NETS_PROTOCOLS nets_protocols
/* What a row holds: the last pooling; the scores of the classes; these without their bias. */
#define NETS_LAYERS "pool|logits|unbiased"
enum net_layer { NET_POOL, NET_LOGITS, NET_UNBIASED };

struct net {
	const char *name, *protocol, *layer;
	int width;                           /* of a row */
	size_t input;                        /* numbers of a prepared picture */
	bool square;                         /* the protocol takes square pictures only */
	bool imagenet;                       /* classes are those of classes.h, in their order */
	uint64_t weights;                    /* hash of the weights used */
	char **ignored;                      /* tensors of the file that were not */
	int n_ignored;
	struct net_state *s;
};

/* Where a network runs when not in the threads of the processor: one program for a batch of
 * pictures. */
struct nets_device { struct backend *b; int batch; };   /* b: borrowed */

/* net, protocol: indices into the lists above.  weights: a file of ic-weights(5) with the published
 * names, or NULL: NAME.safetensors in $IC_WEIGHTS, else in ../share/ic/weights or
 * ../../pipelines/weights beside this program.  device: NULL for threads.  0, or -1 after
 * fail(). */
int nets_open(struct net *, int net, int protocol, enum net_layer, const char *weights,
	const struct nets_device *device);
int nets_from(struct net *, int net, int protocol, enum net_layer, const struct tensors *weights,
	const struct nets_device *device);
/* The network that made the rows of `path`, as their meta lines say, with the same weights. */
int nets_again(struct net *, const char *path, const struct rows_info *, const char *weights);

/* n pictures to f[n][width]; mirrored: left and right exchanged.  Each of par_threads() threads
 * takes whole pictures, and a row depends on nothing but its picture. */
int nets_features(struct net *, int n, const struct image *, bool mirrored, float *f);
/* The same by one thread, which is `worker` of par_threads(), of 1 to NETS_SOME pictures; number:
 * that of the first, for messages. */
enum { NETS_SOME = 8 };
int nets_some(struct net *, int worker, int64_t number, int n, const struct image *, bool mirrored,
	float *f);

/* On a device: n pictures prepared as x[n][input], in any thread; then the rows of n such, at most
 * a batch, to f[batch][width], by one thread.  number: as above. */
int nets_prepare(const struct net *, int64_t number, int n, const struct image *, bool mirrored,
	float *x);
int nets_run(struct net *, int64_t number, int n, const float *x, float *f);
void nets_close(struct net *);               /* accepts a zeroed struct */

#endif
