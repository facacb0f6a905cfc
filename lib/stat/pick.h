/* pick: rows that stand for all without any clustering: at random, or the same number of each
 * label. */
#ifndef IC_PICK_H
#define IC_PICK_H

#include <stdint.h>

/* k different rows of so many, in random order; 0, or -1 after fail(). */
int pick_random(int64_t rows, int k, uint32_t seed, uint32_t *at);
/* The same, label by label in turn: the counts of two labels differ by more than one only where a
 * label has no more rows.  labels[rows]. */
int pick_balanced(const uint32_t *labels, int64_t rows, int k, uint32_t seed, uint32_t *at);

#endif
