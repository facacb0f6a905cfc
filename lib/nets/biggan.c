/* biggan: generator and discriminator, class- and instance-conditional. */
#include "lib/nets/biggan.h"
#include "lib/nets/layer.h"
#include "lib/base/fail.h"

#include <limits.h>
#include <stdio.h>

enum { STAGES_MAX = 7 };

/* Channels out of each stage of G and each block of D, in units of ch (spec biggan 1.2, 2.1); a
 * stage takes what the one before gives, the first as many as it gives.  Attention comes after the
 * stage or block with that number, -1 none; the first d_down blocks halve the side.  512 pixels
 * have no discriminator. */
static const struct plan {
	int resolution;
	int g_stages, g_out[STAGES_MAX], g_attention;
	int d_blocks, d_out[STAGES_MAX], d_down, d_attention;
} plans[] = {
	{ 32, 3, { 4, 4, 4 }, -1, 4, { 4, 4, 4, 4 }, 2, -1 },
	{ 64, 4, { 16, 8, 4, 2 }, 2, 5, { 1, 2, 4, 8, 16 }, 4, 0 },
	{ 128, 5, { 16, 8, 4, 2, 1 }, 3, 6, { 1, 2, 4, 8, 16, 16 }, 5, 0 },
	{ 256, 6, { 16, 8, 8, 4, 2, 1 }, 3, 7, { 1, 2, 4, 8, 8, 16, 16 }, 6, 1 },
	{ 512, 7, { 16, 8, 8, 4, 2, 1, 1 }, 3, 0, { 0 }, 0, -1 },
};

static const struct plan *plan_of(int resolution)
{
	for (size_t i = 0; i < LEN(plans); i++)
		if (plans[i].resolution == resolution) return &plans[i];
	return NULL;
}

struct biggan biggan_default(void)
{
	return (struct biggan){ .resolution = 64,
				.g_ch = 64,
				.d_ch = 64,
				.dim_z = 120,
				.shared_dim = 128,
				.shared_dim_feat = 512,
				.n_classes = 1000,
				.features = 2048,
				.instance_cond = true };
}

int biggan_check(const struct biggan *c)
{
	const struct plan *p = plan_of(c->resolution);

	if (!p) return fail("resolution %d: expected 32, 64, 128, 256 or 512", c->resolution);
	if (!c->class_cond && !c->instance_cond)
		return fail("neither class nor instance conditions the networks");
	if (c->g_ch < 1) return fail("ch %d: expected at least 1", c->g_ch);
	if (c->dim_z < p->g_stages + 1)
		return fail("dim_z %d: expected at least %d, one for each stage and one", c->dim_z,
			    p->g_stages + 1);
	if (p->g_attention >= 0 && c->g_ch * p->g_out[p->g_attention] < 8)
		return fail("ch %d: expected at least %d, attention needs 8 channels", c->g_ch,
			    8 / p->g_out[p->g_attention]);
	return 0;
}

bool biggan_trains(int resolution)
{
	const struct plan *p = plan_of(resolution);
	return p && p->d_blocks;
}

int biggan_check_d(const struct biggan *c)
{
	const struct plan *p = plan_of(c->resolution);

	if (!biggan_trains(c->resolution))
		return fail("resolution %d: expected 32, 64, 128 or 256", c->resolution);
	if (biggan_check(c)) return -1;
	if (c->d_ch < 1) return fail("ch %d: expected at least 1", c->d_ch);
	if (p->d_attention >= 0 && c->d_ch * p->d_out[p->d_attention] < 8)
		return fail("ch %d: expected at least %d, attention needs 8 channels", c->d_ch,
			    8 / p->d_out[p->d_attention]);
	return 0;
}

/* Queries, keys and values of an attention over side x side pixels of c channels. */
static int64_t attended(int side, int c)
{
	int64_t pixels = (int64_t)side * side;
	return pixels * (c / 8) + pixels / 4 * (c / 8 + c / 2);
}

/* The gradients of these are one value, whose numbers an int counts; D sees twice as many. */
int biggan_batch_max(const struct biggan *c)
{
	const struct plan *p = plan_of(c->resolution);
	int64_t g = 1, d = 1;

	if (p->g_attention >= 0)
		g = attended(8 << p->g_attention, c->g_ch * p->g_out[p->g_attention]);
	if (p->d_attention >= 0)
		d = 2 * attended(c->resolution >> (p->d_attention + 1),
				 c->d_ch * p->d_out[p->d_attention]);
	return (int)(INT_MAX / (g > d ? g : d));
}

static int chunk_of(const struct biggan *c)
{
	return c->dim_z / (plan_of(c->resolution)->g_stages + 1);
}

int biggan_dim_z(const struct biggan *c)
{
	return chunk_of(c) * (plan_of(c->resolution)->g_stages + 1);
}

/* Width of the vector that conditions each norm: class part, feature part, slice of z. */
static int y_width(const struct biggan *c)
{
	return (c->class_cond ? c->shared_dim : 0) + (c->instance_cond ? c->shared_dim_feat : 0) +
	       chunk_of(c);
}

static void conv_params(struct params *ps, const char *block, const char *name, int out, int in,
			int k)
{
	char part[64];
	int64_t shape[4] = { out, in, k, k };

	snprintf(part, sizeof part, "%s.%s", block, name);
	layer_sn_params(ps, part, WEIGHT, 4, shape, true);
}

static void norm_params(struct params *ps, const char *block, const char *name, int c, int width)
{
	static const char *const maps[] = { "gain", "bias" };
	char part[64];
	int64_t one[1] = { c }, shape[2] = { c, width };

	snprintf(part, sizeof part, "%s.%s.stored_mean", block, name);
	param_add(ps, part, AS_IS, 1, one, false, INIT_ZERO, 0);
	snprintf(part, sizeof part, "%s.%s.stored_var", block, name);
	param_add(ps, part, AS_IS, 1, one, false, INIT_ONE, 0);
	for (int i = 0; i < 2; i++) {
		snprintf(part, sizeof part, "%s.%s.%s", block, name, maps[i]);
		layer_sn_params(ps, part, WEIGHT, 2, shape, false);
	}
}

void biggan_g_params(const struct biggan *c, struct params *ps)
{
	const struct plan *p = plan_of(c->resolution);
	int ch = c->g_ch, in = p->g_out[0] * ch, width = y_width(c);
	char block[32];

	must(!biggan_check(c));
	*ps = (struct params){ 0 };
	param_add(ps, "shared.weight", AS_IS, 2, (int64_t[]){ c->n_classes, c->shared_dim }, true,
		  INIT_ORTHOGONAL, 0);
	if (c->instance_cond)
		layer_sn_params(ps, "shared_feat", WEIGHT, 2,
				(int64_t[]){ c->shared_dim_feat, c->features }, true);
	layer_sn_params(ps, "linear", CHW_WEIGHT, 2,
			(int64_t[]){ 16 * in, chunk_of(c) }, true);
	for (int i = 0; i < p->g_stages; i++) {
		int out = p->g_out[i] * ch;
		snprintf(block, sizeof block, "blocks.%d.0", i);
		conv_params(ps, block, "conv1", out, in, 3);
		conv_params(ps, block, "conv2", out, out, 3);
		conv_params(ps, block, "conv_sc", out, in, 1);
		norm_params(ps, block, "bn1", in, width);
		norm_params(ps, block, "bn2", out, width);
		snprintf(block, sizeof block, "blocks.%d.1", i);
		if (i == p->g_attention) layer_attention_params(ps, block, out);
		in = out;
	}
	param_add(ps, "output_layer.0.gain", AS_IS, 1, (int64_t[]){ in }, true, INIT_ONE, 0);
	param_add(ps, "output_layer.0.bias", AS_IS, 1, (int64_t[]){ in }, true, INIT_ZERO, 0);
	param_add(ps, "output_layer.0.stored_mean", AS_IS, 1, (int64_t[]){ in }, false, INIT_ZERO,
		  0);
	param_add(ps, "output_layer.0.stored_var", AS_IS, 1, (int64_t[]){ in }, false, INIT_ONE, 0);
	conv_params(ps, "output_layer", "2", 3, in, 3);
}

void biggan_d_params(const struct biggan *c, struct params *ps)
{
	const struct plan *p = plan_of(c->resolution);
	int ch = c->d_ch, in = 3, top = p->d_out[p->d_blocks - 1] * ch;
	int half = c->class_cond && c->instance_cond ? top / 2 : top;
	char block[32];

	must(!biggan_check_d(c));
	*ps = (struct params){ 0 };
	for (int i = 0; i < p->d_blocks; i++) {
		int out = p->d_out[i] * ch;
		snprintf(block, sizeof block, "blocks.%d.0", i);
		conv_params(ps, block, "conv1", out, in, 3);
		conv_params(ps, block, "conv2", out, out, 3);
		if (in != out || i < p->d_down) conv_params(ps, block, "conv_sc", out, in, 1);
		snprintf(block, sizeof block, "blocks.%d.1", i);
		if (i == p->d_attention) layer_attention_params(ps, block, out);
		in = out;
	}
	layer_sn_params(ps, "linear", WEIGHT, 2, (int64_t[]){ 1, top }, true);
	if (c->instance_cond)
		layer_sn_params(ps, "linear_feat", WEIGHT, 2, (int64_t[]){ half, c->features },
				true);
	if (c->class_cond)
		layer_sn_params(ps, "embed", AS_IS, 2, (int64_t[]){ c->n_classes, half }, false);
}

/* gain is 1 + a map of y, shift another; neither map has a bias. */
static val norm(struct scope *s, const char *block, const char *name, val x, val y)
{
	char part[64];
	val map[2];

	for (int i = 0; i < 2; i++) {
		snprintf(part, sizeof part, "%s.%s.%s", block, name, i ? "bias" : "gain");
		map[i] = layer_dense(s, part, y, false);
	}
	snprintf(part, sizeof part, "%s.%s", block, name);
	return layer_norm_relu(s, part, x, scale(s->t, map[0], 1, 1), map[1]);
}

static val block_conv(struct scope *s, const char *block, const char *name, val x,
		      enum conv_scale scale)
{
	char part[64];
	snprintf(part, sizeof part, "%s.%s", block, name);
	return layer_conv(s, part, x, scale, true);
}

/* The 1x1 shortcut and its bias come before the upsampling, which commutes with them. */
static val g_block(struct scope *s, const char *block, val x, val y)
{
	struct tape *t = s->t;
	val h = block_conv(s, block, "conv1", norm(s, block, "bn1", x, y), CONV_UP);
	h = block_conv(s, block, "conv2", norm(s, block, "bn2", h, y), CONV_SAME);
	return add(t, h, up2(t, block_conv(s, block, "conv_sc", x, CONV_SAME)));
}

val biggan_g(struct scope *s, const struct biggan *c, val z, val y, val f)
{
	const struct plan *p = plan_of(c->resolution);
	struct tape *t = s->t;
	int n = tape_shape(t, z).d[0], k = chunk_of(c), ch = c->g_ch;
	val e = -1;
	char block[32];

	must(tape_shape(t, z).d[3] == biggan_dim_z(c) && c->class_cond == (y >= 0) &&
	     c->instance_cond == (f >= 0));
	if (y >= 0) e = pick(t, scope_param(s, "shared.weight"), y);
	if (f >= 0) {
		val g = layer_dense(s, "shared_feat", f, true);
		e = e < 0 ? g : concat(t, e, g, 3);
	}
	val h = layer_dense(s, "linear", slice(t, z, 3, 0, k), true);
	h = reshape(t, h, shape4(n, 4, 4, p->g_out[0] * ch));
	for (int i = 0; i < p->g_stages; i++) {
		snprintf(block, sizeof block, "blocks.%d.0", i);
		segment(t);
		h = g_block(s, block, h, concat(t, e, slice(t, z, 3, (i + 1) * k, k), 3));
		snprintf(block, sizeof block, "blocks.%d.1", i);
		if (i != p->g_attention) continue;
		segment(t);
		h = layer_attention(s, block, h);
	}
	segment(t);
	h = layer_norm_relu(s, "output_layer.0", h, scope_param(s, "output_layer.0.gain"),
			    scope_param(s, "output_layer.0.bias"));
	return hyptan(t, layer_conv(s, "output_layer.2", h, CONV_SAME, true));
}

/* Pooling commutes with the bias and with the 1x1 shortcut and comes before both. */
static val d_block(struct scope *s, const char *block, val x, bool first, bool down)
{
	struct tape *t = s->t;
	struct shape d = tape_shape(t, x);
	val h = block_conv(s, block, "conv1", first ? x : lrelu(t, x, 0), CONV_SAME);
	val sc = down ? layer_pool2(t, x) : x;

	h = block_conv(s, block, "conv2", lrelu(t, h, 0), down ? CONV_DOWN : CONV_SAME);
	if (down || d.d[3] != tape_shape(t, h).d[3])
		sc = block_conv(s, block, "conv_sc", sc, CONV_SAME);
	return add(t, h, sc);
}

val biggan_d(struct scope *s, const struct biggan *c, val x, val y, val f)
{
	const struct plan *p = plan_of(c->resolution);
	struct tape *t = s->t;
	struct shape d = tape_shape(t, x);
	char block[32];
	val e = -1;

	must(d.d[1] == c->resolution && d.d[3] == 3 && c->class_cond == (y >= 0) &&
	     c->instance_cond == (f >= 0));
	for (int i = 0; i < p->d_blocks; i++) {
		snprintf(block, sizeof block, "blocks.%d.0", i);
		segment(t);
		x = d_block(s, block, x, i == 0, i < p->d_down);
		snprintf(block, sizeof block, "blocks.%d.1", i);
		if (i != p->d_attention) continue;
		segment(t);
		x = layer_attention(s, block, x);
	}
	val h = lrelu(t, x, 0);
	h = sum_to(t, h, shape4(d.d[0], 1, 1, tape_shape(t, h).d[3]));
	if (y >= 0) e = pick(t, layer_sn(s, "embed"), y);
	if (f >= 0) {
		val g = layer_dense(s, "linear_feat", f, true);
		e = e < 0 ? g : concat(t, e, g, 3);
	}
	return add(t, layer_dense(s, "linear", h, true),
		   sum_to(t, mul(t, e, h), shape4(d.d[0], 1, 1, 1)));
}
