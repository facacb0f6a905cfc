/* mt: MT19937 (Matsumoto and Nishimura, 1998), for the random choices of published recipes; ours
 * come from rng. */
#ifndef IC_MT_H
#define IC_MT_H

#include <stdint.h>

struct mt { uint32_t state[624]; int at; };

void mt_seed(struct mt *, uint32_t seed);    /* init_genrand */
/* The next number / (2^32 - 1) in float, as faiss: 1.0 can occur. */
float mt_float(struct mt *);
/* faiss's rand_perm: position i in turn swaps with i + the next number mod (n - i). */
void mt_permutation(uint32_t *p, int64_t n, uint32_t seed);

#endif
