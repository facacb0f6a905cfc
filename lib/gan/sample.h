/* sample: the averaged generator in evaluation mode, a fixed number of images at a time. */
#ifndef IC_SAMPLE_H
#define IC_SAMPLE_H

#include "lib/base/rng.h"
#include "lib/gan/balance.h"
#include "lib/gan/state.h"

/* What a generator of StyleGAN2 takes beside noise and conditions. */
struct styling {
	/* truncation: how much of their way from the mean styles keep */
	double psi;
	bool stored;                         /* planes of noise come with the weights, for all */
};

struct sampler {
	struct tape *t;
	struct scope g;
	int batch, dim_z, side;
	int planes;                          /* of noise that each picture has of its own */
	/* [batch][r][r] each, r = stylegan2_noise_side; see sampler_planes */
	real *plane[STYLEGAN2_PLANES];
	/* [batch][dim_z], [batch] or NULL, [batch][features] or NULL: filled by the caller */
	real *z, *y, *f;
	val image;
	real *pixels;                        /* [batch][side][side][3] in [-1,1], after a run */
	/* bytes cut off instead of rounded; set by the caller */
	bool truncate;
};

/* styling NULL: psi 1, planes of each picture's own.  0, or -1 after fail(). */
int sampler_open(struct sampler *, struct gan *, int batch, const struct styling *,
		 struct backend *);
/* The same in training mode: images depend on their batch, and each run moves the buffers of ema,
 * which is s->ema where the ops compute, as in the reference's evaluation while it trains (spec
 * biggan 9, trap 16). */
int sampler_open_training(struct sampler *, struct gan *s, real *ema, int batch, struct backend *);
/* What that takes; the gan may be one of gan_shape. */
int sampler_bytes(size_t *bytes, struct gan *, int batch, struct backend *);
int sampler_run(struct sampler *);           /* 0; -1 after fail() when a device failed */
bool sampler_finite(const struct sampler *, int i);   /* all of image i? */
/* Image i as bytes; [side][side][3]. */
void sampler_rgb(const struct sampler *, int i, uint8_t *rgb);
void sampler_close(struct sampler *);        /* accepts a zeroed struct */

void sampler_normal(struct rng *, size_t n, real *x);
/* The planes of noise of sample `number` under `seed`, for the picture at `place` of the batch. */
void sampler_planes(const struct sampler *, int place, uint64_t seed, uint64_t number);
/* Each of them moved along the arc to that of another sample, as sampler_between does. */
void sampler_planes_towards(const struct sampler *, int place, uint64_t seed, uint64_t number,
			    double t);
/* z of sample `number` under `seed`, whatever batch or place it is computed in. */
void sampler_noise(uint64_t seed, uint64_t number, int dim_z, real *z);
/* The same, but each number outside +-bound drawn again until it is inside. */
void sampler_noise_within(double bound, uint64_t seed, uint64_t number, int dim_z, real *z);
/* The same, but numbers outside moved to the bound. */
void sampler_noise_clamped(double bound, uint64_t seed, uint64_t number, int dim_z, real *z);

/* The row, of `rows`, that sample `number` under `seed` is conditioned on: any, or, unless the
 * balance is NULL, any of a class drawn by it. */
int64_t sampler_instance(uint64_t seed, uint64_t number, int64_t rows, const struct balance *);

/* The point at t in [0,1] of the arc from a[n] to b[n] (Shoemake, SIGGRAPH 1985): equal angles for
 * equal t; unit vectors stay on the sphere, and normal noise keeps its length, which a straight
 * line would cut to 0.7 half way.  out may be a or b. */
void sampler_between(const real *a, const real *b, double t, int n, real *out);

#endif
