/* prepare: a stored square picture to a network's input: normalised, then resampled to the
 * network's side by the bicubic of PyTorch (A = -0.75, half-pixel centres, no antialiasing, border
 * replicated), overshoot kept. */
#ifndef IC_PREPARE_H
#define IC_PREPARE_H

#include "kernels/kernels.h"

#include <stdbool.h>

/* x = (v - mean[c]) / std[c] of bytes v, tabulated; taps of one pair of sides. */
struct prepare {
	int from, to;                        /* sides */
	float value[3][256];
	struct tap { int at[4]; float w[4]; } *tap; /* [to]: clamped source positions and weights */
};

void prepare_start(struct prepare *, const double mean[3], const double std[3], int to);
void prepare_side(struct prepare *, int from);    /* before the first picture of this side */
size_t prepare_scratch(const struct prepare *);   /* floats a worker needs */
/* rgb [from][from][3] -> x [to][to][3]; mirrored: left and right exchanged after resampling. */
void prepare_picture(const struct prepare *, const uint8_t *rgb, bool mirrored, float *scratch,
	real *x);
void prepare_end(struct prepare *);

#endif
