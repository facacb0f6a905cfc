/* sample: the averaged generator in evaluation mode. */
#include "lib/gan/sample.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdlib.h>

enum { STREAM_NOISE = 0x5A, STREAM_INSTANCE = 0x1A, STREAM_PLANES = 0x91 };

static val planes(struct sampler *p, int k)
{
	int r = stylegan2_noise_side(k);

	p->plane[k] = mem_new((size_t)p->batch * stylegan2_noise_size(k), sizeof *p->plane[k]);
	return input(p->t, shape4(p->batch, r, r, 1), p->plane[k]);
}

static val stylegan2(struct sampler *p, const struct stylegan2 *c, val z, val y, val f,
		     const struct styling *how)
{
	struct tape *t = p->t;
	int styles = stylegan2_styles(c);
	val noise[STYLEGAN2_PLANES], w = stylegan2_map(&p->g, c, z, y, f, false);
	struct shape one = shape4(1, styles, 1, 1), all = shape4(p->batch, styles, 1, c->dim_w);

	if (how->psi != 1)
		w = stylegan2_truncate(&p->g, c, w, expand(t, number(t, how->psi), one));
	else w = expand(t, w, all);
	p->planes = how->stored ? 0 : styles - 1;
	for (int k = 0; k < p->planes; k++) noise[k] = planes(p, k);
	return stylegan2_synthesis(&p->g, c, w, how->stored ? NULL : noise);
}

/* The program, with a plan and without memory.  ema: see sampler_open_training; NULL: not so. */
static int build(struct sampler *p, struct gan *s, real *ema, int batch, const struct styling *how,
		 struct backend *b)
{
	static const struct styling plain = { 1, false };
	struct model *c = &s->c;

	*p = (struct sampler){
		.t = tape_new(), .batch = batch, .dim_z = model_dim_z(c), .side = c->resolution
	};
	p->g = scope_open(p->t, &s->gp, ema ? ema : s->ema, ema != NULL);
	p->z = mem_new((size_t)batch, (size_t)p->dim_z * sizeof *p->z);
	if (c->class_cond) p->y = mem_new((size_t)batch, sizeof *p->y);
	p->pixels = mem_new((size_t)batch * (size_t)(3 * p->side * p->side), sizeof *p->pixels);
	if (c->instance_cond) p->f = mem_new((size_t)batch * (size_t)c->features, sizeof *p->f);
	val z = input(p->t, shape4(batch, 1, 1, p->dim_z), p->z);
	val y = p->y ? input(p->t, shape4(batch, 1, 1, 1), p->y) : -1;
	val f = p->f ? input(p->t, shape4(batch, 1, 1, c->features), p->f) : -1;
	p->image = c->backbone == BIGGAN ? biggan_g(&p->g, &c->biggan, z, y, f)
		: stylegan2(p, &c->stylegan2, z, y, f, how ? how : &plain);
	keep(p->t, p->image);
	return tape_measure(p->t, b, true);
}

static int open_sampler(struct sampler *p, struct gan *s, real *ema, int batch,
			const struct styling *how, struct backend *b)
{
	if (!build(p, s, ema, batch, how, b) && !tape_place(p->t, NULL)) return 0;
	sampler_close(p);
	return -1;
}

int sampler_open(struct sampler *p, struct gan *s, int batch, const struct styling *how,
		 struct backend *b)
{
	return open_sampler(p, s, NULL, batch, how, b);
}

int sampler_open_training(struct sampler *p, struct gan *s, real *ema, int batch, struct backend *b)
{
	return open_sampler(p, s, ema, batch, NULL, b);
}

/* Numbers of a picture beside the program's: what it reads, and itself. */
static size_t each(const struct sampler *p, const struct model *c)
{
	size_t side = (size_t)p->side, n = (size_t)p->dim_z + 3 * side * side + c->class_cond;

	if (c->instance_cond) n += (size_t)c->features;
	for (int k = 0; k < p->planes; k++) n += stylegan2_noise_size(k);
	return n;
}

int sampler_bytes(size_t *bytes, struct gan *s, int batch, struct backend *b)
{
	struct sampler p;
	int bad = build(&p, s, NULL, batch, NULL, b);

	*bytes = tape_arena_bytes(p.t) + tape_scratch_bytes(p.t) +
		 (size_t)batch * each(&p, &s->c) * sizeof(real);
	sampler_close(&p);
	return bad;
}

int sampler_run(struct sampler *p)
{
	if (tape_run(p->t)) return -1;
	tape_read(p->t, p->image, p->pixels);
	scope_apply(&p->g);                  /* nothing in evaluation mode */
	return 0;
}

bool sampler_finite(const struct sampler *p, int i)
{
	size_t n = (size_t)p->side * (size_t)p->side * 3;

	return tape_finite(p->pixels + (size_t)i * n, n);
}

void sampler_rgb(const struct sampler *p, int i, uint8_t *rgb)
{
	size_t n = (size_t)p->side * (size_t)p->side * 3;
	const real *x = p->pixels + (size_t)i * n;
	double half = p->truncate ? 0 : 0.5;

	for (size_t k = 0; k < n; k++)
		rgb[k] = (uint8_t)fmin(255, fmax(0, floor(((double)x[k] + 1) * 127.5 + half)));
}

void sampler_close(struct sampler *p)
{
	tape_free(p->t);
	scope_close(&p->g);
	free(p->z);
	free(p->y);
	free(p->f);
	free(p->pixels);
	for (int k = 0; k < STYLEGAN2_PLANES; k++) free(p->plane[k]);
	*p = (struct sampler){ 0 };
}

void sampler_normal(struct rng *r, size_t n, real *x)
{
	for (size_t i = 0; i < n; i++) x[i] = (real)rng_normal(r);
}

void sampler_planes(const struct sampler *p, int place, uint64_t seed, uint64_t number)
{
	struct rng r = rng_at(seed, number << 8 | STREAM_PLANES);

	for (int k = 0; k < p->planes; k++) {
		size_t n = stylegan2_noise_size(k);
		sampler_normal(&r, n, p->plane[k] + (size_t)place * n);
	}
}

void sampler_planes_towards(const struct sampler *p, int place, uint64_t seed, uint64_t number,
			    double t)
{
	struct rng r = rng_at(seed, number << 8 | STREAM_PLANES);

	for (int k = 0; k < p->planes; k++) {
		size_t n = stylegan2_noise_size(k);
		real *x = p->plane[k] + (size_t)place * n, *other = mem_new(n, sizeof *other);
		sampler_normal(&r, n, other);
		sampler_between(x, other, t, (int)n, x);
		free(other);
	}
}

void sampler_noise(uint64_t seed, uint64_t number, int dim_z, real *z)
{
	sampler_noise_within(INFINITY, seed, number, dim_z, z);
}

/* Numbers inside the bound are those drawn without one. */
void sampler_noise_within(double bound, uint64_t seed, uint64_t number, int dim_z, real *z)
{
	struct rng r = rng_at(seed, number << 8 | STREAM_NOISE);

	sampler_normal(&r, (size_t)dim_z, z);
	for (int i = 0; i < dim_z; i++)
		while (fabs((double)z[i]) > bound) z[i] = (real)rng_normal(&r);
}

void sampler_noise_clamped(double bound, uint64_t seed, uint64_t number, int dim_z, real *z)
{
	sampler_noise(seed, number, dim_z, z);
	for (int i = 0; i < dim_z; i++) z[i] = (real)fmax(-bound, fmin(bound, (double)z[i]));
}

int64_t sampler_instance(uint64_t seed, uint64_t number, int64_t rows, const struct balance *c)
{
	struct rng r = rng_at(seed, number << 8 | STREAM_INSTANCE);

	return c ? balance_row(c, balance_draw(c, &r), &r) : rng_below(&r, (uint32_t)rows);
}

/* sin((1-t) w) / sin(w) a + sin(t w) / sin(w) b, with w the angle between them; the straight line
 * where w is 0 or pi, which leaves no one arc, and where there is no angle to a vector of zeros. */
void sampler_between(const real *a, const real *b, double t, int n, real *out)
{
	double aa = 0, bb = 0, ab = 0;

	for (int i = 0; i < n; i++) {
		aa += (double)a[i] * (double)a[i];
		bb += (double)b[i] * (double)b[i];
		ab += (double)a[i] * (double)b[i];
	}
	double w = aa * bb > 0 ? acos(fmax(-1, fmin(1, ab / sqrt(aa) / sqrt(bb)))) : 0;
	bool arc = sin(w) > 1e-6;
	double from = arc ? sin((1 - t) * w) / sin(w) : 1 - t, to = arc ? sin(t * w) / sin(w) : t;
	for (int i = 0; i < n; i++) out[i] = (real)(from * (double)a[i] + to * (double)b[i]);
}
