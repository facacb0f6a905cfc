/* check-nets: ResNet-50, Inception v3, EfficientNet-Lite, CLIP and DINOv2 against the published
 * implementations, with weights that are a formula of their names (tests/golden/extractors.npz,
 * encoders.npz), from the bytes of a picture or from the network's input on; every tensor of the
 * published tables is used, and none may be missing or of another shape. */
#include "formats/weights.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/nets/efficientnet.h"
#include "lib/nets/inception.h"
#include "lib/nets/nets.h"
#include "lib/nets/prepare.h"
#include "lib/nets/resnet.h"
#include "tests/formula.h"
#include "tests/tap.h"

#include <stdlib.h>

/* The networks in the order of nets.def; tables: tests/golden/nets. */
static const struct {
	const char *table, *golden;
	double gain;                         /* of formula convolutions */
	double near;                         /* relative distance allowed */
} nets[] = {
	{ "efficientnet_lite0", "efficientnet_lite0", 2, 1e-5 },
	{ "efficientnet_lite1", "efficientnet_lite1", 2, 2e-5 },
	{ "efficientnet_lite2", "efficientnet_lite2", 2, 2e-5 },
	{ "resnet50_torchvision", "resnet50", 1, 1e-5 },
	{ "inception_fid", "fid_inception", 2, 1e-5 },
	{ "inception_torchvision", "tv_inception", 2, 1e-5 },
	{ "clip_rn50_visual", "clip_rn50_visual", 1, 1e-5 },
	{ "clip_vitb32_visual", "clip_vitb32_visual", 1, 1e-5 },
	{ "dinov2_vits14", "dinov2_vits14", 1, 1e-5 },
};
enum { LITE0, LITE1, LITE2, RESNET, FID, INCEPTION, CLIP_RN50, CLIP_VIT, DINOV2 };

static struct tensors golden, encoders;      /* of pictures, networks of classes; the others */

/* "NET.CASE.WHAT" of the golden file; NULL when it has none. */
static const struct tensor *find(int net, const char *name, const char *what)
{
	char full[96];

	snprintf(full, sizeof full, "%s.%s.%s", nets[net].golden, name, what);
	const struct tensor *t = tensors_find(net < CLIP_RN50 ? &golden : &encoders, full);
	must(!t || t->type == DT_F32);
	return t;
}

static struct tensors formula_net(int net)
{
	char prefix[64];

	snprintf(prefix, sizeof prefix, "%s/", nets[net].golden);
	return formula_tensors(nets[net].table, prefix, nets[net].gain);
}

/* One tensor left out. */
static struct tensors without(struct tensors w, const char *name)
{
	struct tensor *t = (struct tensor *)tensors_find(&w, name);

	must(t);
	free(t->name);
	w.n--;
	memmove(t, t + 1, (size_t)(w.t + w.n - t) * sizeof *t);
	return w;
}

/* One tensor with its first two sizes exchanged, a vector with one element more. */
static struct tensors turned(struct tensors w, const char *name)
{
	const struct tensor *t = tensors_find(&w, name);
	struct tensor u = *t;
	float *x = mem_new((size_t)t->count + 1, sizeof *x);

	memcpy(x, t->data, (size_t)t->count * sizeof *x);
	u.shape[0] = t->rank > 1 ? t->shape[1] : t->shape[0] + 1;
	if (t->rank > 1) u.shape[1] = t->shape[0];
	w = without(w, name);
	tensors_own(&w, x);
	tensors_add(&w, name, DT_F32, u.rank, u.shape, x);
	return w;
}

static double distance(const float *got, const float *want, int64_t n)
{
	double d = 0, w = 0;

	for (int64_t i = 0; i < n; i++) {
		d += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
		w += (double)want[i] * want[i];
	}
	return sqrt(d / w);
}

static int protocol_of(const char *name)
{
	for (int i = 0; i < prepare_count; i++)
		if (!strcmp(prepare_protocols[i].name, name)) return i + 1;
	must(!"a protocol");
	return 0;
}

/* A golden picture; cropped to its square, or not, and packed at a side where that is not 0. */
static struct image picture(char which, int side, bool squash)
{
	char name[] = "image_?";
	int top = 0, left = 0, square;

	name[6] = which;
	const struct tensor *t = tensors_find(&golden, name);
	must(t);
	int h = (int)t->shape[0], w = (int)t->shape[1];
	struct image m = { h, w, mem_new((size_t)t->count, 1) };
	memcpy(m.rgb, t->data, (size_t)t->count);
	if (!side) return m;
	uint8_t *to = mem_new((size_t)side * (size_t)side, 3);
	if (!squash) {
		crop_square(h, w, &top, &left, &square);
		for (int y = 0; y < square; y++)
			memmove(m.rgb + 3 * y * square, m.rgb + 3 * ((top + y) * w + left),
				3 * (size_t)square);
		h = w = square;
	}
	resize_u8(m.rgb, h, w, to, side, side, 3, FILTER_TRIANGLE);
	free(m.rgb);
	return (struct image){ side, side, to };
}

/* FNV-1a 64 of pictures packed as ic-pack does, by Pillow. */
static void check_packed(void)
{
	static const struct { char which; int side; bool squash; uint64_t hash; } packed[] = {
		{ 'b', 128, false, 0x36286184f2d11f79 }, { 'c', 64, false, 0x507c6a40a55a62d7 },
		{ 'c', 64, true, 0x5866cd3413fe2a51 }, { 'c', 128, false, 0xcae9fb33719be103 },
		{ 'c', 256, false, 0x70a5478aafa2f339 }, { 'd', 128, false, 0x6174f80234a4846b },
		{ 'e', 48, false, 0xc532e3baffbb2e7 },
	};

	for (size_t i = 0; i < LEN(packed); i++) {
		struct image m = picture(packed[i].which, packed[i].side, packed[i].squash);
		uint64_t h = 0xcbf29ce484222325u;
		for (int k = 0; k < 3 * m.height * m.width; k++)
			h = (h ^ m.rgb[k]) * 0x100000001b3u;
		ok(h == packed[i].hash, "picture %c packed at %d%s: Pillow's pixels",
			packed[i].which, packed[i].side, packed[i].squash ? ", squashed" : "");
		free(m.rgb);
	}
}

static const struct trial {
	int net;
	const char *name;
	char which;
	int side;
	bool squash, mirrored;
	const char *protocol;
} trials[] = {
	{ LITE0, "a64", 'a', 64, false, false, "lite" },
	{ LITE0, "b64", 'b', 64, false, false, "lite" },
	{ LITE0, "c128", 'c', 128, false, false, "lite" },
	{ LITE0, "d128", 'd', 128, false, false, "lite" },
	{ LITE0, "c_native", 'c', 0, false, false, "lite-crop" },
	{ LITE1, "a64", 'a', 64, false, false, "lite" },
	{ LITE2, "a64", 'a', 64, false, false, "lite" },
	{ RESNET, "a64", 'a', 64, false, false, "icgan" },
	{ RESNET, "b64", 'b', 64, false, false, "icgan" },
	{ RESNET, "b128", 'b', 128, false, false, "icgan" },
	{ RESNET, "c64", 'c', 64, false, false, "icgan" },
	{ RESNET, "c64_hflip", 'c', 64, false, true, "icgan" },
	{ RESNET, "c64_squash", 'c', 64, true, false, "icgan" },
	{ RESNET, "c64_aligned", 'c', 64, false, false, "icgan-demo" },
	{ RESNET, "c128", 'c', 128, false, false, "icgan" },
	{ RESNET, "c256", 'c', 256, false, false, "icgan" },
	{ RESNET, "d128", 'd', 128, false, false, "icgan" },
	{ FID, "a_fid", 'a', 0, false, false, "fid" },
	{ FID, "b_fid", 'b', 0, false, false, "fid" },
	{ FID, "c_fid", 'c', 0, false, false, "fid" },
	{ FID, "d_fid", 'd', 0, false, false, "fid" },
	{ FID, "a_fidtf", 'a', 0, false, false, "fid-tf" },
	{ FID, "b_fidtf", 'b', 0, false, false, "fid-tf" },
	{ FID, "c_fidtf", 'c', 0, false, false, "fid-tf" },
	{ FID, "d_fidtf", 'd', 0, false, false, "fid-tf" },
	{ FID, "a_clean", 'a', 0, false, false, "fid-clean" },
	{ FID, "c_clean", 'c', 0, false, false, "fid-clean" },
	{ INCEPTION, "a", 'a', 0, false, false, "biggan" },
	{ INCEPTION, "c", 'c', 0, false, false, "biggan" },
	{ CLIP_RN50, "c", 'c', 0, false, false, "clip" },
	{ CLIP_RN50, "e", 'e', 0, false, false, "clip" },
	{ CLIP_VIT, "c", 'c', 0, false, false, "clip" },
	{ CLIP_VIT, "e", 'e', 0, false, false, "clip" },
	{ DINOV2, "c", 'c', 0, false, false, "dinov2" },
	{ DINOV2, "e", 'e', 0, false, false, "dinov2" },
};

/* The pictures of all trials of one network whose golden file has this layer. */
static void check_trials(int net, const struct tensors *w, enum net_layer layer, const char *what)
{
	struct net n = { 0 };

	for (size_t i = 0; i < LEN(trials); i++) {
		const struct trial *t = &trials[i];
		const struct tensor *want = find(net, t->name, what);
		if (t->net != net || !want) continue;
		if (!n.s || strcmp(n.protocol, t->protocol)) {
			nets_close(&n);
			must(!nets_from(&n, net, protocol_of(t->protocol), layer, w, NULL));
		}
		struct image m = picture(t->which, t->side, t->squash);
		float *f = mem_new((size_t)n.width, sizeof *f);
		int bad = nets_features(&n, 1, &m, t->mirrored, f);
		double d = n.width == want->count && !bad ? distance(f, want->data, n.width) : NAN;
		ok(d < nets[net].near, "%s: %s.%s: off by %.1e", n.name, t->name, what, d);
		free(f);
		free(m.rgb);
	}
	nets_close(&n);
}

/* Pixels 0..3, every eighth and the last few of a golden input [3][n][n], of a side of 224 or
 * 299. */
static int sampled(int side, int at[64])
{
	int n = 0;

	for (int i = 0; i < side; i++)
		if (i < 4 || i >= side - 4 || i % 8 == 0) at[n++] = i;
	return n;
}

/* The network's input itself: within 1e-4 of numbers up to 3, as float32 allows. */
static void check_inputs(void)
{
	for (size_t i = 0; i < LEN(trials); i++) {
		const struct trial *t = &trials[i];
		int at[64], side = t->net == FID || t->net == INCEPTION ? 299 : 224;
		int n = sampled(side, at), k = 0;
		double worst = 0;
		const struct tensor *want = find(t->net, t->name, "input");
		if (!want) continue;
		struct image m = picture(t->which, t->side, t->squash);
		real *x = mem_new((size_t)side * (size_t)side * 3, sizeof *x);
		must(want->shape[1] == n && want->shape[2] == n);
		must(!prepare_picture(&prepare_protocols[protocol_of(t->protocol) - 1], &m, side,
			t->mirrored, x));
		for (int c = 0; c < 3; c++)
			for (int p = 0; p < n; p++)
				for (int q = 0; q < n; q++) {
					double v = (double)x[3 * (at[p] * side + at[q]) + c];
					double w = ((const float *)want->data)[k++];
					worst = fmax(worst, fabs(v - w));
				}
		ok(worst < 5e-6, "%s %s: input off by %.1e", nets[t->net].golden, t->name, worst);
		free(x);
		free(m.rgb);
	}
}

/* A network on a formula input [3][h][w] of another size than its own. */
static void check_direct(int net, const struct tensors *w, val (*build)(struct folded *, val),
	double eps, const char *name, int h, int wide, double high)
{
	struct folded f = folded_start(w, eps);
	struct tape *t = tape_new();
	struct backend *b = backend_new("cpu", 1);
	char input[96];
	int pixels = h * wide;
	real *x = mem_new((size_t)pixels * 3, sizeof *x);

	snprintf(input, sizeof input, "%s/direct/x", nets[net].golden);
	float *sym = formula_sym(input, pixels * 3, high);
	for (int i = 0; i < pixels * 3; i++) x[i] = (real)sym[i % 3 * pixels + i / 3];
	folded_onto(&f, t, b);
	val y = build(&f, leaf(t, shape4(1, h, wide, 3), x));
	keep(t, y);
	must(!f.failed && !tape_plan(t, b, true));
	tape_run(t);
	const struct tensor *want = find(net, name, "features");
	double d = distance(tape_value(t, y), want->data, want->count);
	ok(d < nets[net].near, "%s: %s: off by %.1e", nets[net].table, name, d);
	tape_free(t);
	backend_free(b);
	folded_free(&f);
	free(sym);
	free(x);
}

static enum net_layer last_layer(int net)
{
	return net < CLIP_RN50 ? NET_LOGITS : NET_POOL;
}

/* Two pictures as a batch of three, in one program: the rows they have by themselves. */
static void check_together(int net, const struct tensors *w)
{
	struct nets_device on = { backend_new("cpu", 1), 3 };
	struct image m[2] = { picture('c', 0, false), picture('d', 0, false) };
	struct net one, all;

	must(!nets_from(&one, net, 0, NET_POOL, w, NULL));
	must(!nets_from(&all, net, 0, NET_POOL, w, &on));
	size_t width = (size_t)one.width;
	float *want = mem_new(2 * width, sizeof *want), *got = mem_new(3 * width, sizeof *got);
	float *x = mem_new(2 * all.input, sizeof *x);
	must(!nets_features(&one, 2, m, true, want));
	ok(!nets_prepare(&all, 0, 2, m, true, x) && !nets_run(&all, 0, 2, x, got) &&
		one.weights == all.weights, "%s: in one program", nets[net].table);
	for (size_t i = 0; i < 2; i++) {
		double d = distance(got + i * width, want + i * width, one.width);
		ok(d < 1e-5, "%s: picture %d of a batch: off by %.1e", nets[net].table, (int)i, d);
		free(m[i].rgb);
	}
	free(want), free(got), free(x);
	nets_close(&one), nets_close(&all);
	backend_free(on.b);
}

/* Opens without a complaint; a tensor of the table is used, unless its name says otherwise. */
static void check_use(int net, const struct tensors *w)
{
	struct net n;
	int other = 0;

	ok(!nets_from(&n, net, 0, last_layer(net), w, NULL), "%s: every tensor is there",
		nets[net].table);
	for (int i = 0; i < n.n_ignored; i++)
		other += !strstr(n.ignored[i], "num_batches_tracked") &&
			strncmp(n.ignored[i], "AuxLogits.", 10) &&
			strcmp(n.ignored[i], "mask_token");
	ok((n.n_ignored > 0) == (net != CLIP_VIT) && !other, "%s: and used, but for counters",
		nets[net].table);
	nets_close(&n);
}

/* w is refused, with this text. */
static void check_refused(int net, struct tensors w, const char *text)
{
	struct net n;

	ok(nets_from(&n, net, 0, last_layer(net), &w, NULL) == -1 && strstr(why(), text) && !n.s,
		"refused: %s", why());
	tensors_close(&w);
}

/* What SwAV and MoCo leave beside a ResNet is passed over, and listed; what a larger one has is
 * not. */
static void check_beside(struct tensors *w)
{
	static const char *const beside[] = {
		"projection_head.1.running_mean", "prototypes.weight", "fc.2.bias",
	};
	static const float more = 1;
	struct net n;
	int listed = 0;

	for (size_t i = 0; i < LEN(beside); i++)
		tensors_add(w, beside[i], DT_F32, 1, (int64_t[]){ 1 }, &more);
	ok(!nets_from(&n, RESNET, 0, NET_POOL, w, NULL), "what SwAV and MoCo add is passed over");
	for (int i = 0; i < n.n_ignored; i++)
		for (size_t k = 0; k < LEN(beside); k++) listed += !strcmp(n.ignored[i], beside[k]);
	ok(listed == LEN(beside), "and listed");
	nets_close(&n);
	tensors_add(w, "layer3.6.conv1.weight", DT_F32, 1, (int64_t[]){ 1 }, &more);
	ok(nets_from(&n, RESNET, 0, NET_POOL, w, NULL) == -1 &&
		strstr(why(), "layer3.6.conv1.weight"),
		"what a ResNet-101 adds is refused: %s", why());
}

static void check_refusals(void)
{
	static const float more = 1;
	static const char *const name[] = {
		"_conv_stem.weight", "_blocks.15._bn1.running_var", "_fc.bias",
	};
	char text[96];

	for (size_t i = 0; i < LEN(name); i++) {
		snprintf(text, sizeof text, "tensor %s is missing", name[i]);
		check_refused(LITE0, without(formula_net(LITE0), name[i]), text);
		snprintf(text, sizeof text, "%s: found [", name[i]);
		check_refused(LITE0, turned(formula_net(LITE0), name[i]), text);
	}
	struct tensors w = formula_net(LITE0);
	((float *)w.owned[0])[5] = NAN;
	check_refused(LITE0, w, "_conv_stem.weight: element 5 is not finite");
	w = formula_net(LITE0);
	tensors_add(&w, "_blocks.16._bn1.weight", DT_F32, 1, (int64_t[]){ 1 }, &more);
	check_refused(LITE0, w, "found tensor _blocks.16._bn1.weight, which this network does not");
	check_refused(LITE1, formula_net(LITE0),
		"found [144,1,5,5], expected [144,1,3,3]");
}

/* The tower of texts is passed over, and listed; another picture's network is not. */
static void check_text_tower(struct tensors *w)
{
	static const char *const text[] = {
		"transformer.resblocks.0.attn.in_proj_weight", "token_embedding.weight",
		"positional_embedding", "ln_final.bias", "text_projection", "logit_scale",
		"input_resolution", "context_length", "vocab_size",
	};
	static const float more = 1;
	struct net n;
	int listed = 0;

	for (size_t i = 0; i < LEN(text); i++)
		tensors_add(w, text[i], DT_F32, 1, (int64_t[]){ 1 }, &more);
	ok(!nets_from(&n, CLIP_VIT, 0, NET_POOL, w, NULL),
		"what CLIP has for texts is passed over");
	for (int i = 0; i < n.n_ignored; i++)
		for (size_t k = 0; k < LEN(text); k++) listed += !strcmp(n.ignored[i], text[k]);
	ok(listed == LEN(text) && n.n_ignored == listed, "and listed");
	nets_close(&n);
	ok(nets_from(&n, CLIP_VIT, 0, NET_LOGITS, w, NULL) == -1 && strstr(why(), "has no classes"),
		"scores of classes are refused: %s", why());
	tensors_add(w, "visual.transformer.resblocks.12.ln_1.bias", DT_F32, 1, (int64_t[]){ 1 },
		&more);
	ok(nets_from(&n, CLIP_VIT, 0, NET_POOL, w, NULL) == -1 &&
		strstr(why(), "resblocks.12.ln_1.bias"),
		"a deeper network is refused: %s", why());
}

/* Blocks named in parts of three, as training writes them: the same network. */
static void check_parts(struct tensors *w)
{
	struct net plain, parts;
	int block, used;

	must(!nets_from(&plain, DINOV2, 0, NET_POOL, w, NULL));
	for (int i = 0; i < w->n; i++) {
		char *name = w->t[i].name;
		if (sscanf(name, "blocks.%d.%n", &block, &used) != 1) continue;
		w->t[i].name = mem_text("blocks.%d.%d.%s", block / 3, block, name + used);
		free(name);
	}
	ok(!nets_from(&parts, DINOV2, 0, NET_POOL, w, NULL) && parts.weights == plain.weights,
		"blocks in parts are the same network");
	nets_close(&plain);
	nets_close(&parts);
}

static void check_encoder_refusals(void)
{
	static const float more = 1;
	struct tensors w = formula_net(DINOV2);

	tensors_add(&w, "register_tokens", DT_F32, 1, (int64_t[]){ 1 }, &more);
	check_refused(DINOV2, w, "found tensor register_tokens, which");
	check_refused(DINOV2, without(formula_net(DINOV2), "blocks.11.ls2.gamma"),
		"tensor blocks.11.ls2.gamma is missing");
	check_refused(DINOV2, turned(formula_net(DINOV2), "pos_embed"),
		"pos_embed: found [1370,1,384], expected [1,1370,384]");
	check_refused(CLIP_RN50, turned(formula_net(CLIP_RN50), "visual.attnpool.v_proj.bias"),
		"visual.attnpool.v_proj.bias: found [2049], expected [2048]");
}

int main(void)
{
	par_set_threads(1);
	must(!weights_open(&golden, "tests/golden/extractors.npz"));
	must(!weights_open(&encoders, "tests/golden/encoders.npz"));
	check_packed();
	check_inputs();
	check_refusals();
	check_encoder_refusals();
	for (int net = 0; net < (int)LEN(nets); net++) {
		struct tensors w = formula_net(net);
		check_use(net, &w);
		check_trials(net, &w, NET_POOL, "features");
		check_trials(net, &w, NET_LOGITS, "logits");
		check_trials(net, &w, NET_UNBIASED, "logits_unbiased");
		if (net == LITE0)
			check_direct(net, &w, efficientnet_lite0, 1e-3, "direct96", 96, 64, 1);
		if (net == RESNET)
			check_direct(net, &w, resnet50, 1e-5, "direct64", 64, 64, sqrt(3));
		if (net == RESNET) check_beside(&w);
		if (net == FID || net >= CLIP_RN50) check_together(net, &w);
		if (net == CLIP_VIT) check_text_tower(&w);
		if (net == DINOV2) check_parts(&w);
		if (net == FID)
			check_direct(net, &w, inception_fid, 1e-3, "direct75", 75, 91, 1);
		tensors_close(&w);
	}
	tensors_close(&encoders);
	tensors_close(&golden);
	return done_testing();
}
