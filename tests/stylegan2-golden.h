/* stylegan2-golden: networks filled with numbers made from names, and what the reference
 * implementation computed with them (tests/golden/make/stylegan2.py). */
#ifndef IC_TESTS_STYLEGAN2_GOLDEN_H
#define IC_TESTS_STYLEGAN2_GOLDEN_H

#include "tests/golden.h"
#include "lib/gan/phase.h"

enum { ROOMS = 64, STRIDE = 7, THIN = 1024 };

struct golden {
	struct tensors t;
	const char *name;
	struct stylegan2 c;
	int batch;
	struct params gp, dp;
	real *g, *d;
	struct backend *b;
	real *room[ROOMS];                   /* of inputs */
	int rooms;
};

/* How far values, gradients, and gradients of noise strengths may be off. */
struct limits { double value, grad, noise; };

static double meta(const struct golden *g, const char *name)
{
	const char *s = tensors_meta(&g->t, name);
	must(s);
	return strtod(s, NULL);
}

/* What sym is multiplied by, and what is added to that. */
static double high_of(const char *name)
{
	bool map = !strncmp(name, "mapping.fc", 10);

	if (ends(name, "noise_strength")) return 0;
	if (ends(name, "w_avg") || ends(name, "affine.bias")) return 0.1;
	if (ends(name, ".bias")) return map ? 10 : 0.1;
	return (map ? 100 : 1) * sqrt(3);
}

static double base_of(const char *name)
{
	return ends(name, "noise_strength") ? 0.3 : ends(name, "affine.bias");
}

static void fill_values(const struct param *p, uint64_t key, float *v)
{
	static const int f[4] = { 1, 3, 3, 1 };
	double high = high_of(p->name), base = base_of(p->name);
	int64_t n = (int64_t)shape_count(p->s);

	if (ends(p->name, "resample_filter"))
		for (int i = 0; i < 16; i++) v[i] = (float)(f[i / 4] * f[i % 4]) / 64;
	else
#pragma omp parallel for
		for (int64_t i = 0; i < n; i++)
			v[i] = (float)(base + high * (2 * formula_u(key, i) - 1));
}

static real *filled(const struct golden *g, const struct params *ps, char net)
{
	char key[32];
	real *data = param_buffer(ps);

	snprintf(key, sizeof key, "%c_key_prefix", net);
	for (int i = 0; i < ps->n; i++) {
		const struct param *p = &ps->p[i];
		uint64_t h = formula_name(tensors_meta(&g->t, key), p->name);
		float *v = mem_new(shape_count(p->s), sizeof *v);
		fill_values(p, h, v);
		param_import(p, v, data);
		free(v);
	}
	return data;
}

static void golden_open(struct golden *g, const char *name, const char *backend)
{
	char path[128];

	*g = (struct golden){ .name = name, .c = stylegan2_default() };
	snprintf(path, sizeof path, "tests/golden/stylegan2/%s.safetensors", name);
	must(!tensors_open(&g->t, path));
	struct stylegan2 *c = &g->c;
	c->resolution = (int)meta(g, "res");
	c->channel_base = (int)meta(g, "channel_base");
	c->channel_max = (int)meta(g, "channel_max");
	c->dim_z = (int)meta(g, "z_dim");
	c->dim_w = (int)meta(g, "w_dim");
	c->g_layers = (int)meta(g, "map_layers");
	c->features = (int)meta(g, "h_dim");
	c->n_classes = (int)meta(g, "c_dim");
	c->instance_cond = c->features > 0;
	c->class_cond = c->n_classes > 0;
	c->g_clamp = meta(g, "clamp_G");
	c->d_clamp = meta(g, "clamp_D");
	c->group = (int)meta(g, "mbstd");
	g->batch = (int)meta(g, "N");
	stylegan2_g_params(c, &g->gp);
	stylegan2_d_params(c, &g->dp);
	g->g = filled(g, &g->gp, 'G');
	g->d = filled(g, &g->dp, 'D');
	must(g->b = backend_new(backend, 2));
}

static void forget_inputs(struct golden *g)
{
	while (g->rooms) free(g->room[--g->rooms]);
}

static void golden_close(struct golden *g)
{
	forget_inputs(g);
	param_free(&g->gp);
	param_free(&g->dp);
	free(g->g);
	free(g->d);
	backend_free(g->b);
	tensors_close(&g->t);
}

/* Rows of unit length. */
static void normalise(real *x, uint64_t name, int rows, int width)
{
	for (int i = 0; i < rows; i++) {
		double norm = 0;
		for (int k = 0; k < width; k++)
			norm += pow(2 * formula_u(name, i * width + k) - 1, 2);
		for (int k = 0; k < width; k++)
			x[i * width + k] = (real)(float)(
				(2 * formula_u(name, i * width + k) - 1) / sqrt(norm));
	}
}

/* "NAME FILL DIMENSION...": the array in our order, and its shape; owned. */
static real *made(const char *text, struct shape *shape)
{
	char name[96], fill[16];
	int d[4] = { 1, 1, 1, 1 };
	int rank = sscanf(text, "%95s %15s %d %d %d %d", name, fill, d, d + 1, d + 2, d + 3) - 2;

	must(rank >= 2);
	*shape = rank == 4 ? shape4(d[0], d[2], d[3], d[1]) :
		rank == 3 ? shape4(d[0], d[1], 1, d[2]) : shape4(d[0], 1, 1, d[1]);
	uint64_t h = formula_name("", name);
	size_t n = shape_count(*shape);
	real *x = mem_new(n, sizeof *x);

	if (!strcmp(fill, "l2rows")) {
		normalise(x, h, d[0], d[1]);
	} else if (!strcmp(fill, "onehot")) {
		for (int i = 0; i < d[0]; i++) x[i] = (real)floor(formula_u(h, i) * d[1]);
		shape->d[3] = 1;
	} else {
		double high = strcmp(fill, "unit") ? 1 : sqrt(3);
		for (size_t i = 0; i < n; i++)
			x[rank == 4 ? golden_spot(*shape, i) : i] = (real)(float)(
				high * (2 * formula_u(h, (int64_t)i) - 1));
	}
	return x;
}

static const char *input_text(const struct golden *g, const char *group, const char *name)
{
	char key[96];

	snprintf(key, sizeof key, "%s%s%s", group, *group ? "." : "", name);
	return tensors_meta(&g->t, key);
}

/* An input of a group, as a leaf; -1: it has none. */
static val given(struct golden *g, struct tape *t, const char *group, const char *name)
{
	const char *text = input_text(g, group, name);
	struct shape shape;

	if (!text) return -1;
	must(g->rooms < ROOMS);
	g->room[g->rooms] = made(text, &shape);
	return input(t, shape, g->room[g->rooms++]);
}

/* v[n], in published order, against a golden array, or its sum, norm and product with a probe. */
static double off(const struct golden *g, const char *group, const char *name, const double *v,
		  size_t n)
{
	char key[128];
	double worst = 0, top = 1e-30;

	snprintf(key, sizeof key, "%s%s%s", group, *group ? "." : "", name);
	const struct tensor *x = tensors_find(&g->t, key);
	if (x) {
		const double *w = x->data;
		size_t count = (size_t)x->count, step = count == n ? 1 : (n + count - 1) / count;
		must(count == (n + step - 1) / step);
		for (size_t i = 0; i < n; i += step) {
			top = fmax(top, fabs(w[i / step]));
			worst = isnan(v[i]) ? INFINITY : fmax(worst, fabs(v[i] - w[i / step]));
		}
		return worst / top;
	}
	strcat(key, "~");
	x = tensors_find(&g->t, key);
	must(x && x->count == 3);
	const double *w = x->data;
	char probe[160];
	snprintf(probe, sizeof probe, "probe/%s.%s.%s", g->name, group, name);
	uint64_t h = formula_name("", probe);
	double s = 0, norm = 0, dot = 0;
	for (size_t i = 0; i < n; i++) {
		s += v[i], norm += v[i] * v[i];
		dot += v[i] * (2 * formula_u(h, (int64_t)i) - 1);
	}
	norm = sqrt(norm);
	double unit = fmax(w[1], 1e-30), many = unit * sqrt((double)n);
	worst = fmax(fabs(norm - w[1]) / unit, fmax(fabs(s - w[0]), fabs(dot - w[2])) / many);
	return isnan(norm) ? INFINITY : worst;
}

/* A kept value; maps: of pixels, else rows. */
static double value_off(const struct golden *g, const char *group, const char *name,
			const struct tape *t, val x)
{
	struct shape s = tape_shape(t, x);
	size_t n = shape_count(s);
	bool maps = s.d[2] > 1;
	double *v = mem_new(n, sizeof *v);
	real *got = mem_new(n, sizeof *got);

	tape_read(t, x, got);
	for (size_t i = 0; i < n; i++) v[i] = (double)got[maps ? golden_spot(s, i) : i];
	double e = off(g, group, name, v, n);
	if (!(e < 1e-3)) printf("# %s.%s: off by %.3g\n", group, name, e);
	free(v);
	free(got);
	return e;
}

/* The gradients of what a scope read, after a run. */
struct gradients { val x[512], g[512]; int param[512], n; };

static void want_gradients(struct gradients *w, struct tape *t, val loss, const struct scope *s)
{
	w->n = 0;
	for (int i = 0; i < s->ps->n; i++)
		if (s->ps->p[i].trained && s->leaf[i] >= 0)
			w->param[w->n] = i, w->x[w->n++] = s->leaf[i];
	must(w->n <= 512);
	grads(t, loss, -1, w->x, w->g, w->n);
	for (int i = 0; i < w->n; i++) keep(t, w->g[i]);
}

/* Worst of them; those of noise strengths apart. */
static void gradients_off(const struct golden *g, const char *group, const struct tape *t,
			  const struct gradients *w, const struct params *ps, double worst[2])
{
	worst[0] = worst[1] = 0;
	for (int i = 0; i < w->n; i++) {
		const struct param *p = &ps->p[w->param[i]];
		size_t n = shape_count(p->s);
		double *v = mem_new(n, sizeof *v);
		char name[96];
		real *got = mem_new(n, sizeof *got);
		int k = ends(p->name, "noise_strength");
		tape_read(t, w->g[i], got);
		for (size_t j = 0; j < n; j++) v[j] = (double)got[golden_place(p, j)];
		snprintf(name, sizeof name, "grad.%s", p->name);
		double e = off(g, group, name, v, n);
		if (!(e < 1e-3)) printf("# %s %s: off by %.3g\n", group, name, e);
		worst[k] = fmax(worst[k], isnan(e) ? INFINITY : e);
		free(v);
		free(got);
	}
}

static void check_gradients(const struct golden *g, const char *group, const struct tape *t,
			    const struct gradients *w, const struct params *ps,
			    const struct limits *l)
{
	double e[2];

	gradients_off(g, group, t, w, ps, e);
	ok(w->n > 0 && e[0] <= l->grad && e[1] <= l->noise,
	   "%s %s: %d gradients off by %.2g, of noise strengths by %.2g", g->name, group, w->n,
	   e[0], e[1]);
}

static void run(const struct golden *g, const char *group, struct tape *t)
{
	if (!ok(!tape_plan(t, g->b, true) && !tape_check_plan(t) && !tape_run(t), "%s %s: run",
		g->name, group))
		printf("# %s\n", why());
}

static bool has(const struct golden *g, const char *group, const char *name)
{
	char key[96];
	snprintf(key, sizeof key, "%s.%s", group, name);
	return tensors_meta(&g->t, key);
}

static val labels(struct golden *g, struct tape *t, const char *group)
{
	return g->c.class_cond ? given(g, t, group, "c") : -1;
}

static val features(struct golden *g, struct tape *t, const char *group)
{
	return g->c.instance_cond ? given(g, t, group, "h") : -1;
}

/* psi for the first `most` styles, 1 for the others. */
static val psis(struct golden *g, struct tape *t, double psi, int most)
{
	int k = stylegan2_styles(&g->c);
	double v[32];

	for (int i = 0; i < k; i++) v[i] = i < most ? psi : 1;
	return numbers(t, shape4(1, k, 1, 1), v);
}

static void planes(struct golden *g, struct tape *t, const char *group, val *noise)
{
	for (int k = 0; k < stylegan2_styles(&g->c) - 1; k++) {
		char name[32];
		snprintf(name, sizeof name, "noise.b%d.conv%d", stylegan2_noise_side(k),
			 k % 2 == 0);
		noise[k] = given(g, t, group, name);
		must(noise[k] >= 0);
	}
}

static val mean_of(struct tape *t, val x)
{
	return scale(t, sum(t, x), 1.0 / (double)shape_count(tape_shape(t, x)), 0);
}

/* Both mappings. */
static void check_map(struct golden *g, const struct limits *l)
{
	struct tape *t = tape_new();
	struct scope s = scope_open(t, &g->gp, g->g, false);
	struct gradients w;
	val z = given(g, t, "g6", "z"), y = labels(g, t, "g6"), f = features(g, t, "g6");
	val at = stylegan2_map(&s, &g->c, z, y, f, true);
	val all = stylegan2_truncate(&s, &g->c, at, psis(g, t, 0.7, 32));
	val two = stylegan2_truncate(&s, &g->c, at, psis(g, t, 0.7, 2));

	keep(t, at), keep(t, all), keep(t, two);
	want_gradients(&w, t, sum(t, mul(t, at, given(g, t, "g6", "dw"))), &s);
	run(g, "g6", t);
	double e = fmax(value_off(g, "g6", "w", t, at), value_off(g, "g6", "ws_psi0.7", t, all));
	e = fmax(e, value_off(g, "g6", "ws_psi0.7_cut2", t, two));
	e = fmax(e, value_off(g, "g6", "w_avg1", t, s.up[0].v));
	ok(e <= l->value, "%s g6: w, truncations and average off by %.2g", g->name, e);
	check_gradients(g, "g6", t, &w, &g->gp, l);
	scope_close(&s);
	tape_free(t);
	forget_inputs(g);
}

static void check_synthesis(struct golden *g, const struct limits *l)
{
	struct tape *t = tape_new();
	struct scope s = scope_open(t, &g->gp, g->g, false);
	struct gradients w;
	val noise[32], none[32], ws = given(g, t, "g7", "ws"), dws;

	planes(g, t, "g7", noise);
	for (int i = 0; i < 32; i++) none[i] = -1;
	val x = stylegan2_synthesis(&s, &g->c, ws, noise);
	val still = stylegan2_synthesis(&s, &g->c, ws, NULL);
	val bare = stylegan2_synthesis(&s, &g->c, ws, none);
	keep(t, x), keep(t, still), keep(t, bare);
	val loss = sum(t, mul(t, x, given(g, t, "g7", "Y")));
	keep(t, dws = grad(t, loss, ws));
	want_gradients(&w, t, loss, &s);
	run(g, "g7", t);
	double e = fmax(value_off(g, "g7", "img_rand", t, x),
			value_off(g, "g7", "img_const", t, still));
	e = fmax(e, value_off(g, "g7", "img_none", t, bare));
	ok(e <= l->value, "%s g7: images off by %.2g", g->name, e);
	e = value_off(g, "g7", "dws", t, dws);
	ok(e <= l->grad, "%s g7: gradient of styles off by %.2g", g->name, e);
	check_gradients(g, "g7", t, &w, &g->gp, l);
	scope_close(&s);
	tape_free(t);
	forget_inputs(g);
}

static void check_d(struct golden *g, const struct limits *l)
{
	struct tape *t = tape_new();
	struct scope s = scope_open(t, &g->dp, g->d, false);
	struct gradients w;
	val y = labels(g, t, "g8"), f = features(g, t, "g8");
	val fake = given(g, t, "g8", "fake"), real_ = given(g, t, "g8", "real"), dx, dg;
	val a = stylegan2_d(&s, &g->c, fake, y, f), b = stylegan2_d(&s, &g->c, real_, y, f);
	val la = mean_of(t, softplus(t, a)), lb = mean_of(t, softplus(t, scale(t, b, -1, 0)));
	val lg = mean_of(t, softplus(t, scale(t, a, -1, 0)));

	keep(t, a), keep(t, b), keep(t, la), keep(t, lb), keep(t, lg);
	keep(t, dx = grad(t, la, fake));
	keep(t, dg = grad(t, lg, fake));
	want_gradients(&w, t, add(t, la, lb), &s);
	run(g, "g8", t);
	double e = fmax(value_off(g, "g8", "logit_fake", t, a),
			value_off(g, "g8", "logit_real", t, b));
	e = fmax(e, fmax(value_off(g, "g8", "loss_fake", t, la),
			 value_off(g, "g8", "loss_real", t, lb)));
	e = fmax(e, value_off(g, "g8", "loss_G", t, lg));
	ok(e <= l->value, "%s g8: scores and losses off by %.2g", g->name, e);
	e = fmax(value_off(g, "g8", "dfake", t, dx), value_off(g, "g8", "dfake_G", t, dg));
	ok(e <= l->grad, "%s g8: gradients of images off by %.2g", g->name, e);
	check_gradients(g, "g8", t, &w, &g->dp, l);
	scope_close(&s);
	tape_free(t);
	forget_inputs(g);
}

#endif
