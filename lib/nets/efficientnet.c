/* efficientnet: EfficientNet-Lite0 (spec extractors 4.1): inverted residual blocks with ReLU6 and
 * without squeeze-excite. */
#include "lib/nets/efficientnet.h"

#include <stdio.h>

static const struct stage { int k, stride, expand, out, blocks; } lite0[] = {
	{ 3, 1, 1, 16, 1 }, { 3, 2, 6, 24, 2 }, { 5, 2, 6, 40, 2 }, { 3, 2, 6, 80, 3 },
	{ 5, 1, 6, 112, 3 }, { 5, 2, 6, 192, 4 }, { 3, 1, 6, 320, 1 },
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

static val relu6(struct folded *f, val x)
{
	return x < 0 ? x : clamp(f->t, x, 0, 6);
}

/* x -> [1x1 to expand * in, norm, relu6] -> depthwise k x k, norm, relu6 -> 1x1 to out, norm; plus
 * x where the shapes allow. */
static val block(struct folded *f, val x, int number, const struct stage *s, int stride)
{
	static const struct pads none;
	char conv[64], norm[64];
	struct shape from = tape_shape(f->t, x);
	val y = x;

	if (s->expand > 1) {
		snprintf(conv, sizeof conv, "_blocks.%d._expand_conv", number);
		snprintf(norm, sizeof norm, "_blocks.%d._bn0", number);
		y = relu6(f, folded_conv(f, y, conv, norm, 1, 1, none, s->expand * from.d[3]));
		if (y < 0) return -1;
	}
	snprintf(conv, sizeof conv, "_blocks.%d._depthwise_conv", number);
	snprintf(norm, sizeof norm, "_blocks.%d._bn1", number);
	y = relu6(f, folded_conv(f, y, conv, norm, s->k, stride, same(from, s->k, stride), 0));
	if (y < 0) return -1;
	snprintf(conv, sizeof conv, "_blocks.%d._project_conv", number);
	snprintf(norm, sizeof norm, "_blocks.%d._bn2", number);
	if ((y = folded_conv(f, y, conv, norm, 1, 1, none, s->out)) < 0) return -1;
	return stride == 1 && from.d[3] == s->out ? add(f->t, y, x) : y;
}

val efficientnet_lite0(struct folded *f, val x)
{
	static const struct pads none;
	int number = 0;

	struct pads pads = same(tape_shape(f->t, x), 3, 2);
	x = relu6(f, folded_conv(f, x, "_conv_stem", "_bn0", 3, 2, pads, 32));
	for (size_t i = 0; i < sizeof lite0 / sizeof *lite0; i++)
		for (int b = 0; b < lite0[i].blocks && x >= 0; b++, number++)
			x = block(f, x, number, &lite0[i], b ? 1 : lite0[i].stride);
	if (x >= 0) x = relu6(f, folded_conv(f, x, "_conv_head", "_bn1", 1, 1, none, 1280));
	if (x < 0) return -1;
	struct shape s = tape_shape(f->t, x);
	x = sum_to(f->t, x, shape4(s.d[0], 1, 1, s.d[3]));
	return scale(f->t, x, 1.0 / (s.d[1] * s.d[2]), 0);
}
