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
	int8_t *fine;                        /* [room][2][wide]: high and low bytes (near.h) */
	int32_t *sum;                        /* [room]: of a row's high bytes */
	/* [room]: |x' - step high| <= rest, |x' - step (high + low / 256)| <= last, and
	 * |x'.y' - step_x step_y high_x.high_y| <= norm_x rest_y + rest_x norm_y; these leave room
	 * for the rounding of a score in single precision. */
	float *step, *norm, *rest, *last;
	/* The addend rounded up, by more than adding it in single precision loses. */
	float *bias;
	double *addend;                      /* see ground_centre */
};

/* room: whole groups of either side.  0, or -1 after fail(). */
int quant_open(struct quant *, int width, int room, int sides);
void quant_close(struct quant *);            /* accepts a zeroed struct */
/* Those of row i, [wide] each, borrowed. */
const int8_t *quant_high(const struct quant *, int i);
const uint8_t *quant_low(const struct quant *, int i);
size_t quant_bytes(int width, int sides);    /* of one row */

/* Row i from x[width], with room[width]; by as from ground_scale.  Different rows in any
 * threads. */
void quant_set(
	struct quant *, int i, const struct ground *, double by, const float *x, float *room);
/* After the first n rows: the others of their groups are zeros. */
void quant_end(struct quant *, int n);
/* Packs row i as the left row `to`, over that. */
void quant_left(struct quant *, int to, int i);
/* The rows from `first` on, a multiple of NEAR_LEFT and NEAR_RIGHT, borrowed. */
struct quant quant_part(const struct quant *, int first);

#endif
