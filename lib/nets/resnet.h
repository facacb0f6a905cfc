/* resnet: ResNet-50 with the tensor names of torchvision: pictures [N,H,W,3], normalised, to pooled
 * features [N,1,1,2048]. */
#ifndef IC_RESNET_H
#define IC_RESNET_H

#include "lib/nets/folded.h"

val resnet50(struct folded *, val x);

#endif
