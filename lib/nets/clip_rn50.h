/* clip_rn50: CLIP's ResNet-50 (clip/model.py of openai/CLIP) with its tensor names: pictures
 * [n,224,224,3], normalised, to what stands beside the text's, [n,1,1,1024]. */
#ifndef IC_CLIP_RN50_H
#define IC_CLIP_RN50_H

#include "lib/nets/folded.h"

val clip_rn50(struct folded *, val x);

#endif
