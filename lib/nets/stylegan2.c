/* stylegan2: mapping, synthesis and discriminator (spec stylegan2, sections 3 to 5). */
#include "lib/nets/stylegan2.h"
#include "lib/base/fail.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { D_LAYERS = 8, LAYERS_MAX = 64, NAME = 64 };
static const double slope = 0.2, tiny = 1e-8;
static const double slow = 0.01;             /* of the mappings' weights, at run time */
static const double towards = 0.005;         /* of w_avg, each time */

struct stylegan2 stylegan2_default(void)
{
	return (struct stylegan2){ .resolution = 128,
				   .channel_base = 16384,
				   .channel_max = 512,
				   .dim_z = 512,
				   .dim_w = 512,
				   .g_layers = 2,
				   .n_classes = 1000,
				   .features = 2048,
				   .instance_cond = true,
				   .g_clamp = 256,
				   .d_clamp = 256,
				   .group = 4 };
}

int stylegan2_check(const struct stylegan2 *c)
{
	int r = c->resolution;

	if (r < 8 || r > STYLEGAN2_SIDE || r & (r - 1))
		return fail("resolution %d: expected a power of two, 8 to %d", r, STYLEGAN2_SIDE);
	if (c->channel_base / r < 1 || c->channel_max < 1)
		return fail("channels %d / %d, at most %d: expected at least 1", c->channel_base, r,
			    c->channel_max);
	if (c->dim_z < 1 || c->dim_w < 1)
		return fail("dim_z %d, dim_w %d: expected at least 1 each", c->dim_z, c->dim_w);
	if (c->g_layers < 1 || c->g_layers > LAYERS_MAX)
		return fail("%d layers of the mapping: expected 1 to %d", c->g_layers, LAYERS_MAX);
	if (!(c->g_clamp > 0) || !(c->d_clamp > 0) || c->group < 1)
		return fail("activations within %g and %g, groups of %d: expected more than 0",
			    c->g_clamp, c->d_clamp, c->group);
	return 0;
}

int stylegan2_channels(const struct stylegan2 *c, int side)
{
	int n = c->channel_base / side;
	return n < c->channel_max ? n : c->channel_max;
}

int stylegan2_styles(const struct stylegan2 *c)
{
	int n = 0;

	for (int r = 4; r <= c->resolution; r *= 2) n += 2;
	return n;
}

int stylegan2_noise_side(int k)
{
	return 4 << (k + 1) / 2;
}

size_t stylegan2_noise_size(int k)
{
	size_t side = (size_t)stylegan2_noise_side(k);
	return side * side;
}

static bool conditioned(const struct stylegan2 *c)
{
	return c->class_cond || c->instance_cond;
}

/* "layer.leaf", or "leaf". */
static const char *join(char name[NAME], const char *layer, const char *leaf)
{
	must(snprintf(name, NAME, "%s%s%s", layer, *layer ? "." : "", leaf) < NAME);
	return name;
}

/* Parameters and buffers, in published order. */

static void trained(struct params *ps, const char *layer, const char *leaf, enum order order,
		    int rank, const int64_t *shape, enum init init, int deviation)
{
	char name[NAME];
	param_add(ps, join(name, layer, leaf), order, rank, shape, true, init, deviation);
}

static void buffer(struct params *ps, const char *layer, const char *leaf, int rank, int side,
		   enum init init)
{
	char name[NAME];
	param_add(ps, join(name, layer, leaf), AS_IS, rank, (int64_t[]){ side, side }, false, init,
		  0);
}

static void vector(struct params *ps, const char *layer, int n, enum init init)
{
	trained(ps, layer, "bias", AS_IS, 1, (int64_t[]){ n }, init, 0);
}

/* wide: the deviation of the first weights. */
static void dense_params(struct params *ps, const char *layer, int out, int in, int wide,
			 enum init bias)
{
	trained(ps, layer, "weight", WEIGHT, 2, (int64_t[]){ out, in }, INIT_NORMAL, wide);
	vector(ps, layer, out, bias);
}

static void conv_weight(struct params *ps, const char *layer, enum order order, int out, int in,
			int k)
{
	trained(ps, layer, "weight", order, 4, (int64_t[]){ out, in, k, k }, INIT_NORMAL, 0);
}

static void filter(struct params *ps, const char *layer)
{
	buffer(ps, layer, "resample_filter", 2, 4, INIT_BLUR);
}

/* Of G, with a slice of z to begin with, or of D, without: z 0. */
static void map_params(const struct stylegan2 *c, struct params *ps, int z, int wide, int layers)
{
	int in = z + (c->class_cond ? wide : 0) + (c->instance_cond ? wide : 0);
	char layer[NAME];

	if (c->class_cond)
		dense_params(ps, "mapping.embed", wide, c->n_classes, 1, INIT_ZERO);
	if (c->instance_cond)
		dense_params(ps, "mapping.embed_feats", wide, c->features, 1, INIT_ZERO);
	for (int i = 0; i < layers; i++, in = wide) {
		snprintf(layer, sizeof layer, "mapping.fc%d", i);
		dense_params(ps, layer, wide, in, (int)(1 / slow), INIT_ZERO);
	}
}

static void style_params(const struct stylegan2 *c, struct params *ps, const char *layer, int in)
{
	char name[NAME];
	dense_params(ps, join(name, layer, "affine"), in, c->dim_w, 1, INIT_ONE);
}

static void synthesis_conv(const struct stylegan2 *c, struct params *ps, const char *block, int k,
			   int side, int out, int in)
{
	char layer[NAME];

	join(layer, block, k ? "conv1" : "conv0");
	conv_weight(ps, layer, k ? WEIGHT : ADJOINT_WEIGHT, out, in, 3);
	trained(ps, layer, "noise_strength", AS_IS, 0, NULL, INIT_ZERO, 0);
	vector(ps, layer, out, INIT_ZERO);
	filter(ps, layer);
	buffer(ps, layer, "noise_const", 2, side, INIT_NORMAL);
	style_params(c, ps, layer, in);
}

void stylegan2_g_params(const struct stylegan2 *c, struct params *ps)
{
	char block[NAME], layer[NAME];

	must(!stylegan2_check(c));
	*ps = (struct params){ 0 };
	for (int r = 4; r <= c->resolution; r *= 2) {
		int n = stylegan2_channels(c, r);
		snprintf(block, sizeof block, "synthesis.b%d", r);
		if (r == 4)
			trained(ps, block, "const", MAPS, 3, (int64_t[]){ n, 4, 4 }, INIT_NORMAL,
				0);
		filter(ps, block);
		if (r > 4)
			synthesis_conv(c, ps, block, 0, r, n, stylegan2_channels(c, r / 2));
		synthesis_conv(c, ps, block, 1, r, n, n);
		join(layer, block, "torgb");
		conv_weight(ps, layer, WEIGHT, 3, n, 1);
		vector(ps, layer, 3, INIT_ZERO);
		style_params(c, ps, layer, n);
	}
	buffer(ps, "mapping", "w_avg", 1, c->dim_w, INIT_ZERO);
	map_params(c, ps, c->dim_z, c->dim_w, c->g_layers);
}

static void d_conv(struct params *ps, const char *block, const char *name, int out, int in, int k)
{
	char layer[NAME];

	join(layer, block, name);
	conv_weight(ps, layer, WEIGHT, out, in, k);
	if (strcmp(name, "skip")) vector(ps, layer, out, INIT_ZERO);
	filter(ps, layer);
}

void stylegan2_d_params(const struct stylegan2 *c, struct params *ps)
{
	int top = stylegan2_channels(c, 4);
	char block[NAME];

	must(!stylegan2_check(c));
	*ps = (struct params){ 0 };
	for (int r = c->resolution; r > 4; r /= 2) {
		int n = stylegan2_channels(c, r), out = stylegan2_channels(c, r / 2);
		snprintf(block, sizeof block, "b%d", r);
		filter(ps, block);
		if (r == c->resolution) d_conv(ps, block, "fromrgb", n, 3, 1);
		d_conv(ps, block, "conv0", n, n, 3);
		d_conv(ps, block, "conv1", out, n, 3);
		d_conv(ps, block, "skip", out, n, 1);
	}
	if (conditioned(c)) map_params(c, ps, 0, top, D_LAYERS);
	d_conv(ps, "b4", "conv", top, top + 1, 3);
	trained(ps, "b4.fc", "weight", CHW_INPUT, 2, (int64_t[]){ top, 16 * top }, INIT_NORMAL, 0);
	vector(ps, "b4.fc", top, INIT_ZERO);
	dense_params(ps, "b4.out", conditioned(c) ? top : 1, top, 1, INIT_ZERO);
}

/* Layers. */

static struct shape rows(struct tape *t, val x)
{
	struct shape d = tape_shape(t, x);
	return shape4(1, 1, d.d[0], d.d[3]);
}

/* Each row divided by the root of its mean square. */
static val unit(struct tape *t, val x)
{
	struct shape d = tape_shape(t, x);
	val m = sum_to(t, mul(t, x, x), shape4(d.d[0], 1, 1, 1));
	return mul(t, x, recip(t, root(t, scale(t, m, 1.0 / d.d[3], tiny))));
}

/* gain lrelu(x) within +-clamp of the gain's part. */
static val activate(struct tape *t, val x, double gain, double clamp_)
{
	x = scale(t, lrelu(t, x, slope), gain, 0);
	return isfinite(clamp_) ? clamp(t, x, -clamp_, clamp_) : x;
}

static val with_bias(struct scope *s, const char *layer, val x)
{
	return add(s->t, x, scope_param(s, "%s.bias", layer));
}

/* pace: of the weights and the bias, beside what their number asks for. */
static val dense(struct scope *s, const char *layer, val x, double pace, bool active)
{
	struct tape *t = s->t;
	val w = scope_param(s, "%s.weight", layer), b = scope_param(s, "%s.bias", layer);
	int n = tape_shape(t, x).d[0], out = tape_shape(t, w).d[3];
	val y = matmul(t, reshape(t, x, rows(t, x)), w, false, false);

	tape_label(t, y, "%s", layer);
	y = scale(t, reshape(t, y, shape4(n, 1, 1, out)), pace / sqrt(tape_shape(t, x).d[3]), 0);
	y = add(t, y, scale(t, b, pace, 0));
	return active ? activate(t, y, M_SQRT2, INFINITY) : y;
}

/* A label picks its column of the weights. */
static val embed(struct scope *s, val y)
{
	struct tape *t = s->t;
	val w = scope_param(s, "mapping.embed.weight");
	struct shape d = tape_shape(t, w);
	val e = pick(t, reshape(t, w, shape4(d.d[2], 1, 1, d.d[3])), y);

	return with_bias(s, "mapping.embed", scale(t, e, 1 / sqrt(d.d[2]), 0));
}

/* x, or nothing (-1), beside what the classes and features are mapped to. */
static val map(struct scope *s, const struct stylegan2 *c, val x, val y, val f, int layers)
{
	struct tape *t = s->t;
	val e = -1;
	char layer[NAME];

	must(c->class_cond == (y >= 0) && c->instance_cond == (f >= 0));
	if (y >= 0) e = embed(s, y);
	if (f >= 0) {
		val g = dense(s, "mapping.embed_feats", f, 1, false);
		e = e < 0 ? g : concat(t, e, g, 3);
	}
	if (e >= 0) e = unit(t, e);
	x = x < 0 ? e : e < 0 ? x : concat(t, x, e, 3);
	for (int i = 0; i < layers; i++) {
		snprintf(layer, sizeof layer, "mapping.fc%d", i);
		x = dense(s, layer, x, slow, true);
	}
	return x;
}

val stylegan2_map(struct scope *s, const struct stylegan2 *c, val z, val y, val f, bool average)
{
	struct tape *t = s->t;
	val w = map(s, c, unit(t, z), y, f, c->g_layers);

	if (average) {
		val old = scope_param(s, "mapping.w_avg");
		val now = sum_to(t, detach(t, w), shape4(1, 1, 1, c->dim_w));
		now = scale(t, now, 1.0 / tape_shape(t, z).d[0], 0);
		scope_update(s, add(t, old, scale(t, sub(t, now, old), towards, 0)),
			     "mapping.w_avg");
	}
	return w;
}

val stylegan2_truncate(struct scope *s, const struct stylegan2 *c, val w, val psi)
{
	struct tape *t = s->t;
	val mean = scope_param(s, "mapping.w_avg");

	must(tape_shape(t, psi).d[1] == stylegan2_styles(c));
	return add(t, mean, mul(t, sub(t, w, mean), psi));
}

/* Resampling with a layer's own filter, whose sum is 1; gain: of the result. */
static val resample(struct scope *s, const char *layer, val x, int up, int down, int before,
		    int after, double gain)
{
	struct tape *t = s->t;
	val f = reshape(t, scope_param(s, "%s.resample_filter", layer), shape4(1, 4, 4, 1));

	if (gain != 1) f = scale(t, f, gain, 0);
	return fir(t, x, f, up, down, (struct pads){ before, after, before, after }, true);
}

/* Synthesis. */

enum kind { SAME, UP, TO_RGB };

/* 1 / the length of each filter once styles have scaled its inputs, [N,1,1,O]. */
static val demodulation(struct scope *s, val style, val w, enum kind kind)
{
	struct tape *t = s->t;
	struct shape d = tape_shape(t, w);
	int n = tape_shape(t, style).d[0], out = kind == UP ? d.d[2] : d.d[3];
	val squares = sum_to(t, mul(t, w, w), shape4(1, 1, d.d[2], d.d[3]));
	val each = matmul(t, reshape(t, mul(t, style, style), rows(t, style)), squares, false,
			  kind == UP);

	return recip(t, root(t, scale(t, reshape(t, each, shape4(n, 1, 1, out)), 1, tiny)));
}

/* Channels scaled by the style, convolved with weights that all pictures share, scaled back. */
static val modulated(struct scope *s, const char *layer, val x, val style, enum kind kind)
{
	struct tape *t = s->t;
	struct shape d = tape_shape(t, x);
	char affine[NAME];
	val w = scope_param(s, "%s.weight", layer);
	val a = dense(s, join(affine, layer, "affine"), style, 1, false), y;

	if (kind == TO_RGB) a = scale(t, a, 1 / sqrt(d.d[3]), 0);
	x = mul(t, x, a);
	if (kind == UP) {
		y = conv_adjoint(t, x, w, 2, (struct pads){ 0 }, 2 * d.d[1] + 1, 2 * d.d[2] + 1);
		tape_label(t, y, "%s", layer);
		y = resample(s, layer, y, 1, 1, 1, 1, 4);
	} else {
		int p = kind == SAME;
		y = conv(t, x, w, 1, (struct pads){ p, p, p, p });
		tape_label(t, y, "%s", layer);
	}
	return kind == TO_RGB ? y : mul(t, y, demodulation(s, a, w, kind));
}

struct synthesis {
	struct scope *s;
	const struct stylegan2 *c;
	val styles;
	const val *noise;
	int convs;                           /* so far */
};

static val style(const struct synthesis *g, int k)
{
	struct tape *t = g->s->t;
	struct shape d = tape_shape(t, g->styles);
	return reshape(t, slice(t, g->styles, 1, k, 1), shape4(d.d[0], 1, 1, d.d[3]));
}

/* Noise comes before the bias; one plane for all channels. */
static val add_noise(struct synthesis *g, const char *layer, val x)
{
	struct tape *t = g->s->t;
	int r = tape_shape(t, x).d[1];
	val plane = g->noise ? g->noise[g->convs] :
		reshape(t, scope_param(g->s, "%s.noise_const", layer), shape4(1, r, r, 1));

	must(stylegan2_noise_side(g->convs) == r);
	if (plane < 0) return x;
	return add(t, x, mul(t, plane, scope_param(g->s, "%s.noise_strength", layer)));
}

static val synthesis_layer(struct synthesis *g, const char *block, const char *name, val x,
			   enum kind kind)
{
	char layer[NAME];

	join(layer, block, name);
	x = modulated(g->s, layer, x, style(g, g->convs), kind);
	x = with_bias(g->s, layer, add_noise(g, layer, x));
	g->convs++;
	return activate(g->s->t, x, M_SQRT2, g->c->g_clamp);
}

/* The style is that of the next convolution, or the last. */
static val to_rgb(struct synthesis *g, const char *block, val x)
{
	char layer[NAME];
	double most = g->c->g_clamp;

	join(layer, block, "torgb");
	val y = with_bias(g->s, layer, modulated(g->s, layer, x, style(g, g->convs), TO_RGB));
	return isfinite(most) ? clamp(g->s->t, y, -most, most) : y;
}

val stylegan2_synthesis(struct scope *s, const struct stylegan2 *c, val styles, const val *noise)
{
	struct tape *t = s->t;
	struct synthesis g = { s, c, styles, noise, 0 };
	int n = tape_shape(t, styles).d[0], top = stylegan2_channels(c, 4);
	char block[NAME];
	val x = expand(t, scope_param(s, "synthesis.b4.const"), shape4(n, 4, 4, top)), image = -1;

	must(tape_shape(t, styles).d[1] == stylegan2_styles(c));
	for (int r = 4; r <= c->resolution; r *= 2) {
		snprintf(block, sizeof block, "synthesis.b%d", r);
		segment(t);
		if (r > 4) x = synthesis_layer(&g, block, "conv0", x, UP);
		x = synthesis_layer(&g, block, "conv1", x, SAME);
		val y = to_rgb(&g, block, x);
		image = image < 0 ? y : add(t, resample(s, block, image, 2, 1, 2, 1, 4), y);
	}
	return image;
}

/* Discriminator. */

/* Weights scaled by what their number asks for; stride 2 without pads, else the same size. */
static val d_product(struct scope *s, const char *layer, val x, int stride, double gain)
{
	struct tape *t = s->t;
	val w = scope_param(s, "%s.weight", layer);
	struct shape d = tape_shape(t, w);
	int p = stride == 1 ? d.d[0] / 2 : 0;
	val y = conv(t, x, w, stride, (struct pads){ p, p, p, p });

	tape_label(t, y, "%s", layer);
	return scale(t, y, gain / sqrt((double)d.d[0] * d.d[1] * d.d[2]), 0);
}

static val d_layer(struct scope *s, const struct stylegan2 *c, const char *block, const char *name,
		   val x, int stride, double gain)
{
	char layer[NAME];

	join(layer, block, name);
	if (stride == 2) x = resample(s, layer, x, 1, 1, 2, 2, 1);
	return activate(s->t, with_bias(s, layer, d_product(s, layer, x, stride, 1)),
			M_SQRT2 * gain, c->d_clamp * gain);
}

static val d_block(struct scope *s, const struct stylegan2 *c, const char *block, val x)
{
	char skip[NAME];

	join(skip, block, "skip");
	val y = d_product(s, skip, resample(s, skip, x, 1, 2, 1, 1, 1), 1, M_SQRT1_2);
	x = d_layer(s, c, block, "conv0", x, 1, 1);
	return add(s->t, d_layer(s, c, block, "conv1", x, 2, M_SQRT1_2), y);
}

/* Minibatch standard deviation: over the pictures of a group, of which picture j belongs to number
 * j mod (N / size), averaged over channels and pixels, as one more channel. */
static val with_deviation(struct tape *t, val x, int group)
{
	struct shape d = tape_shape(t, x);
	int n = d.d[0], size = group < n ? group : n, groups = n / size, pixels = d.d[1] * d.d[2];
	struct shape one = shape4(1, groups, pixels, d.d[3]);

	must(n % size == 0);
	val g = reshape(t, x, shape4(size, groups, pixels, d.d[3]));
	val c = sub(t, g, scale(t, sum_to(t, g, one), 1.0 / size, 0));
	val s = root(t, scale(t, sum_to(t, mul(t, c, c), one), 1.0 / size, tiny));
	s = scale(t, sum_to(t, s, shape4(1, groups, 1, 1)), 1.0 / pixels / d.d[3], 0);
	s = reshape(t, expand(t, s, shape4(size, groups, pixels, 1)),
		    shape4(n, d.d[1], d.d[2], 1));
	return concat(t, x, s, 3);
}

val stylegan2_d(struct scope *s, const struct stylegan2 *c, val x, val y, val f)
{
	struct tape *t = s->t;
	int n = tape_shape(t, x).d[0], top = stylegan2_channels(c, 4);
	char block[NAME];

	for (int r = c->resolution; r > 4; r /= 2) {
		snprintf(block, sizeof block, "b%d", r);
		segment(t);
		if (r == c->resolution) x = d_layer(s, c, block, "fromrgb", x, 1, 1);
		x = d_block(s, c, block, x);
	}
	segment(t);
	x = d_layer(s, c, "b4", "conv", with_deviation(t, x, c->group), 1, 1);
	x = dense(s, "b4.fc", reshape(t, x, shape4(n, 1, 1, 16 * top)), 1, true);
	x = dense(s, "b4.out", x, 1, false);
	if (!conditioned(c)) return x;
	val e = map(s, c, -1, y, f, D_LAYERS);
	return scale(t, sum_to(t, mul(t, x, e), shape4(n, 1, 1, 1)), 1 / sqrt(top), 0);
}
