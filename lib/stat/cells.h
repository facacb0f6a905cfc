/* cells: approximate neighbours by an inverted file (Sivic and Zisserman, ICCV 2003): every base
 * row belongs to the nearest of a few centres, and a query is compared only with the rows of the
 * cells whose centres are nearest to it. */
#ifndef IC_CELLS_H
#define IC_CELLS_H

#include "lib/stat/knn.h"

struct cells {
	const struct knn_set *base;
	enum knn_metric metric;
	struct knn_set centres;              /* measured; its rows are owned */
	float *x;                            /* [count][width] */
	int64_t *start;                      /* the rows of cell c are */
	uint32_t *row;                       /* row[start[c]] .. row[start[c + 1] - 1] */
};

/* Cells of about CELLS_ROWS rows, and of no fewer than 2k, so that each has k neighbours; the same
 * for the same rows.  base: measured for the metric, borrowed.  Close it in any case.  0, or -1
 * after fail(). */
enum { CELLS_ROWS = 1000 };
int cells_open(struct cells *, const struct knn_set *base, enum knn_metric, int k);
void cells_close(struct cells *);

/* As knn_search(), among the rows of `probes` cells for each query, or of all cells. */
int cells_search(const struct cells *, struct knn *, int probes, int64_t first, int64_t last);

#endif
