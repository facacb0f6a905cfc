/* efficientnet: EfficientNet-Lite0, 1 and 2 (spec extractors 4.1): inverted residual blocks with
 * ReLU6 and without squeeze-excite. */
#include "lib/nets/efficientnet.h"
#include "lib/base/fail.h"

#include <stdio.h>

/* Per member: 1 is wider or deeper than 0; the first and last stage are never deeper. */
static const struct stage { int k, stride, expand, out[3], blocks[3]; } stages[] = {
	{ 3, 1, 1, { 16, 16, 16 }, { 1, 1, 1 } },    { 3, 2, 6, { 24, 24, 24 }, { 2, 3, 3 } },
	{ 5, 2, 6, { 40, 40, 48 }, { 2, 3, 3 } },    { 3, 2, 6, { 80, 80, 88 }, { 3, 4, 4 } },
	{ 5, 1, 6, { 112, 112, 120 }, { 3, 4, 4 } }, { 5, 2, 6, { 192, 192, 208 }, { 4, 5, 5 } },
	{ 3, 1, 6, { 320, 320, 352 }, { 1, 1, 1 } },
};

/* TensorFlow's SAME: total = max((ceil(n / s) - 1) s + k - n, 0), the odd one at the bottom and
 * right. */
static struct pads same(struct shape s, int k, int stride)
{
	int n = s.d[1], total = (((n + stride - 1) / stride) - 1) * stride + k - n, before;

	total = total > 0 ? total : 0;
	before = total / 2;
	return (struct pads){ before, total - before, before, total - before };
}

/* The layer of block `number`, its conv and norm by their names in the block. */
static val layer(struct folded *f, val x, val more, int number, const char *conv, const char *norm,
	int k, int stride, int out, enum act act)
{
	char name[2][64];

	snprintf(name[0], sizeof name[0], "_blocks.%d.%s", number, conv);
	snprintf(name[1], sizeof name[1], "_blocks.%d.%s", number, norm);
	return folded_conv(f, x, more, &(struct folded_layer){
		name[0], name[1], k, k, stride, same(tape_shape(f->t, x), k, stride), out, act });
}

/* x -> [1x1 to expand * in, norm, relu6] -> depthwise k x k, norm, relu6 -> 1x1 to out, norm; plus
 * x where the shapes allow. */
static val block(struct folded *f, val x, int number, const struct stage *s, int stride, int out)
{
	int in = tape_shape(f->t, x).d[3];
	val y = x, more = stride == 1 && in == out ? x : -1;

	if (s->expand > 1)
		y = layer(f, y, -1, number, "_expand_conv", "_bn0", 1, 1, s->expand * in,
			ACT_RELU6);
	y = layer(f, y, -1, number, "_depthwise_conv", "_bn1", s->k, stride, 0, ACT_RELU6);
	return layer(f, y, more, number, "_project_conv", "_bn2", 1, 1, out, ACT_NONE);
}

static val efficientnet(struct folded *f, val x, int member)
{
	struct pads stem = same(tape_shape(f->t, x), 3, 2);
	int number = 0;

	x = folded_conv(f, x, -1, &(struct folded_layer){
		"_conv_stem", "_bn0", 3, 3, 2, stem, 32, ACT_RELU6 });
	for (const struct stage *s = stages; s < stages + LEN(stages); s++)
		for (int b = 0; b < s->blocks[member]; b++, number++)
			x = block(f, x, number, s, b ? 1 : s->stride, s->out[member]);
	x = folded_conv(f, x, -1, &(struct folded_layer){
		"_conv_head", "_bn1", 1, 1, 1, { 0 }, 1280, ACT_RELU6 });
	return folded_mean(f, x);
}

val efficientnet_lite0(struct folded *f, val x)
{
	return efficientnet(f, x, 0);
}

val efficientnet_lite1(struct folded *f, val x)
{
	return efficientnet(f, x, 1);
}

val efficientnet_lite2(struct folded *f, val x)
{
	return efficientnet(f, x, 2);
}
