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
		.other = n.batches + (g_tensor > d_tensor ? g_tensor : d_tensor),
		.work = (int64_t)phase_work(p),
	};
}

int budget_make(struct budget *m, const struct model *c, const struct recipe *r, int pictures,
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

static bool fits(const struct model *c, const struct recipe *r, int batch, int pictures,
		 size_t memory, struct backend *b)
{
	struct recipe one = *r;
	struct budget m = { 0 };

	one.batch = batch;
	return !budget_make(&m, c, &one, pictures, b) && budget_total(&m) <= memory;
}

/* Batches are multiples of it, or below it. */
static int unit(const struct model *c)
{
	return c->backbone == STYLEGAN2 ? c->stylegan2.group : 1;
}

/* Doubles while it fits, then halves the distance. */
int budget_batch(const struct model *c, const struct recipe *r, int pictures, size_t memory,
		 struct backend *b)
{
	int each = unit(c), least = each > 1 ? 1 : 2, most = BATCH_MAX / each;
	int good = least - 1, bad = least;

	while (bad <= most && fits(c, r, bad * each, pictures, memory, b)) good = bad, bad *= 2;
	if (good < least) {
		for (good = each - 1; good > 1 && !fits(c, r, good, pictures, memory, b);) good--;
		return good > 1 ? good : 0;
	}
	while (bad - good > 1) {
		int middle = good + (bad - good) / 2;
		if (middle <= most && fits(c, r, middle * each, pictures, memory, b)) good = middle;
		else bad = middle;
	}
	return good * each;
}

/* Channels, in units of which half as many are narrow and twice as many are wide. */
static double width(const struct model *c)
{
	const struct biggan *b = &c->biggan;

	if (c->backbone == STYLEGAN2) return (double)c->stylegan2.channel_max / 128;
	return (b->g_ch < b->d_ch ? b->g_ch : b->d_ch) / 16.0;
}

static void narrow(struct model *c)
{
	if (c->backbone == BIGGAN) c->biggan.g_ch /= 2, c->biggan.d_ch /= 2;
	else c->stylegan2.channel_base /= 2, c->stylegan2.channel_max /= 2;
}

/* One size smaller: fewer images while there are many, then narrower; false when there is none. */
static bool shrink(struct model *c, struct recipe *r)
{
	int each = unit(c), few = each > 1 ? 2 * each - 1 : 3, half = r->batch / 2 / each * each;

	if (half && (r->batch > 8 || (width(c) < 2 && r->batch > few))) r->batch = half;
	else if (width(c) >= 1) narrow(c);
	else return false;
	return true;
}

/* A step of one batch to a move, after one that warms up and has StyleGAN2's regularisers. */
static int time_step(double *seconds, const struct model *c, const struct recipe *r,
		     struct data *d, struct backend *b)
{
	struct gan g;
	struct phases p = { 0 };
	int bad = gan_new(&g, c, 0) || phase_open(&p, &g, r, b);
	double work = 0;

	for (int round = 0; round < 2 && !bad; round++) {
		work = phase_step_work(&p);
		double begin = say_seconds();
		bad = train_step(&p, d);
		*seconds = say_seconds() - begin;
	}
	if (!bad) *seconds *= phase_work(&p) / work;
	phase_close(&p);
	gan_free(&g);
	return bad ? -1 : 0;
}

int budget_probe(double *seconds, const struct model *c, const struct recipe *r, struct data *d,
		 struct backend *b)
{
	struct model small = *c;
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
