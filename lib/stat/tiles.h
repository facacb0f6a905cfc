/* tiles: the inner products of all rows of one set with all rows of another, in double, tile
 * by tile. */
#ifndef IC_TILES_H
#define IC_TILES_H

#include "lib/stat/knn.h"

enum { TILES_SIDE = 1024, TILES_BAND = 128, TILES_BANDS = TILES_SIDE / TILES_BAND };

struct tile {
	int64_t row, column;                 /* rows row.. of a, column.. of b */
	int m, n, width;                     /* m and n of them, m at most TILES_BAND */
	int band;                            /* which of its block, below TILES_BANDS */
	const double *a, *b;                 /* [m][width], [n][width] */
	const double *dot;                   /* [m][n] = a b^T */
};

/* visit is called in several threads at once; the tiles of one row come in order of column,
 * never two at a time. */
struct tiles {
	const struct knn_set *a, *b;         /* of one width */
	bool half;                           /* a is b: leave out the blocks below the diagonal */
	void (*visit)(void *ctx, const struct tile *);
	/* When all bands of the block at row, column, n rows of b wide, are visited; or NULL. */
	void (*join)(void *ctx, int64_t row, int64_t column, int n);
	void *ctx;
	const char *what;                    /* for progress */
};

int tiles_run(const struct tiles *);         /* 0, or -1 after fail() */

/* Rows first .. first+n-1 as to[n][width] in double; room[n][width].  0, or -1 after fail(). */
int tiles_read(const struct knn_set *, int64_t first, int n, float *room, double *to);

#endif
