/* inception: Inception v3: pictures [N,H,W,3] of 75 pixels or more to pooled features [N,1,1,2048].
 * inception_fid is the network of the Frechet distance: its average pools leave the padding out and
 * its last block takes the largest instead of the mean. */
#ifndef IC_INCEPTION_H
#define IC_INCEPTION_H

#include "lib/nets/folded.h"

val inception_fid(struct folded *, val x);
val inception_torchvision(struct folded *, val x);

#endif
