/* sample: the averaged generator in evaluation mode, a fixed number of images at a time. */
#ifndef IC_SAMPLE_H
#define IC_SAMPLE_H

#include "lib/gan/state.h"

struct sampler {
	struct tape *t;
	struct scope g;
	int batch, dim_z, side;
	real *z, *y, *f;                     /* [batch][dim_z], [batch] or NULL, [batch][features] or NULL: filled by the caller */
	val image;
};

int sampler_open(struct sampler *, struct gan *, int batch, struct backend *);   /* 0, or -1 after fail() */
void sampler_run(struct sampler *);
void sampler_rgb(const struct sampler *, int i, uint8_t *rgb);   /* image i as bytes, rounded to nearest; [side][side][3] */
void sampler_close(struct sampler *);        /* accepts a zeroed struct */

/* z of sample `number` under `seed`, whatever batch or place it is computed in. */
void sampler_noise(uint64_t seed, uint64_t number, int dim_z, real *z);

#endif
