/* biggan-golden: fills the networks with numbers made from names, trains the steps that a case has
 * and compares with what the reference implementation computed (tests/golden/make/biggan.py). */
#include "tests/golden.h"
#include "lib/gan/phase.h"

#include <unistd.h>

static double fill_value(const struct param *p, uint64_t key, size_t i)
{
	double u = formula_u(key, (int64_t)i), sym = 2 * u - 1;

	if (ends(p->name, "stored_var")) return 0.5 + u;
	if (ends(p->name, "sv0")) return 1;
	if (ends(p->name, "u0")) return sym;
	if (ends(p->name, "stored_mean") || (ends(p->name, "bias") && p->rank == 1))
		return 0.1 * sym;
	if (p->rank <= 1) return 1 + 0.1 * sym;
	double rest = 1;
	for (int k = 1; k < p->rank; k++) rest *= (double)p->shape[k];
	return sym * sqrt(3 / rest);
}

static void fill(const struct params *ps, const char *prefix, real *data)
{
	for (int i = 0; i < ps->n; i++) {
		const struct param *p = &ps->p[i];
		size_t n = shape_count(p->s);
		float *v = mem_new(n, sizeof *v);
		uint64_t key = formula_name(prefix, p->name);
		for (size_t j = 0; j < n; j++) v[j] = (float)fill_value(p, key, j);
		param_import(p, v, data);
		free(v);
	}
}

struct golden {
	struct tensors t;
	const char *name;
	struct model c;
	int batch, stride, steps;
	double d_bias;
	bool constant;
};

static double meta(const struct golden *g, const char *name)
{
	const char *s = tensors_meta(&g->t, name);
	must(s);
	return strcmp(s, "True") ? strcmp(s, "False") ? strtod(s, NULL) : 0 : 1;
}

static const double *want(const struct golden *g, const char *name, size_t n)
{
	const struct tensor *t = tensors_find(&g->t, name);
	static double room[1 << 17];
	if (!t || t->type != DT_F64 || (size_t)t->count != n || n > LEN(room)) {
		printf("# %s: no such golden of %zu numbers\n", name, n);
		return NULL;
	}
	memcpy(room, t->data, n * sizeof *room);
	return room;
}

static int golden_open(struct golden *g, const char *name)
{
	char path[128];
	*g = (struct golden){ .name = name, .c = { .biggan = biggan_default() } };
	snprintf(path, sizeof path, "tests/golden/biggan/%s.safetensors", name);
	if (tensors_open(&g->t, path)) return -1;
	g->c.resolution = (int)meta(g, "res");
	g->c.biggan.g_ch = g->c.biggan.d_ch = (int)meta(g, "ch");
	g->c.n_classes = (int)meta(g, "n_classes");
	g->c.instance_cond = meta(g, "instance_cond") != 0;
	g->c.class_cond = meta(g, "class_cond") != 0;
	g->constant = meta(g, "constant_label") != 0;
	g->batch = (int)meta(g, "batch");
	g->stride = (int)meta(g, "stride");
	g->d_bias = meta(g, "D_linear_bias");
	for (char key[32]; snprintf(key, sizeof key, "step%d.G_loss", g->steps + 1),
	     tensors_find(&g->t, key);)
		g->steps++;
	return 0;
}

/* Inputs of step s; images arrive as NCHW. */
static void fill_input(const struct golden *g, int s, const char *what, real *out, size_t n,
		       double scale)
{
	char key[96];
	snprintf(key, sizeof key, "%s/step%d/%s", g->name, s, what);
	uint64_t h = formula_name("", key);
	for (size_t i = 0; i < n; i++)
		out[i] = (real)((2 * formula_u(h, (int64_t)i) - 1) * scale);
}

static void fill_cond(const struct golden *g, int s, real *y, real *f)
{
	char key[96];
	snprintf(key, sizeof key, "%s/step%d/y", g->name, s);
	uint64_t h = formula_name("", key);
	for (int i = 0; i < g->batch && y; i++)
		y[i] = (real)(g->constant ? 0 : floor(formula_u(h, i) * g->c.n_classes));
	if (!f) return;
	int w = g->c.features;
	snprintf(key, sizeof key, "%s/step%d/f", g->name, s);
	h = formula_name("", key);
	for (int i = 0; i < g->batch; i++) {
		double norm = 0;
		for (int j = i * w; j < (i + 1) * w; j++) norm += pow(2 * formula_u(h, j) - 1, 2);
		for (int j = i * w; j < (i + 1) * w; j++)
			f[j] = (real)((2 * formula_u(h, j) - 1) / sqrt(norm));
	}
}

static struct shape image_shape(const struct golden *g)
{
	return shape4(g->batch, g->c.resolution, g->c.resolution, 3);
}

static void fill_images(const struct golden *g, int s, real *x)
{
	struct shape shape = image_shape(g);
	size_t n = shape_count(shape);
	real *chw = mem_new(n, sizeof *chw);
	fill_input(g, s, "x", chw, n, 1);
	for (size_t i = 0; i < n; i++) x[golden_spot(shape, i)] = chw[i];
	free(chw);
}

/* Largest difference of a list from its golden, relative to the golden's largest magnitude. */
static double list_error(const struct golden *g, const char *name, const real *got, size_t n)
{
	const double *w = want(g, name, n);
	double diff = 0, top = 1e-30;
	for (size_t i = 0; w && i < n; i++) {
		diff = fmax(diff, fabs((double)got[i] - w[i]));
		top = fmax(top, fabs(w[i]));
		if (isnan((double)got[i])) diff = INFINITY;
	}
	return w ? diff / top : INFINITY;
}

/* A loss is a mean of scores that may nearly cancel: relative to 1 when it is small. */
static double loss_error(const struct golden *g, int step, const char *name, double got)
{
	char key[64];
	snprintf(key, sizeof key, "step%d.%s", step, name);
	const double *w = want(g, key, 1);
	return w && isfinite(got) ? fabs(got - *w) / fmax(fabs(*w), 1) : INFINITY;
}

static double image_error(const struct golden *g, const char *name, const real *nhwc)
{
	struct shape shape = image_shape(g);
	size_t stride = (size_t)g->stride, n = (shape_count(shape) + stride - 1) / stride;
	real *got = mem_new(n, sizeof *got);
	for (size_t k = 0; k < n; k++) got[k] = nhwc[golden_spot(shape, k * stride)];
	double e = list_error(g, name, got, n);
	free(got);
	return e;
}

/* A tensor (ours, at data) against its golden, relative to its norm, or to `terms` where they are
 * larger.  What is zero but for rounding must be so here: 1e-12 absolute at 1e-8. */
static double tensor_error(const struct golden *g, const char *key, const struct param *p,
			   const real *data, double terms)
{
	size_t n = shape_count(p->s);
	const double *w = want(g, key, (n < 4 ? n : 4) + 4);
	return w ? golden_off(p, data, w, w[1] < 1e-12 ? 1e-4 : fmax(w[1], terms)) : INFINITY;
}

/* How far results may be off; for the biases that feed a batch norm (their gradient is zero in
 * exact arithmetic) only double counts. Of tensors: the median one and the worst. */
struct limits { double eval, train, score[3], ema, grad[2], state[2]; bool exact; };

static bool feeds_a_norm(const char *name)
{
	return !strncmp(name, "blocks.", 7) &&
	       (ends(name, "conv1.bias") || ends(name, "conv2.bias") || ends(name, "conv_sc.bias"));
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

/* The gradient of an attention's gamma is one number, the inner product <dL/do, o> = <dL/dW, W> /
 * gamma, W the weights that o comes from: rounding counts in terms of |dL/dW| |W| / gamma, of which
 * little may be left (of icgan128's 131072 terms one part in 1749: four relus of 1.7 million that
 * fall the other way than in double are 1 % of it, and one is 0.1 %). */
static double gamma_terms(const struct golden *g, const char *what, int step,
			  const struct params *ps, const struct param *gamma, const real *weights)
{
	char name[96], key[128];
	double norm = 0;

	snprintf(name, sizeof name, "%.*so.weight", (int)strlen(gamma->name) - 5, gamma->name);
	snprintf(key, sizeof key, "step%d.%s.%s", step, what, name);
	int i = param_find(ps, name);
	must(i >= 0);
	const struct param *p = &ps->p[i];
	const double *w = want(g, key, 8);
	for (size_t k = 0; k < shape_count(p->s); k++)
		norm += pow((double)weights[p->at + k], 2);
	return w ? w[1] * sqrt(norm) / fabs((double)weights[gamma->at]) : 0;
}

/* The tensors at data; f: or their gradients, data being the weights. */
static void check_tensors(const struct golden *g, const char *what, int step,
			  const struct params *ps, const real *data, const struct phase *f,
			  bool generator, const double tol[2], bool exact)
{
	double worst = 0, *all = mem_new((size_t)ps->n, sizeof *all);
	const char *name = "";
	int n = 0;

	for (int i = 0; i < ps->n; i++) {
		char key[128];
		const struct param *p = &ps->p[i];
		if (f && f->grad[i] < 0) continue;
		if (!exact && generator && feeds_a_norm(p->name)) continue;
		snprintf(key, sizeof key, "step%d.%s.%s", step, what, p->name);
		double terms = f && !exact && ends(p->name, ".gamma")
				       ? gamma_terms(g, what, step, ps, p, data) : 0;
		double e = tensor_error(g, key, p, f ? tape_value(f->t, f->grad[i]) : data + p->at,
					terms);
		if (!(e <= worst)) worst = e, name = p->name;
		all[n++] = e;
	}
	qsort(all, (size_t)n, sizeof *all, by_size);
	ok(n > 0 && all[n / 2] <= tol[0] && worst <= tol[1],
	   "%s step %d %s: median %.2g (limit %.2g), worst %.2g (limit %.2g) at %s", g->name, step,
	   what, all[n / 2], tol[0], worst, tol[1], name);
	free(all);
}

static void check_eval(struct golden *g, struct gan *s, struct backend *b, const struct limits *l,
		       int step, const real *weights, const char *image, bool scores)
{
	struct model *c = &g->c;
	struct tape *t = tape_new();
	int n = g->batch, R = c->resolution;
	struct scope gs = scope_open(t, &s->gp, (real *)weights, false),
		     ds = scope_open(t, &s->dp, s->d, false);
	real *z = mem_new((size_t)n * 128, sizeof *z),
	     *x = mem_new((size_t)(n * R * R * 3), sizeof *x);
	real *y = mem_new((size_t)n, sizeof *y), *f = mem_new((size_t)(n * c->features), sizeof *f);

	fill_input(g, step, step ? "zg" : "z", z, (size_t)(n * model_dim_z(c)), sqrt(3));
	fill_cond(g, step, y, c->instance_cond ? f : NULL);
	val vy = c->class_cond ? leaf(t, shape4(n, 1, 1, 1), y) : -1;
	val vf = c->instance_cond ? leaf(t, shape4(n, 1, 1, c->features), f) : -1;
	val vz = leaf(t, shape4(n, 1, 1, model_dim_z(c)), z), sr = -1, sf = -1;
	val fake = biggan_g(&gs, &c->biggan, vz, vy, vf);
	keep(t, fake);
	if (scores) {
		fill_images(g, step, x);
		keep(t, sr = biggan_d(&ds, &c->biggan, leaf(t, shape4(n, R, R, 3), x), vy, vf));
		keep(t, sf = biggan_d(&ds, &c->biggan, fake, vy, vf));
	}
	ok(!tape_plan(t, b, true) && !tape_check_plan(t), "%s: plan of %s", g->name, image);
	tape_run(t);
	double e = image_error(g, image, tape_value(t, fake));
	ok(e <= (step ? l->ema : l->eval), "%s %s: %.2g", g->name, image, e);
	if (scores) {
		e = fmax(list_error(g, "eval_D_real", tape_value(t, sr), (size_t)n),
			 list_error(g, "eval_D_fake", tape_value(t, sf), (size_t)n));
		ok(e <= l->score[0], "%s eval scores: %.2g", g->name, e);
	}
	scope_close(&gs);
	scope_close(&ds);
	tape_free(t);
	free(z), free(x), free(y), free(f);
}

static void check_step(struct golden *g, struct phases *p, const struct limits *l, int step)
{
	struct gan *s = p->s;
	int n = g->batch, zs = model_dim_z(&g->c);
	char key[64];

	fill_input(g, step, "z", p->in.z, (size_t)(n * zs), sqrt(3));
	fill_images(g, step, p->in.x);
	fill_cond(g, step, p->in.y, p->in.f);
	fill_cond(g, step, p->in.xy, p->in.xf);
	ok(!phase_d_step(p), "%s step %d: D phase", g->name, step);
	const real *score = phase_scores(p);
	snprintf(key, sizeof key, "step%d.D_fake", step);
	double e = list_error(g, key, score, (size_t)n);
	snprintf(key, sizeof key, "step%d.D_real", step);
	e = fmax(e, list_error(g, key, score + n, (size_t)n));
	e = fmax(e, fmax(loss_error(g, step, "D_loss_real", p->d_real),
			 loss_error(g, step, "D_loss_fake", p->d_fake)));
	ok(e <= l->score[step - 1], "%s step %d scores and losses: %.2g (limit %.2g)", g->name,
	   step, e, l->score[step - 1]);
	if (l->exact || step == 1)
		check_tensors(g, "D_grad", step, &s->dp, s->d, &p->d, false, l->grad, l->exact);

	fill_input(g, step, "zg", p->in.z, (size_t)(n * zs), sqrt(3));
	ok(!phase_g_step(p), "%s step %d: G phase", g->name, step);
	if (step == 1) {
		e = image_error(g, "train_G_step1", tape_value(p->g.t, p->g.fake));
		ok(e <= l->train, "%s train_G_step1: %.2g", g->name, e);
	}
	e = loss_error(g, step, "G_loss", p->g.told);
	ok(e <= l->score[step - 1], "%s step %d G loss: %.2g", g->name, step, e);
	if (l->exact || step == 1)
		check_tensors(g, "G_grad", step, &s->gp, s->g, &p->g, true, l->grad, l->exact);
	check_tensors(g, "D_after", step, &s->dp, s->d, NULL, false, l->state, l->exact);
	check_tensors(g, "G_after", step, &s->gp, s->g, NULL, true, l->state, l->exact);
	check_tensors(g, "EMA_after", step, &s->gp, s->ema, NULL, true, l->state, l->exact);
}

/* A checkpoint comes back the same, and its G_ema has the names, shapes and order of the published
 * file. */
static void check_checkpoint(const struct golden *g, const struct gan *s)
{
	char path[64];
	struct tensors t = { 0 };
	struct gan back = { 0 };
	int at = 0, same = 0;

	snprintf(path, sizeof path, "/tmp/ic-check-%ld.safetensors", (long)getpid());
	if (!ok(!gan_save(s, path) && !tensors_open(&t, path) && !gan_load(&back, path),
		"%s: saved and loaded", g->name))
		printf("# %s\n", why());
	for (int i = 0; i < t.n; i++) {
		char key[128];
		if (strncmp(t.t[i].name, "G_ema.", 6)) continue;
		snprintf(key, sizeof key, "shape.G.%s", t.t[i].name + 6);
		const struct tensor *w = tensors_find(&g->t, key);
		bool good = w && w->count == t.t[i].rank && t.t[i].type == DT_F32 &&
			    !strcmp(t.t[i].name + 6, s->gp.p[at].name);
		for (int k = 0; good && k < t.t[i].rank; k++) {
			double d;
			memcpy(&d, (const char *)w->data + 8 * k, 8);
			good = d == (double)t.t[i].shape[k];
		}
		same += good, at++;
	}
	ok(at == s->gp.n && same == at, "%s: the %d tensors of G_ema are the published ones",
	   g->name, at);
	ok(back.step == s->step && back.gp.total == s->gp.total &&
		   !memcmp(back.ema, s->ema, s->gp.total * sizeof *s->ema) &&
		   !memcmp(back.d, s->d, s->dp.total * sizeof *s->d) &&
		   !memcmp(back.gv, s->gv, s->gp.total * sizeof *s->gv),
	   "%s: the same step, weights and moments", g->name);
	tensors_close(&t);
	gan_free(&back);
	remove(path);
}

static void check_case(const char *name, const char *backend, const struct limits *l)
{
	struct golden g;
	struct gan s;
	struct phases p;
	char prefix[64];
	struct backend *b = backend_new(backend, 2);

	if (!ok(!golden_open(&g, name), "%s: golden", name) ||
	    !ok(!gan_new(&s, &g.c, 1), "%s: new", name)) {
		printf("# %s\n", why());
		return;
	}
	snprintf(prefix, sizeof prefix, "%s/G/", name);
	fill(&s.gp, prefix, s.g);
	snprintf(prefix, sizeof prefix, "%s/D/", name);
	fill(&s.dp, prefix, s.d);
	s.d[s.dp.p[param_find(&s.dp, "linear.bias")].at] = (real)g.d_bias;
	memcpy(s.ema, s.g, s.gp.total * sizeof *s.g);
	golden_shapes(&g.t, name, &s.gp, 'G', false);
	golden_shapes(&g.t, name, &s.dp, 'D', false);
	check_eval(&g, &s, b, l, 0, s.g, "eval_G", true);

	struct adam a = { 1e-4, 0, 0.999, 1e-6 };
	struct recipe r = {
		.batch = g.batch, .accumulate = 1, .d_steps = 1, .g = a, .d = a, .ema_decay = 0.9
	};
	if (ok(!phase_open(&p, &s, &r, b), "%s: phases", name))
		for (int step = 1; step <= g.steps; step++) check_step(&g, &p, l, step);
	else printf("# %s\n", why());
	phase_close(&p);
	check_eval(&g, &s, b, l, g.steps, s.ema, "eval_EMA_after", false);
	if (sizeof(real) == sizeof(float)) check_checkpoint(&g, &s);
	gan_free(&s);
	backend_free(b);
	tensors_close(&g.t);
}
