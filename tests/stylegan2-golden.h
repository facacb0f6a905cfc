/* stylegan2-golden: networks filled with numbers made from names, and what the reference
 * implementation computed with them (tests/golden/make/stylegan2.py). */
#include "tests/formula.h"
#include "tests/tap.h"
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

static bool ends(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);
	return n >= m && !strcmp(s + n - m, tail);
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

/* Where number i of a published array [N,C,H,W] is in ours. */
static size_t spot(struct shape s, size_t i)
{
	size_t w = i % (size_t)s.d[2], h = i / (size_t)s.d[2] % (size_t)s.d[1];
	size_t pixels = (size_t)s.d[1] * (size_t)s.d[2], c = i / pixels % (size_t)s.d[3];
	size_t n = i / pixels / (size_t)s.d[3];

	return ((n * (size_t)s.d[1] + h) * (size_t)s.d[2] + w) * (size_t)s.d[3] + c;
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
			x[rank == 4 ? spot(*shape, i) : i] = (real)(float)(
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
		size_t step = (size_t)x->count == n ? 1 : (n + (size_t)x->count - 1) / (size_t)x->count;
		must((size_t)x->count == (n + step - 1) / step);
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
	for (size_t i = 0; i < n; i++) v[i] = (double)got[maps ? spot(s, i) : i];
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
		for (size_t j = 0; j < n; j++) v[j] = (double)got[param_place(p, j)];
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
	   "%s %s: %d gradients off by %.2g, of noise strengths by %.2g", g->name, group, w->n, e[0],
	   e[1]);
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

static void check_shapes(const struct golden *g, const struct params *ps, char net)
{
	int found = 0, listed = 0, order[2] = { 0, 0 };
	char prefix[16];

	snprintf(prefix, sizeof prefix, "shape.%c.", net);
	for (int i = 0; i < ps->n; i++) {
		char key[96];
		const struct param *p = &ps->p[i];
		snprintf(key, sizeof key, "%s%s", prefix, p->name);
		const struct tensor *t = tensors_find(&g->t, key);
		const double *d = t ? t->data : NULL;
		bool same = t && t->count == p->rank + 1;
		for (int k = 0; same && k < p->rank; k++) same = d[k + 1] == (double)p->shape[k];
		/* the place among the parameters of Adam; buffers have none */
		if (same) same = p->trained ? d[0] == order[0]++ : d[0] == -1;
		if (same) found++;
		else printf("# %s: no such tensor, or another shape or place\n", key);
	}
	for (int i = 0; i < g->t.n; i++) listed += !strncmp(g->t.t[i].name, prefix, strlen(prefix));
	ok(found == ps->n && found == listed,
	   "%s: %d tensors of %c have published names, shapes and order", g->name, listed, net);
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
		snprintf(name, sizeof name, "noise.b%d.conv%d", stylegan2_noise_side(k), k % 2 == 0);
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

/* Training. */

static void put(real *to, const char *text)
{
	struct shape s;

	if (!to || !text) return;
	real *x = made(text, &s);
	memcpy(to, x, shape_count(s) * sizeof *x);
	free(x);
}

/* The styles from `cutoff` on are of z2. */
static void put_mix(const struct phases *p, int cutoff)
{
	for (int k = 0; k < stylegan2_styles(&p->s->c.stylegan2); k++) p->in.mix[k] = k >= cutoff;
}

static void gan_of(struct golden *g, struct gan *s)
{
	must(!gan_alloc(s, &(struct model){ .backbone = STYLEGAN2, .stylegan2 = g->c }));
	memcpy(s->g, g->g, s->gp.total * sizeof *s->g);
	memcpy(s->ema, g->g, s->gp.total * sizeof *s->g);
	memcpy(s->d, g->d, s->dp.total * sizeof *s->d);
}

/* The gradients that a phase has left, against those of a group. */
static void check_phase(const struct golden *g, const char *group, const struct phase *f,
			const struct params *ps, const struct limits *l)
{
	struct gradients w = { .n = 0 };
	double e[2];

	for (int i = 0; i < ps->n; i++)
		if (f->grad[i] >= 0) w.param[w.n] = i, w.g[w.n++] = f->grad[i];
	gradients_off(g, group, f->t, &w, ps, e);
	ok(w.n > 0 && e[0] <= l->grad && e[1] <= l->noise,
	   "%s %s: %d gradients off by %.2g, of noise strengths by %.2g", g->name, group, w.n, e[0],
	   e[1]);
}

static void put_group(const struct golden *g, const struct phases *p, const char *group)
{
	const struct phase_input *in = &p->in;

	put(in->z, input_text(g, group, "z"));
	put(in->z2, input_text(g, group, "z2"));
	put(in->y, input_text(g, group, "c"));
	put(in->f, input_text(g, group, "h"));
	put(in->xy, input_text(g, group, "c"));
	put(in->xf, input_text(g, group, "h"));
	put(in->x, input_text(g, group, "real"));
	put(in->probe, input_text(g, group, "Y"));
	for (int k = 0; k < stylegan2_styles(&g->c) - 1; k++) {
		char name[32];
		snprintf(name, sizeof name, "noise.b%d.conv%d", stylegan2_noise_side(k), k % 2 == 0);
		put(in->plane[k], input_text(g, group, name));
	}
}

/* What the phases of training compute: the generator's loss, R1 and the path length. */
static void check_phases(struct golden *g, const struct limits *l, const struct limits *r1)
{
	struct gan s;
	struct phases p;
	struct recipe r = { .batch = g->batch,
			    .accumulate = 1,
			    .style = { 0, 0.05, 2, 0.01, 16, 4, 0 } };
	double e;

	gan_of(g, &s);
	*s.path = (real)0.3;
	must(!phase_open(&p, &s, &r, g->b));
	if (has(g, "g8g", "z")) {
		put_group(g, &p, "g8g");
		put_mix(&p, (int)strtol(input_text(g, "g8g", "cutoff"), NULL, 10));
		must(!phase_g_step(&p));
		e = value_off(g, "g8g", "loss", p.g.t, p.g.loss);
		ok(e <= l->value, "%s g8g: loss off by %.2g", g->name, e);
		check_phase(g, "g8g", &p.g, &s.gp, l);
		memcpy(s.g, g->g, s.gp.total * sizeof *s.g);
	}
	put_group(g, &p, "g9");
	must(!phase_r1_step(&p));
	e = value_off(g, "g9", "loss_x_gain", p.r1.t, p.r1.loss);
	ok(e <= r1->value, "%s g9: penalty off by %.2g", g->name, e);
	check_phase(g, "g9", &p.r1, &s.dp, r1);
	if (has(g, "g10", "z")) {
		put_group(g, &p, "g10");
		put_mix(&p, (int)strtol(input_text(g, "g10", "cutoff"), NULL, 10));
		must(!phase_path_step(&p));
		e = fmax(value_off(g, "g10", "loss_x_gain", p.path.t, p.path.loss),
			 value_off(g, "g10", "a1", p.path.t, p.path.mean));
		ok(e <= l->value && *s.path == *tape_value(p.path.t, p.path.mean),
		   "%s g10: penalty and mean length off by %.2g", g->name, e);
		check_phase(g, "g10", &p.path, &s.gp, l);
	}
	phase_close(&p);
	gan_free(&s);
}

/* A parameter's values against [sum, norm, first four, middle, last]. */
static double row_off(const struct param *p, const real *data, const double *w)
{
	size_t n = shape_count(p->s), first = n < 4 ? n : 4;
	double sum = 0, norm = 0, worst, *v = mem_new(n, sizeof *v);

	for (size_t i = 0; i < n; i++) v[i] = (double)data[param_place(p, i)];
	for (size_t i = 0; i < n; i++) sum += v[i], norm += v[i] * v[i];
	norm = sqrt(norm);
	double scale = fmax(w[1], 1e-12);
	worst = fmax(fabs(norm - w[1]), fabs(sum - w[0]) / sqrt((double)n));
	for (size_t i = 0; i < first; i++) worst = fmax(worst, fabs(v[i] - w[2 + i]));
	worst = fmax(worst, fabs(v[n / 2] - w[2 + first]));
	worst = fmax(worst, fabs(v[n - 1] - w[3 + first]));
	free(v);
	return isnan(norm) ? INFINITY : worst / scale;
}

/* All trained parameters against a matrix of such rows; f: the gradients of its last move, but
 * those in the memory of a device. */
static void check_rows(const struct golden *g, int it, const char *what, const struct params *ps,
		       const real *data, const struct phase *f, double limit)
{
	char key[64];
	double worst = 0;
	const char *where = "";
	int row = 0;

	if (f && g->b->take) return;
	snprintf(key, sizeof key, "it%d.%s", it, what);
	const struct tensor *t = tensors_find(&g->t, key);
	must(t && t->rank == 2 && t->shape[1] == 8);
	const double *w = t->data;
	for (int i = 0; i < ps->n; i++) {
		const struct param *p = &ps->p[i];
		if (!p->trained) continue;
		const real *at = !f ? data + p->at : f->sum ? f->sum + p->at
			: tape_value(f->t, f->grad[i]);
		double e = row_off(p, at, w + 8 * row++);
		/* with groups of two next to nothing is left of these: see the golden page */
		if (f && strstr(what, "Dreg") && ends(p->name, "bias") && g->c.group == 2) continue;
		if (!(e <= worst)) worst = e, where = p->name;
	}
	ok(row == t->shape[0] && worst <= limit, "%s step %d %s: off by %.2g at %s", g->name, it,
	   what, worst, where);
}

static void put_train(const struct golden *g, const struct phases *p, int it, const char *phase,
		      int round)
{
	const struct stylegan2 *c = &g->c;
	const struct phase_input *in = &p->in;
	int n = g->batch, few = strcmp(phase, "Greg") ? n : n / 2, R = c->resolution;
	char at[64], text[160];

	snprintf(at, sizeof at, "%sit%d/%s/r%d/", tensors_meta(&g->t, "prefix"), it, phase, round);
#define PUT(to, ...) (snprintf(text, sizeof text, __VA_ARGS__), put(to, text))
	PUT(in->z, "%sz unit %d %d", at, n, c->dim_z);
	PUT(in->f, "%sh l2rows %d %d", at, n, c->features);
	PUT(in->y, "%sc onehot %d %d", at, n, c->n_classes);
	PUT(in->z2, "%sz2 unit %d %d", at, few, c->dim_z);
	if (few < n) PUT(in->probe, "%sY unit %d 3 %d %d", at, few, R, R);
	for (int k = 0; k < stylegan2_styles(c) - 1; k++) {
		int r = stylegan2_noise_side(k);
		PUT(in->plane[k], "%snoise.b%d.conv%d unit %d 1 %d %d", at, r, k % 2 == 0, few, r,
		    r);
	}
	snprintf(text, sizeof text, "it%d.%s.r%d", it, phase, round);
	if (tensors_meta(&g->t, text)) put_mix(p, (int)meta(g, text));
	snprintf(at, sizeof at, "%sit%d/real/r%d/", tensors_meta(&g->t, "prefix"), it, round);
	PUT(in->x, "%sx sym %d 3 %d %d", at, n, R, R);
	PUT(in->xf, "%sh l2rows %d %d", at, n, c->features);
	PUT(in->xy, "%sc onehot %d %d", at, n, c->n_classes);
#undef PUT
}

typedef int step(struct phases *);

static void move(const struct golden *g, struct phases *p, int it, const char *phase, step *run_)
{
	for (int round = 0; round < p->r.accumulate; round++) {
		put_train(g, p, it, phase, round);
		must(!run_(p));
	}
}

/* Steps of training as the reference does them.  limit: of gradients, and of all that follows. */
static void check_training(struct golden *g, int steps, const double limit[2])
{
	struct gan s;
	struct phases p;
	int size = (int)meta(g, "batch");
	struct recipe r = { .batch = g->batch,
			    .accumulate = (int)meta(g, "rounds"),
			    .g = { meta(g, "lr_G"), 0, meta(g, "beta2_G"), 1e-8 },
			    .d = { meta(g, "lr_D"), 0, meta(g, "beta2_D"), 1e-8 },
			    .ema_decay = pow(0.5, size / (1000 * meta(g, "ema_kimg"))),
			    .style = { 0, meta(g, "r1_gamma"), 2, 0.01,
				       (int)meta(g, "D_reg_interval"),
				       (int)meta(g, "G_reg_interval"), meta(g, "ema_rampup") } };

	gan_of(g, &s);
	must(!phase_open(&p, &s, &r, g->b));
	for (int it = 0; it < steps; it++) {
		char key[32];
		move(g, &p, it, "Gmain", phase_g_step);
		check_rows(g, it, "Gmain.grad", &s.gp, NULL, &p.g, limit[0]);
		if (phase_due(&p, &p.path)) {
			move(g, &p, it, "Greg", phase_path_step);
			check_rows(g, it, "Greg.grad", &s.gp, NULL, &p.path, limit[0]);
		}
		move(g, &p, it, "Dmain", phase_d_step);
		check_rows(g, it, "Dmain.grad", &s.dp, NULL, &p.d, limit[0]);
		if (phase_due(&p, &p.r1)) {
			move(g, &p, it, "Dreg", phase_r1_step);
			check_rows(g, it, "Dreg.grad", &s.dp, NULL, &p.r1, limit[0]);
		}
		phase_end(&p);
		must(!phase_fetch(&p));
		check_rows(g, it, "G_after", &s.gp, s.g, NULL, limit[1]);
		check_rows(g, it, "G_v", &s.gp, s.gv, NULL, limit[1]);
		check_rows(g, it, "D_after", &s.dp, s.d, NULL, limit[1]);
		check_rows(g, it, "D_v", &s.dp, s.dv, NULL, limit[1]);
		check_rows(g, it, "EMA_after", &s.gp, s.ema, NULL, limit[1]);
		const struct param *w = &s.gp.p[param_find(&s.gp, "mapping.w_avg")];
		snprintf(key, sizeof key, "it%d", it);
		double e = 0, v[64];
		for (int i = 0; i < g->c.dim_w; i++) v[i] = (double)s.g[w->at + (size_t)i];
		e = off(g, key, "w_avg", v, (size_t)g->c.dim_w);
		*v = (double)*s.path;
		e = fmax(e, off(g, key, "pl_mean", v, 1));
		ok(e <= limit[1] && !memcmp(s.g + w->at, s.ema + w->at,
					    (size_t)g->c.dim_w * sizeof *s.g),
		   "%s step %d: average of w and mean length off by %.2g", g->name, it, e);
	}
	phase_close(&p);
	gan_free(&s);
}
