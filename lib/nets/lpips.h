/* lpips: how unlike pictures look, by the features of AlexNet or VGG-16 (LPIPS v0.1: Zhang et al.
 * 2018, arXiv 1801.03924; PerceptualSimilarity, lpips/lpips.py). */
#ifndef IC_LPIPS_H
#define IC_LPIPS_H

#include "formats/image.h"
#include "formats/safetensors.h"

#define LPIPS_NETS "alex|vgg"

struct lpips {
	const char *name;
	int height, width;                   /* of every picture, in pixels */
	struct lpips_state *s;
};

/* net: index into LPIPS_NETS.  weights: torchvision's alexnet or vgg16, a file of ic-weights(5);
 * the linear weights are those that come with the programs.  0, or -1 after fail(). */
int lpips_open(struct lpips *, int net, const char *weights, int height, int width);
int lpips_from(struct lpips *, int net, const struct tensors *weights,
	const struct tensors *linear, int height, int width);

/* The mean distance of the pairs of n >= 2 pictures.  Each of par_threads() threads takes whole
 * pictures, then whole pairs: the mean does not depend on their number.  0, or -1 after fail(). */
int lpips_mean(struct lpips *, int n, const struct image *, double *mean);
void lpips_close(struct lpips *);            /* accepts a zeroed struct */

#endif
