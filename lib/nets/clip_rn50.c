/* clip_rn50: CLIP's ResNet-50 (spec extractors 5.2): three 3x3 in the stem, averages of 2x2 for
 * strides, and attention for the last mean. */
#include "lib/nets/clip_rn50.h"
#include "lib/nets/vit.h"
#include "lib/nets/worker.h"

#include <stdio.h>

enum { WIDTH = 2048, OUT = 1024, TOKENS = 50, HEADS = 32, NAME = 64, BLOCK = 24 };

/* conv and norm visual.BLOCK.conv and .norm, k x k, padded by k / 2. */
static val layer(struct folded *f, val x, val more, const char *block, const char *conv,
	const char *norm, int k, int stride, int out, enum act act)
{
	char name[2][NAME];
	int p = k / 2;

	snprintf(name[0], NAME, "visual.%s%s", block, conv);
	snprintf(name[1], NAME, "visual.%s%s", block, norm);
	return folded_conv(f, x, more, &(struct folded_layer){
		name[0], name[1], k, k, stride, { p, p, p, p }, out, act });
}

static val halved(struct tape *t, val x, int stride)
{
	return stride == 1 ? x : avgpool(t, x, 2, 2, 2, (struct pads){ 0 }, true);
}

/* relu(1x1 to width -> 3x3 -> average by the stride -> 1x1 to 4 width + shortcut); the first of a
 * stage has a 1x1 shortcut, behind the same average. */
static val bottleneck(struct folded *f, val x, int stage, int number, int width, int stride)
{
	char name[BLOCK];
	val more = x, y;

	snprintf(name, BLOCK, "layer%d.%d.", stage, number);
	y = layer(f, x, -1, name, "conv1", "bn1", 1, 1, width, ACT_RELU);
	y = layer(f, y, -1, name, "conv2", "bn2", 3, 1, width, ACT_RELU);
	if (!number)
		more = layer(f, halved(f->t, x, stride), -1, name, "downsample.0", "downsample.1",
			1, 1, 4 * width, ACT_NONE);
	return layer(f, halved(f->t, y, stride), more, name, "conv3", "bn3", 1, 1, 4 * width,
		ACT_RELU);
}

static val project(struct folded *f, val x, const char *which, int out)
{
	char name[NAME];

	snprintf(name, NAME, "visual.attnpool.%s_proj", which);
	return folded_dense(f, x, name, out, true);
}

/* The mean of all pixels asks the mean and the pixels. */
static val attention_pool(struct folded *f, val x)
{
	static const int64_t positions[2] = { TOKENS, WIDTH };
	struct tape *t = f->t;
	val mean = folded_mean(f, x);

	x = reshape(t, x, shape4(tape_shape(t, x).d[0], 1, TOKENS - 1, WIDTH));
	x = concat(t, mean, x, 2);
	x = add(t, x, folded_values(f, "visual.attnpool.positional_embedding", 2, positions,
		shape4(1, 1, TOKENS, WIDTH), NULL));
	val q = project(f, slice(t, x, 2, 0, 1), "q", WIDTH);
	val k = project(f, x, "k", WIDTH), v = project(f, x, "v", WIDTH);
	return project(f, vit_attention(t, q, k, v, HEADS), "c", OUT);
}

val clip_rn50(struct folded *f, val x)
{
	static const int blocks[4] = { 3, 4, 6, 3 };

	vit_ignore_text(f);
	x = layer(f, x, -1, "", "conv1", "bn1", 3, 2, 32, ACT_RELU);
	x = layer(f, x, -1, "", "conv2", "bn2", 3, 1, 32, ACT_RELU);
	x = layer(f, x, -1, "", "conv3", "bn3", 3, 1, 64, ACT_RELU);
	x = halved(f->t, x, 2);
	for (int s = 0; s < 4; s++) {
		if (s == 2) x = folded_later(f, x, WORKER_BATCH);
		for (int b = 0; b < blocks[s]; b++)
			x = bottleneck(f, x, s + 1, b, 64 << s, s && !b ? 2 : 1);
	}
	return attention_pool(f, x);
}
