/* train: a training step of IC-GAN, instance-conditioned, on random pictures: a step of the
 * discriminator, one of the generator, Adam and the average; with BACKBONE=stylegan2 in the
 * environment of StyleGAN2, with a fourth of a path length and a sixteenth of an R1.
 * train RESOLUTION CH BATCH THREADS STEPS [BACKEND [steps|floors [TFLOP/s GB/s]]] prints one line:
 * the first four, the least seconds and the least processor seconds of a step after the first, peak
 * MiB, GFLOP/s of the convolutions and products as the networks are written, this over sgemm's, and
 * sgemm's; then, if asked for, the time of each kind of step of the tapes, beside the least that
 * those rates allow.  floors: these alone, and nothing is run. */
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/rng.h"
#include "lib/base/say.h"
#include "lib/gan/phase.h"
#include "tests/bench/peak.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fill(real *p, size_t n, uint64_t stream)
{
	struct rng r = rng_at(1, stream);

	for (size_t i = 0; i < n; i++) p[i] = (real)rng_normal(&r);
}

static void fill_inputs(struct phase_input *in, const struct model *c, int batch)
{
	size_t n = (size_t)batch, pixels = n * 3 * (size_t)c->resolution * (size_t)c->resolution;
	size_t width = (size_t)c->features;

	fill(in->z, n * (size_t)model_dim_z(c), 1);
	fill(in->x, pixels, 2);
	for (size_t i = 0; i < pixels; i++) in->x[i] = (real)tanh((double)in->x[i]);
	fill(in->f, n * width, 3);
	for (size_t i = 0; i < n * width; i++) in->f[i] /= (real)sqrt((double)width);
	for (size_t i = 0; i < n * width; i++) in->xf[i] = in->f[i];
}

static void fill_styles(struct phases *p)
{
	const struct stylegan2 *c = &p->s->c.stylegan2;
	size_t n = (size_t)p->r.batch, pixels = (size_t)c->resolution * (size_t)c->resolution;
	int styles = stylegan2_styles(c);

	fill(p->in.z2, n * (size_t)c->dim_z, 4);
	for (int k = 0; k < styles; k++) p->in.mix[k] = k >= styles / 2;
	for (int k = 0; k < styles - 1; k++)
		fill(p->in.plane[k], n * stylegan2_noise_size(k), 5);
	fill(p->in.probe, (size_t)phase_path_batch(&p->r) * pixels * 3, 6);
}

static double clock_of(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int main_step(struct phases *p)
{
	return phase_d_step(p) || phase_g_step(p);
}

/* Least seconds of steps after the first, and after the second, which a device records. */
static void time_one(struct phases *p, int (*step)(struct phases *), int steps, double share,
	double *wall, double *cpu)
{
	double least = INFINITY, least_cpu = INFINITY;

	for (int i = p->b->take ? -2 : -1; i < steps; i++) {
		double w = clock_of(CLOCK_MONOTONIC), u = clock_of(CLOCK_PROCESS_CPUTIME_ID);

		if (step(p)) die();
		backend_wait(p->b);
		if (i < 0) continue;
		least = fmin(least, clock_of(CLOCK_MONOTONIC) - w);
		least_cpu = fmin(least_cpu, clock_of(CLOCK_PROCESS_CPUTIME_ID) - u);
	}
	*wall += share * least;
	*cpu += share * least_cpu;
}

static void time_steps(struct phases *p, int steps, double *wall, double *cpu)
{
	*wall = *cpu = 0;
	time_one(p, main_step, steps, 1, wall, cpu);
	if (p->path.t) time_one(p, phase_path_step, steps, 1.0 / p->r.style.path_every, wall, cpu);
	if (p->r1.t) time_one(p, phase_r1_step, steps, 1.0 / p->r.style.r1_every, wall, cpu);
	if (phase_tell(p)) die();
}

static void print_steps(struct phases *p, const struct tape_peak *peak)
{
	for (int i = 0; i < PHASES; i++)
		if (p->each[i].t) tape_profile_print(p->each[i].t, peak, stdout);
}

static void time_each(struct phases *p)
{
	double wall, cpu;

	for (int i = 0; i < PHASES; i++)
		if (p->each[i].t) tape_profile(p->each[i].t, true);
	time_steps(p, 1, &wall, &cpu);
}

/* Planned, and not run. */
static void print_floors(const struct model *c, const struct recipe *r, struct backend *b,
	const struct tape_peak *peak)
{
	struct gan g;
	struct phases p;

	if (gan_shape(&g, c) || phase_plan(&p, &g, r, b)) die();
	print_steps(&p, peak);
	phase_close(&p);
	gan_free(&g);
}

static struct model network(int resolution, int ch)
{
	const char *backbone = getenv("BACKBONE");
	struct model c = { .biggan = biggan_default() };

	c.biggan.g_ch = c.biggan.d_ch = ch;
	if (backbone && !strcmp(backbone, "stylegan2")) {
		c = (struct model){ .backbone = STYLEGAN2, .stylegan2 = stylegan2_default() };
		c.stylegan2.channel_base = 256 * ch;
	}
	c.resolution = resolution;
	return c;
}

int main(int argc, char **argv)
{
	struct model c;
	struct gan g;
	struct phases p;

	blas_start(argv);
	if (argc < 6) {
		printf("# train.sh runs it\n");
		return argc > 1 ? 2 : 0;
	}
	int batch = atoi(argv[3]), threads = atoi(argv[4]), steps = atoi(argv[5]);
	struct recipe r = {
		.batch = batch, .accumulate = 1, .d_steps = 1, .g = { 1e-4, 0, 0.999, 1e-6 },
		.d = { 1e-4, 0, 0.999, 1e-6 }, .ema_decay = 0.999,
		.style = { 0.9, 1, 2, 0.01, 16, 4, 0 },
	};
	struct backend *b = backend_new(argc > 6 ? argv[6] : "cpu", threads);

	c = network(atoi(argv[1]), atoi(argv[2]));
	par_set_threads(threads);
	threads = par_threads();             /* 0: all */
	if (!b && fail("%s", backend_why())) die();
	struct tape_peak limits = { 0, 0 }, *known = argc > 9 ? &limits : NULL;
	if (known) limits = (struct tape_peak){ 1e12 * atof(argv[8]), 1e9 * atof(argv[9]) };
	if (known && !strcmp(argv[7], "floors")) {
		print_floors(&c, &r, b, known);
		backend_free(b);
		return 0;
	}
	if (gan_new(&g, &c, 1) || phase_open(&p, &g, &r, b)) die();
	fill_inputs(&p.in, &c, batch);
	if (c.backbone == STYLEGAN2) fill_styles(&p);
	double wall, cpu;
	time_steps(&p, steps, &wall, &cpu);
	double peak = (double)mem_peak_bytes() / 1048576, sgemm = peak_sgemm(threads);
	double work = 2e-9 * phase_work(&p);
	double rate = work / (threads == 1 ? cpu : wall);
	printf("%s\t%s\t%d\t%d\t%.4f\t%.4f\t%.0f\t%.0f\t%.2f\t%.0f\n", argv[1], argv[2], batch,
		threads, wall, cpu, peak, rate, rate / sgemm, sgemm);
	if (argc > 7) {
		time_each(&p);
		print_steps(&p, known);
	}
	phase_close(&p);
	gan_free(&g);
	backend_free(b);
	return 0;
}
