/* efficientnet: the Lite family: pictures [N,side,side,3] to pooled features [N,1,1,1280]. */
#ifndef IC_EFFICIENTNET_H
#define IC_EFFICIENTNET_H

#include "lib/nets/folded.h"

val efficientnet_lite0(struct folded *, val x);
val efficientnet_lite1(struct folded *, val x);
val efficientnet_lite2(struct folded *, val x);

#endif
