/* stylegan2: the generator and discriminator of IC-GAN's StyleGAN2 backbone (Casanova et al. 2021;
 * Karras et al. 2020, arXiv 1912.04958 and 2006.06676), as training/networks.py of the reference
 * code builds them; parameters and buffers carry the published names, shapes and order. */
#ifndef IC_STYLEGAN2_H
#define IC_STYLEGAN2_H

#include "lib/tape/param.h"

/* the largest image, and the convolutions of its synthesis */
enum { STYLEGAN2_SIDE = 1024, STYLEGAN2_PLANES = 17 };

struct stylegan2 {
	int resolution;                      /* a power of two, 8 to 1024 */
	int n_classes;
	int features;                        /* feature width: 2048, 1280 ... */
	bool class_cond, instance_cond;      /* neither: unconditional */
	int channel_base, channel_max;       /* at side r: the lesser of base / r and max */
	int dim_z, dim_w;
	int g_layers;                        /* dense layers of G's mapping; D's has eight */
	double g_clamp, d_clamp;             /* of activations; INFINITY: none */
	int group;                           /* pictures whose deviation D sees together */
};

struct stylegan2 stylegan2_default(void);    /* spec stylegan2 2.1, auto; 128, instances */
int stylegan2_check(const struct stylegan2 *);   /* 0, or -1 after fail() */
int stylegan2_channels(const struct stylegan2 *, int side);
int stylegan2_styles(const struct stylegan2 *);  /* vectors that the synthesis takes */

void stylegan2_g_params(const struct stylegan2 *, struct params *);
void stylegan2_d_params(const struct stylegan2 *, struct params *);

/* z[N,1,1,dim_z]; y[N,1,1,1] labels, or -1; f[N,1,1,features] of unit length, or -1
 * -> w[N,1,1,dim_w].  average: mapping.w_avg moves towards the mean of w. */
val stylegan2_map(struct scope *, const struct stylegan2 *, val z, val y, val f, bool average);
/* Truncation: psi[1,K,1,1] of each style -> [N,K,1,dim_w], on the line from w_avg (0) to w (1). */
val stylegan2_truncate(struct scope *, const struct stylegan2 *, val w, val psi);
/* Convolution k of the synthesis, of stylegan2_styles - 1, reads planes of this side, of so many
 * numbers. */
int stylegan2_noise_side(int k);
size_t stylegan2_noise_size(int k);
/* styles[N,K,1,dim_w]; noise: a plane [N or 1,r,r,1] for each convolution, -1 for none, or NULL for
 * those stored with the weights -> images[N,R,R,3], nominally in [-1,1]. */
val stylegan2_synthesis(struct scope *, const struct stylegan2 *, val styles, const val *noise);
/* x[N,R,R,3] -> scores[N,1,1,1]; N is a multiple of the group, or below it. */
val stylegan2_d(struct scope *, const struct stylegan2 *, val x, val y, val f);

#endif
