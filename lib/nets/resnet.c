/* resnet: ResNet-50 as torchvision has it ("v1.5": the 3x3 of a bottleneck carries the stride). */
#include "lib/nets/resnet.h"
#include "lib/nets/worker.h"

#include <stdio.h>

/* conv and norm NAME.conv and NAME.norm, k x k, padded by k / 2. */
static val layer(struct folded *f, val x, val more, const char *block, const char *conv,
	const char *norm, int k, int stride, int out, enum act act)
{
	char name[2][64];
	int p = k / 2;

	snprintf(name[0], sizeof name[0], "%s%s", block, conv);
	snprintf(name[1], sizeof name[1], "%s%s", block, norm);
	return folded_conv(f, x, more, &(struct folded_layer){
		name[0], name[1], k, k, stride, { p, p, p, p }, out, act });
}

/* relu(1x1 to width -> 3x3 with the stride -> 1x1 to 4 width + shortcut); the first of a stage has
 * a 1x1 shortcut with the stride. */
static val bottleneck(struct folded *f, val x, int stage, int number, int width, int stride)
{
	char name[32];
	val more = x, y;

	snprintf(name, sizeof name, "layer%d.%d.", stage, number);
	y = layer(f, x, -1, name, "conv1", "bn1", 1, 1, width, ACT_RELU);
	y = layer(f, y, -1, name, "conv2", "bn2", 3, stride, width, ACT_RELU);
	if (!number)
		more = layer(f, x, -1, name, "downsample.0", "downsample.1", 1, stride, 4 * width,
			ACT_NONE);
	return layer(f, y, more, name, "conv3", "bn3", 1, 1, 4 * width, ACT_RELU);
}

val resnet50(struct folded *f, val x)
{
	static const int blocks[4] = { 3, 4, 6, 3 };

	folded_ignore(f, "projection_head");        /* SwAV */
	folded_ignore(f, "prototypes");
	x = layer(f, x, -1, "", "conv1", "bn1", 7, 2, 64, ACT_RELU);
	x = maxpool(f->t, x, 3, 3, 2, (struct pads){ 1, 1, 1, 1 });
	for (int s = 0; s < 4; s++) {
		if (s == 2) x = folded_later(f, x, WORKER_BATCH);
		for (int b = 0; b < blocks[s]; b++)
			x = bottleneck(f, x, s + 1, b, 64 << s, s && !b ? 2 : 1);
	}
	return folded_mean(f, x);
}
