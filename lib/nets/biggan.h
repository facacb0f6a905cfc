/* biggan: the generator and discriminator of IC-GAN's BigGAN backbone (Casanova et al. 2021, Brock
 * et al. 2019), as BigGAN_PyTorch/BigGAN.py of the reference code builds them; parameters carry the
 * published names, shapes and order. */
#ifndef IC_BIGGAN_H
#define IC_BIGGAN_H

#include "lib/tape/param.h"

struct biggan {
	int resolution;                      /* 32, 64, 128, 256; G alone 512 */
	int n_classes;
	int features;                        /* feature width: 2048, 1280 ... */
	/* at least one; neither: class_cond, label 0 everywhere */
	bool class_cond, instance_cond;
	int g_ch, d_ch;                      /* channel multipliers */
	int dim_z;                           /* as asked for; see biggan_dim_z */
	int shared_dim;                      /* class embedding width */
	int shared_dim_feat;                 /* width of the generator's map of the features */
};

struct biggan biggan_default(void);          /* spec biggan 1.1; 64, ch 64, instance-conditioned */
int biggan_check(const struct biggan *);     /* can G be built?  0, or -1 after fail() */
int biggan_check_d(const struct biggan *);   /* both? */
bool biggan_trains(int resolution);          /* is there a discriminator of this side? */
int biggan_batch_max(const struct biggan *);     /* pictures that can be trained on at a time */
int biggan_dim_z(const struct biggan *);     /* what G takes: equal slices, one a stage and one */

void biggan_g_params(const struct biggan *, struct params *);
void biggan_d_params(const struct biggan *, struct params *);

/* z[N,1,1,dim_z]; y[N,1,1,1] labels, or -1; f[N,1,1,features] of unit length, or -1
 * -> images[N,R,R,3] in [-1,1]. */
val biggan_g(struct scope *, const struct biggan *, val z, val y, val f);
/* x[N,R,R,3] -> scores[N,1,1,1]. */
val biggan_d(struct scope *, const struct biggan *, val x, val y, val f);

#endif
