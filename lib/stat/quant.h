/* quant: rows in 8 and in 16 bits, with what each loses, for the products of kernels/cpu/near.h. */
#ifndef IC_QUANT_H
#define IC_QUANT_H

#include "kernels/cpu/near.h"
#include "lib/stat/ground.h"

enum quant_sides { QUANT_LEFT = 1, QUANT_RIGHT = 2 };   /* packed for which side of a product */

struct quant {
	int sides, width, wide, room;        /* wide: width up to a multiple of NEAR_DEEP */
	uint8_t *left;                       /* [room in groups][wide] */
	int8_t *right;                       /* [room in groups][wide] */
	int16_t *fine;                       /* [room][wide] */
	int32_t *sum;                        /* [room]: of a row's bytes */
	/* [room]: |x'.y' - step_x step_y bytes_x.bytes_y| <= norm_x rest_y + rest_x norm_y; the
	 * same holds for the 16 bits with step / 64 and fine_rest; both leave room for the rounding
	 * of a score in single precision. */
	float *step, *norm, *rest, *fine_rest;
	/* The addend rounded up, by more than adding it in single precision loses. */
	float *bias;
	double *addend;                      /* see ground_centre */
};

int quant_open(struct quant *, int width, int room, int sides);   /* 0, or -1 after fail() */
void quant_close(struct quant *);            /* accepts a zeroed struct */
size_t quant_bytes(int width, int sides);    /* of one row */

/* Row i from x[width], with room[width]; by as from ground_scale.  Different rows in any
 * threads. */
void quant_set(
	struct quant *, int i, const struct ground *, double by, const float *x, float *room);
/* The rows from `first` on, a multiple of NEAR_LEFT and NEAR_RIGHT, borrowed. */
struct quant quant_part(const struct quant *, int first);

/* The product of two rows from their 16 bits, and how much it can be off. */
double quant_dot(const struct quant *, int i, const struct quant *, int j, const struct near_set *,
	double *slack);

#endif
