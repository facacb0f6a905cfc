/* efficientnet: the Lite family: pictures [N,side,side,3] to pooled features [N,1,1,1280]. */
#ifndef IC_EFFICIENTNET_H
#define IC_EFFICIENTNET_H

#include "lib/nets/folded.h"

val efficientnet_lite0(struct folded *, val x);   /* -1 after fail() */

#endif
