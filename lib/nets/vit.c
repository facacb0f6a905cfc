/* vit: vision transformers (spec extractors 5.1, 6): patches as tokens behind a class token, blocks
 *   x += attention(norm(x)), x += mlp(norm(x)), and the normed class token at the end. */
#include "lib/nets/vit.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/nets/worker.h"
#include "lib/stat/resize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCKS = 12, HEAD = 64, NAME = 96 };

/* The parts of a block as the files name them: a dense layer by its weight and bias; gain, of what
 * a half of the block adds to x, or NULL. */
struct family {
	const char *norm[2], *qkv[2], *out[2], *up[2], *down[2], *gain[2];
	val (*act)(struct tape *, val x);
};

/* Each token as (x - mean) / sqrt(variance + eps) `name`.weight + `name`.bias. */
static val norm(struct folded *f, val x, const char *block, const char *name)
{
	struct tape *t = f->t;
	struct shape s = tape_shape(t, x), one = s, width = shape4(1, 1, 1, s.d[3]);
	const int64_t count[1] = { s.d[3] };
	char weight[NAME], bias[NAME];

	snprintf(weight, NAME, "%s%s.weight", block, name);
	snprintf(bias, NAME, "%s%s.bias", block, name);
	one.d[3] = 1;
	val far = sub(t, x, scale(t, sum_to(t, x, one), 1.0 / s.d[3], 0));
	val var = scale(t, sum_to(t, mul(t, far, far), one), 1.0 / s.d[3], f->eps);
	val y = mul(t, mul(t, far, recip(t, root(t, var))),
		folded_values(f, weight, 1, count, width, NULL));
	return add(t, y, folded_values(f, bias, 1, count, width, NULL));
}

static val dense(struct folded *f, val x, val more, const char *block, const char *const name[2],
	const char *gain, int out)
{
	char whole[3][NAME];

	snprintf(whole[0], NAME, "%s%s", block, name[0]);
	snprintf(whole[1], NAME, "%s%s", block, name[1]);
	snprintf(whole[2], NAME, "%s%s", block, gain ? gain : "");
	return folded_linear(f, x, more, &(struct folded_linear){
		whole[0], whole[1], gain ? whole[2] : NULL, out });
}

/* [N,1,tokens,C] -> [N,heads,tokens,C / heads] */
static val by_head(struct tape *t, val x, int heads)
{
	struct shape s = tape_shape(t, x);

	x = reshape(t, x, shape4(s.d[0], s.d[2], heads, s.d[3] / heads));
	return permute(t, x, 0, 2, 1, 3);
}

val vit_attention(struct tape *t, val q, val k, val v, int heads)
{
	struct shape s = tape_shape(t, q);

	q = scale(t, by_head(t, q, heads), 1 / sqrt((double)s.d[3] / heads), 0);
	val o = attention(t, q, by_head(t, k, heads), by_head(t, v, heads));
	return reshape(t, permute(t, o, 0, 2, 1, 3), s);
}

/* last: only of the class token, which is all that is read of it. */
static val block(struct folded *f, val x, const char *name, const struct family *k, bool last)
{
	struct tape *t = f->t;
	int width = tape_shape(t, x).d[3];
	val y = dense(f, norm(f, x, name, k->norm[0]), -1, name, k->qkv, NULL, 3 * width), part[3];

	for (int i = 0; i < 3; i++) part[i] = slice(t, y, 3, i * width, width);
	if (last) {
		part[0] = slice(t, part[0], 2, 0, 1);
		x = slice(t, x, 2, 0, 1);
	}
	y = vit_attention(t, part[0], part[1], part[2], width / HEAD);
	x = dense(f, y, x, name, k->out, k->gain[0], width);
	y = dense(f, norm(f, x, name, k->norm[1]), -1, name, k->up, NULL, 4 * width);
	return dense(f, k->act(t, y), x, name, k->down, k->gain[1], width);
}

/* The class token[1,1,1,C] and the patches [N,h,w,C], positions[1,1,1 + h w,C] added. */
static val tokens(struct tape *t, val class_token, val patches, val positions)
{
	struct shape s = tape_shape(t, patches);

	patches = reshape(t, patches, shape4(s.d[0], 1, s.d[1] * s.d[2], s.d[3]));
	if (s.d[0] > 1) class_token = expand(t, class_token, shape4(s.d[0], 1, 1, s.d[3]));
	return add(t, concat(t, class_token, patches, 2), positions);
}

/* x / (1 + exp(-1.702 x)) */
static val quick_gelu(struct tape *t, val x)
{
	return mul(t, x, sigmoid(t, scale(t, x, 1.702, 0)));
}

/* x / 2 (1 + erf(x / sqrt(2))) */
static val gelu(struct tape *t, val x)
{
	return mul(t, x, scale(t, errfun(t, scale(t, x, M_SQRT1_2, 0)), 0.5, 0.5));
}

void vit_ignore_text(struct folded *f)
{
	static const char *const part[] = {
		"transformer", "token_embedding", "positional_embedding", "ln_final",
		"text_projection", "logit_scale", "input_resolution", "context_length",
		"vocab_size",
	};

	for (size_t i = 0; i < LEN(part); i++) folded_ignore(f, part[i]);
}

val vit_clip_b32(struct folded *f, val x)
{
	static const struct family clip = {
		{ "ln_1", "ln_2" }, { "attn.in_proj_weight", "attn.in_proj_bias" },
		{ "attn.out_proj.weight", "attn.out_proj.bias" },
		{ "mlp.c_fc.weight", "mlp.c_fc.bias" }, { "mlp.c_proj.weight", "mlp.c_proj.bias" },
		{ NULL, NULL }, quick_gelu,
	};
	static const int64_t class_token[] = { 768 }, positions[] = { 50, 768 },
		proj[] = { 768, 512 };
	char name[NAME];

	vit_ignore_text(f);
	x = folded_conv(f, x, -1, &(struct folded_layer){
		"visual.conv1", "", 32, 32, 32, { 0 }, 768, ACT_NONE });
	x = folded_later(f, x, WORKER_BATCH);
	struct tape *t = f->t;
	val first = folded_values(f, "visual.class_embedding", 1, class_token,
		shape4(1, 1, 1, 768), NULL);
	x = tokens(t, first, x, folded_values(f, "visual.positional_embedding", 2, positions,
		shape4(1, 1, 50, 768), NULL));
	x = norm(f, x, "visual.", "ln_pre");
	for (int i = 0; i < BLOCKS; i++) {
		snprintf(name, NAME, "visual.transformer.resblocks.%d.", i);
		x = block(f, x, name, &clip, i == BLOCKS - 1);
	}
	x = norm(f, x, "visual.", "ln_post");
	int n = tape_shape(t, x).d[0];
	val to = folded_values(f, "visual.proj", 2, proj, shape4(1, 1, 768, 512), NULL);
	x = matmul(t, reshape(t, x, shape4(1, 1, n, 768)), to, false, false);
	return reshape(t, x, shape4(n, 1, 1, 512));
}

enum { GRID = 37, SIDE = 16, WIDTH = 384 };

/* The class token's position, and those of GRID x GRID patches resampled to SIDE x SIDE. */
static void resample(const float *from, real *to)
{
	float *grid = mem_new((size_t)SIDE * SIDE, WIDTH * sizeof *grid);

	resize_f32(from + WIDTH, GRID, GRID, grid, SIDE, SIDE, WIDTH, TORCH_CUBIC_TENTH);
	for (int i = 0; i < WIDTH; i++) to[i] = (real)from[i];
	for (int i = 0; i < SIDE * SIDE * WIDTH; i++) to[WIDTH + i] = (real)grid[i];
	free(grid);
}

/* "blocks.I.", or, as training writes it, in parts of several blocks: "blocks.PART.I.". */
static void block_name(const struct folded *f, int i, char name[NAME])
{
	char tensor[NAME + 16];

	for (int part = -1; part <= i; part++) {
		if (part < 0) snprintf(name, NAME, "blocks.%d.", i);
		else snprintf(name, NAME, "blocks.%d.%d.", part, i);
		snprintf(tensor, sizeof tensor, "%snorm1.weight", name);
		if (tensors_find(f->from, tensor)) return;
	}
	snprintf(name, NAME, "blocks.%d.", i);
}

val vit_dinov2_s14(struct folded *f, val x)
{
	static const struct family dinov2 = {
		{ "norm1", "norm2" }, { "attn.qkv.weight", "attn.qkv.bias" },
		{ "attn.proj.weight", "attn.proj.bias" }, { "mlp.fc1.weight", "mlp.fc1.bias" },
		{ "mlp.fc2.weight", "mlp.fc2.bias" }, { "ls1.gamma", "ls2.gamma" }, gelu,
	};
	static const int64_t class_token[] = { 1, 1, WIDTH };
	static const int64_t positions[] = { 1, GRID * GRID + 1, WIDTH };
	char name[NAME];

	folded_ignore(f, "mask_token");
	x = folded_conv(f, x, -1, &(struct folded_layer){
		"patch_embed.proj", NULL, 14, 14, 14, { 0 }, WIDTH, ACT_NONE });
	val first = folded_values(f, "cls_token", 3, class_token, shape4(1, 1, 1, WIDTH), NULL);
	x = tokens(f->t, first, x, folded_values(f, "pos_embed", 3, positions,
		shape4(1, 1, SIDE * SIDE + 1, WIDTH), resample));
	for (int i = 0; i < BLOCKS; i++) {
		block_name(f, i, name);
		x = block(f, x, name, &dinov2, i == BLOCKS - 1);
	}
	return norm(f, x, "", "norm");
}
