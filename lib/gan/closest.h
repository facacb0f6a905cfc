/* closest: of many samples of an instance those whose features are closest to its own, as the
 * published demo (predict.py) filters: Euclidean distance of unit vectors. */
#ifndef IC_CLOSEST_H
#define IC_CLOSEST_H

#include "formats/pam.h"
#include "kernels/kernels.h"
#include "lib/nets/nets.h"

struct closest_one { double distance; struct pam_head head; uint8_t *rgb; };

struct closest {
	struct net net;
	int keep, n;                         /* wanted; held so far */
	struct closest_one *one;             /* [n], the closest first; of equals the earlier */
	float *f;
	int room;                            /* rows of f */
};

/* The network that made the rows of `path`; weights: its file, or NULL.  0, or -1 after fail(). */
int closest_open(struct closest *, const char *path, const struct rows_info *, const char *weights,
		 int keep);
/* The features of n pictures, in c->f: 0, or -1 after fail(). */
int closest_embed(struct closest *, int n, const struct image *);
/* Holds picture i of these, copied, if it is among the closest to h, of unit length. */
void closest_offer(struct closest *, int i, const struct pam_head *, const struct image *,
		   const real *h);
void closest_sort(struct closest *);         /* by key; then clear before more are offered */
void closest_clear(struct closest *);
void closest_close(struct closest *);        /* accepts a zeroed struct */

#endif
