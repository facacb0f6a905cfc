/* fault: the first fault of a parallel loop, in the order of the work: fail() speaks to its own
 * thread only. */
#ifndef IC_FAULT_H
#define IC_FAULT_H

#include <stdint.h>

struct fault { int64_t at; char text[1024]; };           /* at: -1 while there is none */

void fault_at(struct fault *, int64_t i);                /* after fail(), in any thread */
int fault_told(const struct fault *);                    /* 0, or -1 after fail() with that text */

#endif
