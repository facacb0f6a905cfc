/* Sampling: floats that do not depend on the batch; planes of noise; truncated noise; the arc
 * between vectors. */
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/gan/sample.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 33, DIM = 120 };

/* Sample i alone decides its inputs. */
static void fill(const struct sampler *s, const struct model *c, int place, int i)
{
	size_t features = (size_t)c->features;
	real *f = s->f + (size_t)place * features;

	sampler_noise(3, (uint64_t)i, s->dim_z, s->z + place * s->dim_z);
	s->y[place] = (real)(i % c->n_classes);
	sampler_noise(4, (uint64_t)i, c->features, f);
	for (size_t k = 0; k < features; k++) f[k] /= 16;
	sampler_planes(s, place, 3, (uint64_t)i);
}

/* All samples, `batch` at a time, the last batch filled up. */
static real *all_images(struct gan *g, int batch)
{
	struct backend *b = backend_new("cpu", 1);
	struct sampler s;
	size_t n = (size_t)g->c.resolution * (size_t)g->c.resolution * 3;
	real *out = mem_new(SAMPLES * n, sizeof *out);

	must(!sampler_open(&s, g, batch, NULL, b));
	for (int i = 0; i < SAMPLES; i += batch) {
		int have = SAMPLES - i < batch ? SAMPLES - i : batch;
		for (int k = 0; k < batch; k++) fill(&s, &g->c, k, k < have ? i + k : i);
		must(!sampler_run(&s));
		memcpy(out + (size_t)i * n, s.pixels, (size_t)have * n * sizeof *out);
	}
	sampler_close(&s);
	backend_free(b);
	return out;
}

static void check_batches(const struct model *c)
{
	static const int batch[] = { 2, 7, 32 };
	size_t bytes = SAMPLES * (size_t)c->resolution * (size_t)c->resolution * 3 * sizeof(real);
	struct rng r = rng_at(1, 0);
	struct gan g;

	must(!gan_alloc(&g, c));
	for (int i = 0; i < g.gp.n; i++) {           /* variances are positive */
		const struct param *p = &g.gp.p[i];
		double least = strstr(p->name, "stored_var") ? 0.5 : -0.5;
		for (size_t k = 0; k < shape_count(p->s); k++)
			g.ema[p->at + k] = (real)(least + rng_uniform(&r));
	}
	real *alone = all_images(&g, 1);
	ok(memcmp(alone, alone + bytes / SAMPLES / sizeof *alone, bytes / SAMPLES),
	   "%d pixels: two samples differ", c->resolution);
	for (size_t i = 0; i < LEN(batch); i++) {
		real *x = all_images(&g, batch[i]);
		ok(!memcmp(x, alone, bytes), "%s of %d pixels: a batch of %d gives the floats of 1",
		   c->backbone == BIGGAN ? "BigGAN" : "StyleGAN2", c->resolution, batch[i]);
		free(x);
	}
	free(alone);
	gan_free(&g);
}

static struct model of_both(struct model c, int resolution)
{
	c.resolution = resolution;
	c.features = 256;
	c.n_classes = 3;
	c.class_cond = c.instance_cond = true;
	return c;
}

static struct model biggan(int resolution, int ch)
{
	struct model c = { .biggan = biggan_default() };

	c.biggan.g_ch = c.biggan.d_ch = ch;
	return of_both(c, resolution);
}

static struct model stylegan2(int resolution, int base)
{
	struct model c = { .backbone = STYLEGAN2, .stylegan2 = stylegan2_default() };

	c.stylegan2.channel_base = base;
	c.stylegan2.channel_max = 64;
	return of_both(c, resolution);
}

/* From the planes of one sample to those of another, and half way, where their length is kept. */
static void check_planes(void)
{
	struct backend *b = backend_new("cpu", 1);
	struct model c = stylegan2(32, 64);
	struct sampler s;
	struct gan g;
	double length = 0;

	must(!gan_alloc(&g, &c) && !sampler_open(&s, &g, 2, NULL, b) && s.planes == 7);
	size_t n = 32 * 32, bytes = n * sizeof(real);
	real *first = s.plane[6], *second = first + n;
	sampler_planes(&s, 0, 1, 0), sampler_planes(&s, 1, 2, 5);
	ok(memcmp(first, second, bytes), "planes of two samples differ");
	ok(memcmp(first, s.plane[5], bytes), "and those of two convolutions");
	sampler_planes_towards(&s, 0, 2, 5, 0.5);
	for (size_t i = 0; i < n; i++) length += pow((double)first[i], 2) / (double)n;
	is_near(length, 1, 4 * sqrt(2.0 / (double)n),
		"half way from one to the other they are as long");
	sampler_planes(&s, 0, 1, 0), sampler_planes_towards(&s, 0, 2, 5, 1);
	ok(!memcmp(first, second, bytes), "and at the end they are the other's");
	sampler_close(&s);
	gan_free(&g);
	backend_free(b);
}

static void check_truncation(
double bound)
{
	real free_[DIM], z[DIM], moved[DIM];
	int inside = 0, kept = 0, same = 0, clamped = 0;

	for (uint64_t i = 0; i < 200; i++) {
		sampler_noise(9, i, DIM, free_);
		sampler_noise_within(bound, 9, i, DIM, z);
		sampler_noise_clamped(bound, 9, i, DIM, moved);
		for (int k = 0; k < DIM; k++) {
			clamped += moved[k] == (real)fmax(-bound, fmin(bound, (double)free_[k]));
			inside += fabs((double)z[k]) <= bound;
			if (fabs((double)free_[k]) > bound) continue;
			kept++;
			same += z[k] == free_[k];
		}
	}
	ok(inside == 200 * DIM, "truncation %g: all numbers are inside", bound);
	/* Of 24000 draws a share of erf(bound / sqrt 2) is inside, within 4 deviations. */
	double share = erf(bound / sqrt(2));
	is_near(kept, 24000 * share, 4 * sqrt(24000 * share * (1 - share)) + 1e-9,
		"truncation %g: the share of %g drawn inside", bound, share);
	ok(clamped == 200 * DIM, "truncation %g: or are moved to the bound", bound);
	ok(same == kept, "truncation %g: those stay as they are", bound);
}

static double dot(const real *a, const real *b)
{
	double s = 0;
	for (int i = 0; i < DIM; i++) s += (double)a[i] * (double)b[i];
	return s;
}

static void unit(real *a)
{
	double length = sqrt(dot(a, a));
	for (int i = 0; i < DIM; i++) a[i] = (real)((double)a[i] / length);
}

static void check_between(void)
{
	real a[DIM], b[DIM], x[DIM], zero[DIM] = { 0 };
	double worst = 0, length = 0;

	sampler_noise(5, 0, DIM, a);
	sampler_noise(5, 1, DIM, b);
	sampler_between(a, b, 0.5, DIM, x);
	is_near(sqrt(dot(x, x)), (sqrt(dot(a, a)) + sqrt(dot(b, b))) / 2, 0.1,
		"half way between two noises the length is theirs");
	sampler_between(a, b, 0, DIM, x);
	ok(!memcmp(x, a, sizeof x), "the arc begins at the first");
	sampler_between(a, b, 1, DIM, x);
	ok(!memcmp(x, b, sizeof x), "and ends at the second");
	unit(a);
	unit(b);
	double angle = acos(dot(a, b));
	for (int k = 0; k <= 8; k++) {
		sampler_between(a, b, k / 8.0, DIM, x);
		double norm = sqrt(dot(x, x)), from_a = acos(fmin(1, dot(a, x) / norm));
		worst = fmax(worst, fabs(from_a - angle * k / 8));
		length = fmax(length, fabs(norm - 1));
	}
	is_near(length, 0, 1e-6, "between unit vectors all are of unit length");
	is_near(worst, 0, 1e-3, "equal steps are equal angles");
	sampler_between(zero, b, 0.25, DIM, x);
	is_near(sqrt(dot(x, x)), 0.25, 1e-6, "from zeros the way is straight");
	sampler_between(a, a, 0.3, DIM, x);
	is_near(dot(a, x), 1, 1e-6, "from a vector to itself nothing moves");
}

int main(void)
{
	const struct model c[] = { biggan(32, 24), biggan(64, 8), stylegan2(32, 1536),
				   stylegan2(64, 512) };

	for (size_t i = 0; i < LEN(c); i++) check_batches(&c[i]);
	check_planes();
	check_truncation(0.5);
	check_truncation(2);
	check_between();
	return done_testing();
}
