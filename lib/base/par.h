/* par: parallel loops over OpenMP.  Work is cut the same way for every thread count, so results do
 * not depend on it: a body may write only what its own index owns. */
#ifndef IC_PAR_H
#define IC_PAR_H

#include <stdint.h>

typedef void par_body(void *ctx, int64_t i, int worker);   /* worker in [0, par_threads()) */

void par_set_threads(int n);                 /* 0: as many as this process may run on */
int par_threads(void);
/* body(ctx, 0..n-1), handed out dynamically */
void par_for(int64_t n, void *ctx, par_body *body);

#endif
