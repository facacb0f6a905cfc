/* train: a training step of IC-GAN's BigGAN backbone, instance-conditioned, on random pictures: a
 * step of the discriminator, one of the generator, Adam and the average.
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
#include <string.h>

static void fill(real *p, size_t n, uint64_t stream)
{
	struct rng r = rng_at(1, stream);

	for (size_t i = 0; i < n; i++) p[i] = (real)rng_normal(&r);
}

static void fill_inputs(struct phase_input *in, const struct biggan *c, int batch)
{
	size_t n = (size_t)batch, pixels = n * 3 * (size_t)c->resolution * (size_t)c->resolution;
	size_t width = (size_t)c->features;

	fill(in->z, n * (size_t)biggan_dim_z(c), 1);
	fill(in->x, pixels, 2);
	for (size_t i = 0; i < pixels; i++) in->x[i] = (real)tanh((double)in->x[i]);
	fill(in->f, n * width, 3);
	for (size_t i = 0; i < n * width; i++) in->f[i] /= (real)sqrt((double)width);
	for (size_t i = 0; i < n * width; i++) in->xf[i] = in->f[i];
}

static double clock_of(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Least seconds of steps after the first, and after the second, which a device records. */
static void time_steps(struct phases *p, int steps, double *wall, double *cpu)
{
	*wall = *cpu = INFINITY;
	for (int i = p->b->take ? -2 : -1; i < steps; i++) {
		double w = clock_of(CLOCK_MONOTONIC), u = clock_of(CLOCK_PROCESS_CPUTIME_ID);

		if (phase_d_step(p) || phase_g_step(p)) die();
		backend_wait(p->b);
		if (i < 0) continue;
		*wall = fmin(*wall, clock_of(CLOCK_MONOTONIC) - w);
		*cpu = fmin(*cpu, clock_of(CLOCK_PROCESS_CPUTIME_ID) - u);
	}
	if (phase_tell(p)) die();
}

static void print_steps(struct phases *p, const struct tape_peak *peak)
{
	tape_profile_print(p->d.t, peak, stdout);
	tape_profile_print(p->g.t, peak, stdout);
}

static void time_each(struct phases *p)
{
	double wall, cpu;

	tape_profile(p->d.t, true);
	tape_profile(p->g.t, true);
	time_steps(p, 1, &wall, &cpu);
}

/* Planned, and not run. */
static void print_floors(const struct biggan *c, const struct recipe *r, struct backend *b,
	const struct tape_peak *peak)
{
	struct gan g;
	struct phases p;

	if (gan_shape(&g, c) || phase_plan(&p, &g, r, b)) die();
	print_steps(&p, peak);
	phase_close(&p);
	gan_free(&g);
}

int main(int argc, char **argv)
{
	struct biggan c = biggan_default();
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
	};
	struct backend *b = backend_new(argc > 6 ? argv[6] : "cpu", threads);

	c.resolution = atoi(argv[1]);
	c.g_ch = c.d_ch = atoi(argv[2]);
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
	double wall, cpu;
	time_steps(&p, steps, &wall, &cpu);
	double peak = (double)mem_peak_bytes() / 1048576, sgemm = peak_sgemm(threads);
	double work = 2e-9 * (double)(tape_multiply_adds(p.d.t) + tape_multiply_adds(p.g.t));
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
