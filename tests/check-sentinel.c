/* check-sentinel: each kind of collapse, in numbers and in networks made to show it. */
#include "lib/gan/sentinel.h"
#include "lib/base/fail.h"
#include "lib/base/rng.h"
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

/* Of StyleGAN2: a run that goes back after a step of R1 that was not finite has forgotten it. */
static void check_return(void)
{
	struct model c = { .backbone = STYLEGAN2, .stylegan2 = stylegan2_default() };
	struct gan g;
	struct phases p;
	struct adam slow = { 2e-3, 0, 0.99, 1e-8 };
	struct recipe r = { .batch = 4, .accumulate = 1, .d_steps = 1, .g = slow, .d = slow,
			    .style = { .r1 = 1, .r1_every = 16, .path_every = 4 } };
	struct backend *b = backend_new("cpu", 1);

	c.resolution = 8;
	c.stylegan2.channel_base = 64, c.stylegan2.channel_max = 8;
	c.features = 16;
	must(!gan_new(&g, &c, 5));
	g.told.r1 = 0.5;
	must(!phase_open(&p, &g, &r, b));
	fill(p.in.z, 4 * (size_t)model_dim_z(&c), 1);
	fill(p.in.z2, 4 * (size_t)model_dim_z(&c), 2);
	fill(p.in.f, 4 * 16, 3);
	fill(p.in.xf, 4 * 16, 4);
	memset(p.in.mix, 0, (size_t)stylegan2_styles(&c.stylegan2) * sizeof *p.in.mix);
	for (int k = 0; k < stylegan2_styles(&c.stylegan2) - 1; k++) {
		size_t side = (size_t)stylegan2_noise_side(k);
		fill(p.in.plane[k], 4 * side * side, 5);
	}
	fill(p.in.x, 4 * 8 * 8 * 3, 6);
	p.in.x[0] = (real)NAN;
	ok(phase_r1_step(&p) == -1 && p.lost, "%s", why());
	phase_restart(&p);
	fill(p.in.x, 4 * 8 * 8 * 3, 6);
	ok(!phase_g_step(&p) && !phase_d_step(&p) && !phase_tell(&p) && p.r1.told == 0.5,
	   "after a return R1 is that of the state");
	phase_close(&p);
	gan_free(&g);
	backend_free(b);
}

int main(void)
{
	check_bounds();
	check_words();
	check_networks();
	check_return();
	return done_testing();
}
