/* rng: counter-based random numbers (Philox4x32-10, Salmon et al., SC 2011).  A draw is a pure
 * function of (seed, stream, counter): nothing to save, and the same on every device and thread. */
#ifndef IC_RNG_H
#define IC_RNG_H

#include <stdint.h>

void rng_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]);

/* A sequence: draws number 0, 1, 2 ... of stream `stream` under `seed`. */
struct rng { uint64_t seed, stream, at; uint32_t out[4]; };

struct rng rng_at(uint64_t seed, uint64_t stream);
uint32_t rng_u32(struct rng *);
double rng_uniform(struct rng *);            /* [0, 1), 53 bits */
uint32_t rng_below(struct rng *, uint32_t n);   /* [0, n), unbiased; n > 0 */
double rng_normal(struct rng *);             /* N(0, 1), by Box-Muller */
void rng_shuffle(struct rng *, uint32_t *p, uint32_t n);   /* Fisher-Yates */

#endif
