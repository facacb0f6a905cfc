/* StyleGAN2 in float on the cpu kernels, and a small one on an emulated GPU, against float64
 * goldens of the reference implementation.  What float32 costs PyTorch: images 4e-7 to 2e-6 of the
 * largest number, scores 1.6e-6, gradients 1.3e-5, those of noise strengths 6e-5. */
#include "lib/gan/named.h"
#include "tests/library.h"
#include "tests/stylegan2-golden-train.h"

static const struct limits limits = { 2e-5, 2e-4, 1e-3 };

static void check_tiny(const char *name, const char *backend)
{
	struct golden g;

	golden_open(&g, name, backend);
	if (has(&g, "g6", "z")) check_map(&g, &limits);
	if (has(&g, "g7", "ws")) check_synthesis(&g, &limits);
	check_d(&g, &limits);
	golden_close(&g);
}

/* Losses and regularisers.  Of biases in groups of two R1 leaves what rounding does. */
static void check_objectives(const char *name, const char *backend)
{
	static const struct limits r1 = { 2e-5, 3e-4, 1e-3 };
	struct golden g;

	golden_open(&g, name, backend);
	check_phases(&g, &limits, &r1);
	golden_close(&g);
}

/* Two batches to a step, with both regularisers. */
static void check_step(const char *backend)
{
	static const double off[2] = { 1e-3, 1e-4 };
	struct golden g;

	golden_open(&g, "train_ch", backend);
	check_training(&g, 1, off);
	golden_close(&g);
}

/* The images of the first blocks are those of a network that ends there. */
static val image(struct golden *g, struct scope *s, val w, int side)
{
	struct stylegan2 c = g->c;

	c.resolution = side;
	struct shape all = shape4(g->batch, stylegan2_styles(&c), 1, c.dim_w);
	val x = stylegan2_synthesis(s, &c, expand(s->t, w, all), NULL);
	keep(s->t, x);
	return x;
}

/* 128 pixels as published: 51 million weights. */
static void check_full(void)
{
	static const char *const name[] = { "G.img.b4", "G.img.b8", "G.img.b16", "img" };
	static const int side[] = { 4, 8, 16, 128 };
	val made[LEN(side)];
	struct golden g;
	struct tape *t = tape_new();

	golden_open(&g, "full128", "cpu");
	golden_shapes(&g.t, g.name, &g.gp, 'G', true);
	golden_shapes(&g.t, g.name, &g.dp, 'D', true);
	struct scope s = scope_open(t, &g.gp, g.g, false), d = scope_open(t, &g.dp, g.d, false);
	val f = given(&g, t, "", "h"), x = given(&g, t, "", "x");
	val w = stylegan2_map(&s, &g.c, given(&g, t, "", "z"), -1, f, false);
	for (size_t k = 0; k < LEN(side); k++) made[k] = image(&g, &s, w, side[k]);
	val fake = stylegan2_d(&d, &g.c, made[LEN(side) - 1], -1, f);
	val real_ = stylegan2_d(&d, &g.c, x, -1, f);
	keep(t, w), keep(t, fake), keep(t, real_);
	run(&g, "", t);
	double e = value_off(&g, "", "w", t, w);
	ok(e <= limits.value, "full128: w off by %.2g", e);
	for (size_t k = 0; k < LEN(side); k++) {
		e = value_off(&g, "", name[k], t, made[k]);
		ok(e <= limits.value, "full128: images of %d pixels off by %.2g", side[k], e);
	}
	e = value_off(&g, "", "logit_x", t, real_);
	ok(e <= limits.value, "full128: scores of pictures off by %.2g", e);
	e = value_off(&g, "", "logit_img", t, fake);   /* with what the images are off by */
	ok(e <= limits.value, "full128: scores of images off by %.2g", e);
	scope_close(&s), scope_close(&d);
	tape_free(t);
	golden_close(&g);
}

/* A file that PyTorch wrote: the shapes say what it is, and its tensors come in our order. */
static void check_file(const char *path, const char *prefix, bool classes, bool instances)
{
	struct tensors t;
	struct model m;
	struct params ps;
	int same = 0;

	must(!tensors_open(&t, path));
	bool known = !named_generator(&t, prefix, &m) && m.backbone == STYLEGAN2;
	const struct stylegan2 *c = &m.stylegan2;
	ok(known && c->resolution == 16 && c->channel_base == 32 && c->channel_max == 4 &&
	   c->dim_z == 6 && c->dim_w == 5 && c->g_layers == 2 && m.class_cond == classes &&
	   m.instance_cond == instances, "%s: its architecture", path);
	model_g_params(&m, &ps);
	for (int i = 0; i < ps.n && i < t.n; i++)
		same += !strcmp(ps.p[i].name, t.t[i].name + strlen(prefix));
	ok(same == ps.n && same == t.n, "%s: %d tensors in our order", path, t.n);
	param_free(&ps);
	tensors_close(&t);
}

/* What a probe of time goes by: regularisers of every step are in each, others in the first. */
static void check_work(int every)
{
	struct model c = { .backbone = STYLEGAN2, .stylegan2 = stylegan2_default() };
	struct recipe r = { .batch = 4, .accumulate = 1, .d_steps = 1,
			    .style = { .r1 = 1, .path = 2, .r1_every = every,
				       .path_every = every } };
	struct backend *b = backend_new("cpu", 1);
	struct gan g;
	struct phases p;

	c.resolution = 8, c.stylegan2.channel_base = 64;
	must(!gan_shape(&g, &c) && !phase_plan(&p, &g, &r, b));
	double mean = phase_work(&p), first = phase_step_work(&p), sum = first;
	for (g.step = 1; g.step < every; g.step++) sum += phase_step_work(&p);
	ok(sum == mean * every && (every == 1 || first > mean),
	   "work of steps with regularisers every %d: the first %.4g, the mean %.4g", every, first,
	   mean);
	phase_close(&p);
	gan_free(&g);
	backend_free(b);
}

int main(void)
{
	static const char *const name[] = { "tiny_h", "tiny_ch", "tiny_h4", "tiny_u" };

	for (size_t i = 0; i < LEN(name); i++) check_tiny(name[i], "cpu");
	check_objectives("tiny_h4", "cpu");
	check_objectives("tiny_u", "cpu");
	check_step("cpu");
	use_library();
	check_tiny("tiny_h", "cuda-f32");
	check_step("cuda-f32");
	check_file("tests/golden/stylegan2/styles_none.safetensors", "", false, false);
	check_file("tests/golden/stylegan2/styles_both.safetensors", "G_ema.", true, true);
	check_full();
	check_work(1);
	check_work(4);
	return done_testing();
}
