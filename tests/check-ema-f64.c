/* check-ema: the averaged generator one step before the average starts, at its start and one step
 * after, against the sums its definition gives from the generators of those steps, in double. */
#include "tests/tap.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/gan/phase.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 2, START = 3, BEFORE = START - 1, AFTER = START + 1 };
#define DECAY 0.7

static void fill(real *p, size_t n, struct rng *r)
{
	for (size_t i = 0; i < n; i++) p[i] = rng_normal(r) / 4;
}

/* Each step has inputs of its own, so that the statistics of batch norm move too. */
static void move(struct phases *p, int step)
{
	struct rng r = rng_at(7, (uint64_t)step);
	size_t features = BATCH * (size_t)p->s->c.features;

	fill(p->in.z, BATCH * (size_t)model_dim_z(&p->s->c), &r);
	fill(p->in.x, BATCH * 32 * 32 * 3, &r);
	fill(p->in.f, features, &r);
	fill(p->in.xf, features, &r);
	must(!phase_d_step(p) && !phase_g_step(p));
}

enum kind { WEIGHTS, MEANS, VARIANCES, SINGULAR, KINDS };
static const char *const kind_name[KINDS] = { "weights", "means of batch norm",
					      "variances of batch norm", "singular vectors" };

static enum kind kind_of(const struct param *p)
{
	return p->trained ? WEIGHTS :
	       strstr(p->name, "stored_mean") ? MEANS :
	       strstr(p->name, "stored_var") ? VARIANCES : SINGULAR;
}

/* Largest distance of a kind's values from the sum of share[k] g[k], and to the last of g. */
static void distance(const struct params *ps, enum kind kind, const real *ema, real *const *g,
		     const double *share, double *wrong, double *copy)
{
	*wrong = *copy = 0;
	for (int i = 0; i < ps->n; i++) {
		const struct param *p = &ps->p[i];
		if (kind_of(p) != kind) continue;
		for (size_t k = p->at; k < p->at + shape_count(p->s); k++) {
			double want = 0;
			for (int s = 1; s <= AFTER; s++) want += share[s] * g[s][k];
			*wrong = fmax(*wrong, fabs(ema[k] - want));
			*copy = fmax(*copy, fabs(ema[k] - g[AFTER][k]));
		}
	}
}

/* What the average after a step takes of the generators after steps 1 .. AFTER. */
static const double shares[AFTER + 1][AFTER + 1] = {
	[BEFORE] = { [BEFORE] = 1 },
	[START] = { [BEFORE] = DECAY, [START] = 1 - DECAY },
	[AFTER] = { [BEFORE] = DECAY * DECAY, [START] = DECAY * (1 - DECAY), [AFTER] = 1 - DECAY },
};

int main(void)
{
	struct model c = { .biggan = biggan_default() };
	struct adam a = { 1e-2, 0, 0.999, 1e-6 };
	struct recipe r = { .batch = BATCH, .accumulate = 1, .d_steps = 1, .g = a, .d = a,
			    .ema_decay = DECAY, .ema_start = START };
	struct backend *b = backend_new("ref", 1);
	struct gan s;
	struct phases p;
	real *g[AFTER + 1], *ema[AFTER + 1];

	c.resolution = 32, c.biggan.g_ch = c.biggan.d_ch = 1, c.features = 8;
	must(!gan_new(&s, &c, 1) && !phase_open(&p, &s, &r, b));
	for (int step = 1; step <= AFTER; step++) {
		must((g[step] = param_buffer(&s.gp)) && (ema[step] = param_buffer(&s.gp)));
		move(&p, step);
		memcpy(g[step], s.g, s.gp.total * sizeof *s.g);
		memcpy(ema[step], s.ema, s.gp.total * sizeof *s.ema);
	}
	for (int step = 1; step < START; step++)
		ok(!memcmp(ema[step], g[step], s.gp.total * sizeof *s.g),
		   "after step %d of a start at %d a copy, buffers included", step, START);
	for (int step = BEFORE; step <= AFTER; step++)
		for (enum kind k = 0; k < KINDS; k++) {
			double wrong, copy;
			distance(&s.gp, k, ema[step], g, shares[step], &wrong, &copy);
			ok(wrong < 1e-14 && copy > 1e-4,
			   "step %d, %s: %.2g from the definition, %.2g from a copy of the last",
			   step, kind_name[k], wrong, copy);
		}
	for (int step = 1; step <= AFTER; step++) free(g[step]), free(ema[step]);
	phase_close(&p);
	gan_free(&s);
	backend_free(b);
	return done_testing();
}
