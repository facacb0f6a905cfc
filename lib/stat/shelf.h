/* shelf: rows of a set on a device, rounded to bf16, with what each loses: all of them where they
 * fit, else the blocks used last. */
#ifndef IC_SHELF_H
#define IC_SHELF_H

#include "kernels/kernels.h"
#include "kernels/sift.h"
#include "lib/stat/fault.h"
#include "lib/stat/ground.h"

/* |x'.y' - bits_x.bits_y| <= norm_x rest_y + rest_x norm_y, the second product as a device sums it
 * in f32, as in quant.h; bias is the addend rounded up. */
struct loss { float norm, rest, bias; double addend; };

struct shelf {
	const struct knn_set *set;           /* first five fields: the caller's */
	const struct ground *ground;
	struct backend *device;
	int side;                            /* rows of a block, a multiple of SIFT_SIDE */
	int extra;                           /* of the rows gathered, at most */
	int wide;                            /* width up to a multiple of SIFT_DEEP */
	int slots, next;                     /* blocks that it holds; the slot taken next */
	int64_t *held;                       /* [slots]: which; -1: none */
	/* of the device, slots * side rows and then `extra' more: */
	uint16_t *bits;                      /* [rows][wide] */
	float *number;                       /* [4][rows]: norm, rest, bias, bar */
	struct loss *loss;                   /* [rows] */
	uint16_t *staged;                    /* of the host: a few rows on their way */
	float *value;
	float *row;                          /* [threads][2][width] */
	struct fault fault;
};

/* Rows there, borrowed until others are loaded. */
struct shelf_rows {
	struct sift_rows on;                 /* of the device */
	const struct loss *loss;             /* [on.n] */
	const uint32_t *at;                  /* [on.n]: positions in the set, or NULL: */
	int64_t first;                       /* of the first */
};

/* 0, or -1 after fail(); least: blocks that must fit. */
int shelf_open(struct shelf *, int least);
void shelf_close(struct shelf *);            /* accepts a zeroed struct */
/* The rows of the set are others now. */
void shelf_forget(struct shelf *);

bool shelf_has(const struct shelf *, int64_t first);   /* the block of row `first' */
/* Rows first .. first+n-1 of one block, loaded unless they are there, in place of any block but
 * that of row `keep' (-1: any); -1 after fail(). */
int shelf_take(struct shelf *, int64_t first, int n, int64_t keep, struct shelf_rows *);
/* n rows at these positions, at most extra, in place of those gathered before. */
int shelf_gather(struct shelf *, const uint32_t *at, int n, struct shelf_rows *);
/* Sets the bars of rows. */
void shelf_bars(struct shelf *, const struct shelf_rows *, const float *bar);

#endif
