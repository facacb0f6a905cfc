/* inception: Inception v3 (spec metrics 1.2, 1.3): torchvision's, and the one of the Frechet
 * distance, whose pooling differs. */
#include "lib/nets/inception.h"
#include "lib/nets/worker.h"

#include <stdarg.h>
#include <stdio.h>

/* The network being built: pictures of the Frechet distance's are averaged without the padding,
 * and its last block takes the largest instead. */
struct inception { struct folded *f; bool fid; };

/* BLOCK.BRANCH.conv, .bn, relu: k x l, "same" padding where the stride is 1 and `same` is set. */
static val conv_of(struct inception *n, val x, const char *block, const char *branch, int k, int l,
	int stride, bool same, int out)
{
	int down = same ? k / 2 : 0, across = same ? l / 2 : 0;
	char name[2][64];

	snprintf(name[0], sizeof name[0], "%s%s.conv", block, branch);
	snprintf(name[1], sizeof name[1], "%s%s.bn", block, branch);
	return folded_conv(n->f, x, -1, &(struct folded_layer){
		name[0], name[1], k, l, stride, { down, down, across, across }, out, ACT_RELU });
}

/* The usual layer of a block: stride 1, as large as x. */
static val wide(struct inception *n, val x, const char *block, const char *branch, int k, int l,
	int out)
{
	return conv_of(n, x, block, branch, k, l, 1, true, out);
}

/* 3x3, stride 2, no padding */
static val halve(struct inception *n, val x, const char *block, const char *branch, int out)
{
	return conv_of(n, x, block, branch, 3, 3, 2, false, out);
}

static val join(struct inception *n, int count, ...)
{
	va_list ap;

	va_start(ap, count);
	val x = va_arg(ap, val);
	while (--count) x = concat(n->f->t, x, va_arg(ap, val), 3);
	va_end(ap);
	return x;
}

static val largest(struct inception *n, val x)
{
	return maxpool(n->f->t, x, 3, 3, 2, (struct pads){ 0 });
}

/* The branch that pools 3x3 around each pixel, then 1x1 to out. */
static val pooled(struct inception *n, val x, const char *block, int out, bool max)
{
	static const struct pads one = { 1, 1, 1, 1 };

	x = max ? maxpool(n->f->t, x, 3, 3, 1, one) : avgpool(n->f->t, x, 3, 3, 1, one, !n->fid);
	return wide(n, x, block, "branch_pool", 1, 1, out);
}

static val block_a(struct inception *n, val x, const char *name, int pool)
{
	val a = wide(n, x, name, "branch1x1", 1, 1, 64), b, c;

	b = wide(n, x, name, "branch5x5_1", 1, 1, 48);
	b = wide(n, b, name, "branch5x5_2", 5, 5, 64);
	c = wide(n, x, name, "branch3x3dbl_1", 1, 1, 64);
	c = wide(n, c, name, "branch3x3dbl_2", 3, 3, 96);
	c = wide(n, c, name, "branch3x3dbl_3", 3, 3, 96);
	return join(n, 4, a, b, c, pooled(n, x, name, pool, false));
}

static val block_b(struct inception *n, val x, const char *name)
{
	val a = halve(n, x, name, "branch3x3", 384), b;

	b = wide(n, x, name, "branch3x3dbl_1", 1, 1, 64);
	b = wide(n, b, name, "branch3x3dbl_2", 3, 3, 96);
	b = halve(n, b, name, "branch3x3dbl_3", 96);
	return join(n, 3, a, b, largest(n, x));
}

static val block_c(struct inception *n, val x, const char *name, int inner)
{
	val a = wide(n, x, name, "branch1x1", 1, 1, 192), b, c;

	b = wide(n, x, name, "branch7x7_1", 1, 1, inner);
	b = wide(n, b, name, "branch7x7_2", 1, 7, inner);
	b = wide(n, b, name, "branch7x7_3", 7, 1, 192);
	c = wide(n, x, name, "branch7x7dbl_1", 1, 1, inner);
	c = wide(n, c, name, "branch7x7dbl_2", 7, 1, inner);
	c = wide(n, c, name, "branch7x7dbl_3", 1, 7, inner);
	c = wide(n, c, name, "branch7x7dbl_4", 7, 1, inner);
	c = wide(n, c, name, "branch7x7dbl_5", 1, 7, 192);
	return join(n, 4, a, b, c, pooled(n, x, name, 192, false));
}

static val block_d(struct inception *n, val x, const char *name)
{
	val a, b;

	a = wide(n, x, name, "branch3x3_1", 1, 1, 192);
	a = halve(n, a, name, "branch3x3_2", 320);
	b = wide(n, x, name, "branch7x7x3_1", 1, 1, 192);
	b = wide(n, b, name, "branch7x7x3_2", 1, 7, 192);
	b = wide(n, b, name, "branch7x7x3_3", 7, 1, 192);
	b = halve(n, b, name, "branch7x7x3_4", 192);
	return join(n, 3, a, b, largest(n, x));
}

static val block_e(struct inception *n, val x, const char *name, bool max)
{
	val a = wide(n, x, name, "branch1x1", 1, 1, 320), b, c, b2, c2;

	b = wide(n, x, name, "branch3x3_1", 1, 1, 384);
	b2 = wide(n, b, name, "branch3x3_2a", 1, 3, 384);
	b = wide(n, b, name, "branch3x3_2b", 3, 1, 384);
	c = wide(n, x, name, "branch3x3dbl_1", 1, 1, 448);
	c = wide(n, c, name, "branch3x3dbl_2", 3, 3, 384);
	c2 = wide(n, c, name, "branch3x3dbl_3a", 1, 3, 384);
	c = wide(n, c, name, "branch3x3dbl_3b", 3, 1, 384);
	return join(n, 6, a, b2, b, c2, c, pooled(n, x, name, 192, max));
}

static val inception(struct inception *n, val x)
{
	static const int inner[4] = { 128, 160, 160, 192 };
	char name[16];

	x = halve(n, x, "", "Conv2d_1a_3x3", 32);
	x = conv_of(n, x, "", "Conv2d_2a_3x3", 3, 3, 1, false, 32);
	x = largest(n, wide(n, x, "", "Conv2d_2b_3x3", 3, 3, 64));
	x = wide(n, x, "", "Conv2d_3b_1x1", 1, 1, 80);
	x = largest(n, conv_of(n, x, "", "Conv2d_4a_3x3", 3, 3, 1, false, 192));
	x = block_a(n, x, "Mixed_5b.", 32);
	x = block_a(n, x, "Mixed_5c.", 64);
	x = block_a(n, x, "Mixed_5d.", 64);
	x = folded_later(n->f, block_b(n, x, "Mixed_6a."), WORKER_BATCH);
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "Mixed_6%c.", 'b' + i);
		x = block_c(n, x, name, inner[i]);
	}
	x = block_d(n, x, "Mixed_7a.");
	x = block_e(n, x, "Mixed_7b.", false);
	return folded_mean(n->f, block_e(n, x, "Mixed_7c.", n->fid));
}

val inception_fid(struct folded *f, val x)
{
	return inception(&(struct inception){ f, true }, x);
}

val inception_torchvision(struct folded *f, val x)
{
	folded_ignore(f, "AuxLogits");
	return inception(&(struct inception){ f, false }, x);
}
