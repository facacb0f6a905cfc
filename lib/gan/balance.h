/* balance: which class a sample gets: as often as the class has rows, or closer to evenly. */
#ifndef IC_BALANCE_H
#define IC_BALANCE_H

#include "lib/base/rng.h"

#include <stddef.h>

struct balance {
	int count;                           /* largest label + 1 */
	double temperature;
	double *upto;                        /* [count]: share of classes 0 .. c; the last is 1 */
	uint32_t *start, *row;               /* rows of c: row[start[c]] .. row[start[c + 1] - 1] */
};

/* Of rows that have these labels, by the distribution of the reference's custom_distrib_gen: a
 * class of n rows has a share ~ n^(1/temperature); 1 is as often as its rows, 0 stands for the
 * limit of high temperatures, all classes that have rows alike.  0, or -1 after fail() when a label
 * is too large; `name` is the labels' file. */
int balance_open(struct balance *, const char *name, const uint32_t *label, size_t n,
		 double temperature);
void balance_close(struct balance *);        /* accepts a zeroed struct */

uint32_t balance_draw(const struct balance *, struct rng *);   /* a class */
uint32_t balance_row(const struct balance *, uint32_t c, struct rng *);   /* any row of c, evenly */

#endif
