/* check-sentinel: each kind of collapse, in numbers and in networks made to show it. */
#include "lib/gan/data.h"
#include "lib/gan/sentinel.h"
#include "lib/base/fail.h"
#include "lib/base/rng.h"
#include "tests/library.h"
#include "tests/tap.h"

#include <string.h>

static enum collapse judge(bool finite_, double gap, double norm, double variance)
{
	struct vitals v = { finite_, gap, norm, "linear.sv0", variance };
	return sentinel_judge(&v);
}

static void check_bounds(void)
{
	ok(judge(true, 2, 30, 0.1) == COLLAPSE_NONE, "a sound run");
	ok(judge(true, -3, 0, 0.1) == COLLAPSE_NONE, "fakes above real, no spectral norms: sound");
	ok(judge(true, 100, 1000, 4.0 / 65025) == COLLAPSE_NONE, "the bounds themselves are sound");
	ok(judge(false, 2, 30, 0.1) == COLLAPSE_NOT_FINITE, "not finite comes first");
	ok(judge(true, 100.1, 30, 0.1) == COLLAPSE_GAP, "a gap beyond 100");
	ok(judge(true, 0, 30, 0.1) == COLLAPSE_GAP, "no gap at all");
	ok(judge(true, 2, 1001, 0.1) == COLLAPSE_NORM, "a norm beyond 1000");
	ok(judge(true, 2, 30, 6e-5) == COLLAPSE_VARIANCE, "pictures that are alike");
}

static void check_words(void)
{
	struct vitals v = { true, 2, 1234, "linear.sv0", 0.1 };
	char text[160];
	int same = 0;

	for (int c = COLLAPSE_NONE; c <= COLLAPSE_VARIANCE; c++)
		same += (int)sentinel_named(sentinel_word((enum collapse)c)) == c;
	ok(same == 5, "words read back");
	ok(sentinel_named("plague") == COLLAPSE_NONE, "an unknown word is none");
	sentinel_say(&v, COLLAPSE_NORM, text);
	ok(!strcmp(text, "linear.sv0: the spectral norm is 1234, expected at most 1000"),
	   "what is said names the layer");
}

static bool is_same(double a, double b)
{
	return !memcmp(&a, &b, sizeof a);
}

static void fill(real *x, size_t n, uint64_t stream)
{
	struct rng r = rng_at(3, stream);
	for (size_t i = 0; i < n; i++) x[i] = (real)rng_normal(&r) / 2;
}

/* A step of small networks on noise, after one weight tensor was multiplied. */
static struct vitals after_step(const char *tensor, real factor)
{
	struct model c = { .biggan = biggan_default() };
	struct gan g;
	struct phases p;
	struct recipe r = { .batch = 4, .accumulate = 1, .d_steps = 1,
			    .g = { 2e-4, 0, 0.999, 1e-6 }, .d = { 4e-4, 0, 0.999, 1e-6 } };
	struct backend *b = backend_new("cpu", 1);
	struct sentinel s;
	struct vitals v;

	c.resolution = 32;
	c.biggan.g_ch = c.biggan.d_ch = 2;
	c.features = 16;
	must(!gan_new(&g, &c, 5));
	int i = param_find(&g.gp, tensor);
	for (size_t k = 0; k < shape_count(g.gp.p[i].s); k++) g.g[g.gp.p[i].at + k] *= factor;
	must(!phase_open(&p, &g, &r, b));
	fill(p.in.z, 4 * (size_t)model_dim_z(&c), 1);
	fill(p.in.f, 4 * 16, 2);
	fill(p.in.xf, 4 * 16, 3);
	fill(p.in.x, 4 * 32 * 32 * 3, 4);
	must(!phase_d_step(&p) && !phase_g_step(&p));
	must(!phase_tell(&p) && !sentinel_open(&s, &p) && !sentinel_read(&s, &v));
	v.where = strstr(v.where, "linear") ? "linear" : "another";
	sentinel_close(&s);
	phase_close(&p);
	gan_free(&g);
	backend_free(b);
	return v;
}

static void check_networks(void)
{
	struct vitals v = after_step("linear.weight", 1);
	ok(sentinel_judge(&v) == COLLAPSE_NONE && v.norm > 0.5 && v.norm < 2,
	   "new networks are sound, of norm %.3g, gap %.3g, variance %.3g", v.norm, v.gap,
	   v.variance);
	v = after_step("linear.weight", 5000);
	ok(sentinel_judge(&v) == COLLAPSE_NORM && !strcmp(v.where, "linear"),
	   "a first layer of norm %.4g is found", v.norm);
	v = after_step("output_layer.0.gain", 0);
	ok(sentinel_judge(&v) == COLLAPSE_VARIANCE, "pictures that are alike are found, %.2g",
	   v.variance);
	v = after_step("shared.weight", (real)NAN);      /* read by no loss without classes */
	ok(sentinel_judge(&v) == COLLAPSE_NOT_FINITE, "a weight that is not finite is found");
}

static double variance_now(struct sentinel *s)
{
	struct vitals v;

	must(!sentinel_read(s, &v));
	return v.variance;
}

/* The generator's pictures are judged, though other phases run after it in the same arena. */
static void check_pictures(const char *backend)
{
	struct model c = { .backbone = STYLEGAN2, .stylegan2 = stylegan2_default() };
	struct gan g;
	struct phases p;
	struct sentinel s;
	struct recipe r = { .batch = 4, .accumulate = 1, .d_steps = 1,
			    .g = { 1e-3, 0, 0.99, 1e-8 }, .d = { 1e-3, 0, 0.99, 1e-8 },
			    .style = { .r1 = 1, .r1_every = 1, .path = 2, .path_every = 1 } };
	struct backend *b = backend_new(backend, 1);

	c.resolution = 32, c.instance_cond = false;
	c.stylegan2.channel_base = 64, c.stylegan2.channel_max = 16;
	must(!gan_new(&g, &c, 5) && !phase_open(&p, &g, &r, b) && !sentinel_open(&s, &p));
	fill(p.in.x, 4 * 32 * 32 * 3, 1);
	fill(p.in.z, 4 * 512, 2);
	data_style(&(struct data){ .seed = 3 }, 0, &p, true);
	must(!phase_g_step(&p));
	double variance = variance_now(&s);
	must(!phase_path_step(&p) && !phase_d_step(&p) && !phase_r1_step(&p));
	ok(variance > 0.01 && is_same(variance_now(&s), variance),
	   "%s: StyleGAN2's pictures have a variance of %.3g, also after the step", backend,
	   variance);
	sentinel_close(&s);
	phase_close(&p);
	gan_free(&g);
	backend_free(b);
}

/* A penalty that is not finite is that of the state gone back from, not of the one gone back to,
 * which a step without regularisers follows. */
static void check_return(const char *backend)
{
	struct model c = { .backbone = STYLEGAN2, .stylegan2 = stylegan2_default() };
	struct gan g, old;
	struct phases p;
	struct recipe r = { .batch = 4, .accumulate = 1, .d_steps = 1,
			    .g = { 1e-3, 0, 0.99, 1e-8 }, .d = { 1e-3, 0, 0.99, 1e-8 },
			    .style = { .r1 = 1, .r1_every = 16 } };
	struct backend *b = backend_new(backend, 1);

	c.resolution = 8, c.instance_cond = false;
	c.stylegan2.channel_base = 64, c.stylegan2.channel_max = 16;
	must(!gan_new(&g, &c, 5) && !gan_new(&old, &c, 5) && !phase_open(&p, &g, &r, b));
	fill(p.in.x, 4 * 8 * 8 * 3, 1);
	fill(p.in.z, 4 * 512, 2);
	data_style(&(struct data){ .seed = 3 }, 0, &p, false);
	must(!phase_g_step(&p) && !phase_d_step(&p) && !phase_r1_step(&p) && !phase_tell(&p));
	must(!phase_fetch(&p));
	double penalty = p.r1.told;
	ok(penalty > 0 && is_same(penalty, (double)g.penalty[0]),
	   "%s: the state has the penalty, %.3g", backend, penalty);
	phase_end(&p);
	old.step = 1, old.penalty[0] = g.penalty[0];
	p.in.x[7] = NAN;
	ok((phase_r1_step(&p) || phase_tell(&p)) && p.lost && strstr(why(), "R1"),
	   "%s: one that is not finite is lost", backend);
	must(!phase_fetch(&p));
	ok(!sentinel_finite(&g), "%s: nor is the state", backend);
	p.in.x[7] = 0;
	must(!gan_restore(&g, &old));
	phase_restart(&p);
	must(!phase_g_step(&p) && !phase_d_step(&p));
	ok(!phase_tell(&p) && !p.lost && is_same(p.r1.told, penalty),
	   "%s: a step after the return is sound, and tells of the penalty before it", backend);
	phase_close(&p);
	gan_free(&g), gan_free(&old);
	backend_free(b);
}

int main(void)
{
	check_bounds();
	check_words();
	check_networks();
	check_pictures("cpu");
	check_return("cpu");
	use_library();
	check_pictures("cuda-f32");
	check_return("cuda-f32");
	return done_testing();
}
