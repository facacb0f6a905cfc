/* prepare: a picture to a network's input, by one of several published protocols: fitted to the
 * network's side, resampled, normalised. */
#ifndef IC_PREPARE_H
#define IC_PREPARE_H

#include "formats/image.h"
#include "kernels/kernels.h"
#include "lib/stat/resize.h"

#include <stdbool.h>

enum fit {
	FIT_SQUARE,                          /* pictures are squares, and resized to the side */
	FIT_SQUASH,                          /* resized to the side whatever their shape */
	FIT_CROP,                            /* short side to side / zoom, the centre of that; */
	FIT_ROUND,                      /* the long side truncated, or rounded */
};

struct protocol {
	const char *name;
	enum fit fit;
	double zoom;
	enum filter filter;
	bool bytes;                          /* by resize_u8, which rounds to bytes */
	double mean[3], std[3];              /* (v - mean) / std of values 0..255 */
};

extern const struct protocol prepare_protocols[];
extern const int prepare_count;

/* x[side][side][3] of the picture, mirrored: left and right exchanged after resampling.  0, or -1
 * after fail(): no memory, or too long and narrow. */
int prepare_picture(const struct protocol *, const struct image *, int side, bool mirrored,
	real *x);

#endif
