/* ortho: random matrices of orthonormal rows, the initial weights. */
#ifndef IC_ORTHO_H
#define IC_ORTHO_H

#include <stdint.h>

/* v[k][n], k <= n: row by row the normal draws 0, 1, ... of (seed, stream), made orthonormal in
 * this order with no row turned round: the Q of a QR whose R has a positive diagonal, uniform over
 * all such matrices (Mezzadri 2007).  The same for any number of threads.  0, or -1 after fail().
 */
int ortho_random(double *v, int k, int n, uint64_t seed, uint64_t stream);

#endif
