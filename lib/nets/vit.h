/* vit: vision transformers: pictures [n,224,224,3], normalised, to what they say of the picture. */
#ifndef IC_VIT_H
#define IC_VIT_H

#include "lib/nets/folded.h"

/* ViT-B/32 (clip/model.py of openai/CLIP) with its tensor names: [n,1,1,512], beside the text's. */
val vit_clip_b32(struct folded *, val x);
/* ViT-S/14 (dinov2/models/vision_transformer.py of facebookresearch/dinov2) with its tensor names,
 * the blocks in parts or not: the normed class token, [n,1,1,384]. */
val vit_dinov2_s14(struct folded *, val x);

/* softmax(q k^T / sqrt(width of a head)) v for each head, which has the same part of all widths:
 * q[n,1,Q,C], k, v[n,1,K,C] -> [n,1,Q,C]. */
val vit_attention(struct tape *, val q, val k, val v, int heads);

/* What OpenAI's files of CLIP hold beside the picture's tower need not be used. */
void vit_ignore_text(struct folded *);

#endif
