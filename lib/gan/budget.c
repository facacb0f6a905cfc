/* budget: memory and time of a training run before it begins. */
#include "lib/gan/budget.h"
#include "lib/base/say.h"
#include "lib/gan/sample.h"
#include "lib/gan/train.h"

enum { BATCH_MAX = 65536 };
#define PROBE_WORK 2e10                      /* multiply-adds of a probe at most: a moment */

static int64_t trained(const struct params *ps)
{
	int64_t n = 0;

	for (int i = 0; i < ps->n; i++)
		if (ps->p[i].trained) n += (int64_t)shape_count(ps->p[i].s);
	return n;
}

static size_t largest_tensor(const struct params *ps)
{
	size_t most = 0;

	for (int i = 0; i < ps->n; i++)
		if (shape_count(ps->p[i].s) > most) most = shape_count(ps->p[i].s);
	return most * sizeof(real);
}

static void count(struct budget *m, const struct gan *g, struct phases *p)
{
	size_t both = (g->gp.total + g->dp.total) * sizeof(real);
	size_t g_tensor = largest_tensor(&g->gp), d_tensor = largest_tensor(&g->dp);
	struct phase_bytes n = phase_bytes(p);

	*m = (struct budget){
		.generator = trained(&g->gp),
		.discriminator = trained(&g->dp),
		.weights = both + g->gp.total * sizeof(real),
		.optimiser = both * (p->r.accumulate > 1 ? 3 : 2),
		.activations = n.activations,
		.workspace = n.workspace,
		.other = n.inputs + (g_tensor > d_tensor ? g_tensor : d_tensor),
		.work = p->r.d_steps * tape_multiply_adds(p->d.t) + tape_multiply_adds(p->g.t),
	};
}

int budget_make(struct budget *m, const struct biggan *c, const struct recipe *r, int pictures,
		struct backend *b)
{
	struct gan g;
	struct phases p = { 0 };
	size_t shown = 0;
	int bad = gan_shape(&g, c) || phase_plan(&p, &g, r, b) ||
		  (pictures && sampler_bytes(&shown, &g, pictures, b));

	if (!bad) {
		count(m, &g, &p);
		m->other += shown;
	}
	phase_close(&p);
	gan_free(&g);
	return bad ? -1 : 0;
}

size_t budget_total(const struct budget *m)
{
	return m->weights + m->optimiser + m->activations + m->workspace + m->other;
}

static bool fits(const struct biggan *c, const struct recipe *r, int batch, int pictures,
		 size_t memory, struct backend *b)
{
	struct recipe one = *r;
	struct budget m = { 0 };

	one.batch = batch;
	return !budget_make(&m, c, &one, pictures, b) && budget_total(&m) <= memory;
}

/* Doubles while it fits, then halves the distance. */
int budget_batch(const struct biggan *c, const struct recipe *r, int pictures, size_t memory,
		 struct backend *b)
{
	int good = 1, bad = 2;

	while (bad <= BATCH_MAX && fits(c, r, bad, pictures, memory, b)) good = bad, bad *= 2;
	if (good == 1) return 0;
	while (bad - good > 1) {
		int middle = good + (bad - good) / 2;
		if (middle <= BATCH_MAX && fits(c, r, middle, pictures, memory, b)) good = middle;
		else bad = middle;
	}
	return good;
}

/* One size smaller: fewer images while there are many, then narrower; false when there is none. */
static bool shrink(struct biggan *c, struct recipe *r)
{
	bool wide = c->g_ch >= 32 && c->d_ch >= 32, narrow = c->g_ch < 16 || c->d_ch < 16;

	if (r->batch > 8 || (!wide && r->batch > 3)) r->batch /= 2;
	else if (!narrow) c->g_ch /= 2, c->d_ch /= 2;
	else return false;
	return true;
}

/* A step of one batch to a move, after one that warms up. */
static int time_step(double *seconds, const struct biggan *c, const struct recipe *r,
		     struct data *d, struct backend *b)
{
	struct gan g;
	struct phases p = { 0 };
	int bad = gan_new(&g, c, 0) || phase_open(&p, &g, r, b);

	for (int round = 0; round < 2 && !bad; round++) {
		double begin = say_seconds();
		for (int k = 0; k < r->d_steps && !bad; k++) bad = train_d_batch(&p, d, k, k);
		bad = bad || train_g_batch(&p, d, r->d_steps);
		*seconds = say_seconds() - begin;
	}
	phase_close(&p);
	gan_free(&g);
	return bad ? -1 : 0;
}

int budget_probe(double *seconds, const struct biggan *c, const struct recipe *r, struct data *d,
		 struct backend *b)
{
	struct biggan small = *c;
	struct recipe few = *r;
	struct budget whole = { 0 }, part = { 0 };

	few.accumulate = 1;
	if (budget_make(&whole, c, r, 0, b)) return -1;
	do {
		if (budget_make(&part, &small, &few, 0, b)) return -1;
	} while ((double)part.work > PROBE_WORK && shrink(&small, &few));
	if (time_step(seconds, &small, &few, d, b)) return -1;
	*seconds *= (double)whole.work / (double)part.work / r->batch;
	return 0;
}
