/* phase: the programs of a training step. */
#include "lib/gan/phase.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static val labels(struct tape *t, const struct phases *p, const real *at)
{
	return p->s->c.class_cond ? input(t, shape4(p->r.batch, 1, 1, 1), at) : -1;
}

static val features(struct tape *t, const struct phases *p, const real *at)
{
	const struct biggan *c = &p->s->c;
	return c->instance_cond ? input(t, shape4(p->r.batch, 1, 1, c->features), at) : -1;
}

static val noise(struct tape *t, const struct phases *p)
{
	return input(t, shape4(p->r.batch, 1, 1, biggan_dim_z(&p->s->c)), p->in.z);
}

static val both(struct tape *t, val fake, val real_)
{
	return fake < 0 ? -1 : concat(t, fake, real_, 0);
}

/* Gradients of the loss with respect to the trained parameters that the tape reads. */
static void keep_grads(struct phase *p, const struct scope *s)
{
	int n = s->ps->n, m = 0;
	val *x = mem_new((size_t)n, sizeof *x), *g = mem_new((size_t)n, sizeof *g);

	p->grad = mem_new((size_t)n, sizeof *p->grad);
	for (int i = 0; i < n; i++)
		if (s->ps->p[i].trained && s->leaf[i] >= 0) x[m++] = s->leaf[i];
	grads(p->t, p->loss, -1, x, g, m);
	m = 0;
	for (int i = 0; i < n; i++) {
		p->grad[i] = s->ps->p[i].trained && s->leaf[i] >= 0 ? g[m++] : -1;
		if (p->grad[i] >= 0) keep(p->t, p->grad[i]);
	}
	free(x);
	free(g);
}

static val mean(struct tape *t, val x)
{
	return scale(t, sum(t, x), 1.0 / (double)shape_count(tape_shape(t, x)), 0);
}

/* mean relu(1 - real) + mean relu(1 + fake), D called once on [fake; real], both augmented. */
static int build_d(struct phases *p, struct backend *b)
{
	struct phase *d = &p->d;
	struct tape *t = d->t = tape_new();
	const struct biggan *c = &p->s->c;
	int n = p->r.batch, R = c->resolution;

	d->g = scope_open(t, &p->s->gp, p->at.g, true);
	d->d = scope_open(t, &p->s->dp, p->at.d, true);
	val y = labels(t, p, p->in.y), f = features(t, p, p->in.f);
	val x = input(t, shape4(n, R, R, 3), p->in.x);
	val xy = labels(t, p, p->in.xy), xf = features(t, p, p->in.xf);
	d->fake = detach(t, biggan_g(&d->g, c, noise(t, p), y, f));
	x = diffaug_build(&d->aug, t, concat(t, d->fake, x, 0));
	d->score = biggan_d(&d->d, c, x, both(t, y, xy), both(t, f, xf));
	val fake = lrelu(t, scale(t, slice(t, d->score, 0, 0, n), 1, 1), 0);
	val real_ = lrelu(t, scale(t, slice(t, d->score, 0, n, n), -1, 1), 0);
	d->loss = add(t, mean(t, real_), mean(t, fake));
	keep(t, d->score);
	keep(t, d->loss);
	keep_grads(d, &d->d);
	if (p->r.recompute) tape_recompute(t);
	return tape_measure(t, b, true);
}

/* -mean D(G(z)); D's weights are constants, its u0 advance. */
static int build_g(struct phases *p, struct backend *b)
{
	struct phase *g = &p->g;
	struct tape *t = g->t = tape_new();
	const struct biggan *c = &p->s->c;

	g->g = scope_open(t, &p->s->gp, p->at.g, true);
	g->d = scope_open(t, &p->s->dp, p->at.d, true);
	val y = labels(t, p, p->in.y), f = features(t, p, p->in.f);
	g->fake = biggan_g(&g->g, c, noise(t, p), y, f);
	g->score = biggan_d(&g->d, c, diffaug_build(&g->aug, t, g->fake), y, f);
	g->loss = scale(t, mean(t, g->score), -1, 0);
	keep(t, g->fake);
	keep(t, g->loss);
	keep_grads(g, &g->g);
	if (p->r.recompute) tape_recompute(t);
	return tape_measure(t, b, true);
}

/* What the programs read and leave behind, and how many numbers of each a picture takes. */
struct room { real **at; size_t each; };
enum { ROOMS = 7 };

static void list_rooms(struct phases *p, struct room room[ROOMS])
{
	const struct biggan *c = &p->s->c;
	size_t label = c->class_cond, feature = c->instance_cond ? (size_t)c->features : 0;
	const struct room all[ROOMS] = {
		{ &p->in.z, (size_t)biggan_dim_z(c) },
		{ &p->in.x, 3 * (size_t)c->resolution * (size_t)c->resolution },
		{ &p->in.y, label },   { &p->in.xy, label },
		{ &p->in.f, feature }, { &p->in.xf, feature },
		{ &p->scores, 2 },
	};
	memcpy(room, all, sizeof all);
}

static real *sums(struct phases *p, const struct params *ps)
{
	real *sum = backend_take(p->b, ps->total * sizeof *sum);

	if (!sum) fail("no memory for sums of gradients");
	return sum;
}

/* Of the last batches, where the ops compute: [2 batch] scores, the losses of D and G. */
static size_t told_count(const struct phases *p)
{
	return 2 * (size_t)p->r.batch + 2;
}

/* Inputs, draws of the augmentation, sums of gradients and what the steps tell. */
static int reserve(struct phases *p)
{
	struct room room[ROOMS];

	list_rooms(p, room);
	for (int i = 0; i < ROOMS; i++) {
		size_t n = (size_t)p->r.batch * room[i].each;
		if (n && !(*room[i].at = mem_big(n, sizeof(real), "a batch"))) return -1;
	}
	if (p->r.accumulate > 1 && (!(p->d.sum = sums(p, &p->s->dp)) ||
				    !(p->g.sum = sums(p, &p->s->gp))))
		return -1;
	if (!(p->told = backend_take(p->b, told_count(p) * sizeof(real))))
		return fail("no memory for scores");
	backend_put(p->b, p->told + told_count(p) - 2, (real[2]){ 0 }, 2 * sizeof(real));
	return diffaug_reserve(&p->d.aug) || diffaug_reserve(&p->g.aug) ? -1 : 0;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t arena_bytes(const struct phases *p)
{
	return larger(tape_arena_bytes(p->d.t), tape_arena_bytes(p->g.t));
}

/* Neither phase needs the other's values: one arena serves both. */
static int allot(struct phases *p)
{
	if (!(p->arena = backend_take(p->b, arena_bytes(p))))
		return fail("no memory for %.1f MiB of values in a training step",
			    (double)arena_bytes(p) / 1048576);
	return tape_place(p->d.t, p->arena) || tape_place(p->g.t, p->arena) ? -1 : 0;
}

/* The parts of the state, here and where the ops compute. */
struct held { real *here, **there; size_t n; };
enum { HELD = 7 };

static void list_state(struct phases *p, struct held held[HELD])
{
	struct gan *s = p->s;
	struct phase_state *a = &p->at;
	size_t g = s->gp.total, d = s->dp.total;
	const struct held all[HELD] = {
		{ s->g, &a->g, g },   { s->ema, &a->ema, g }, { s->gm, &a->gm, g },
		{ s->gv, &a->gv, g }, { s->d, &a->d, d },     { s->dm, &a->dm, d },
		{ s->dv, &a->dv, d },
	};
	memcpy(held, all, sizeof all);
}

static void put_state(struct phases *p)
{
	struct held held[HELD];

	list_state(p, held);
	for (int i = 0; i < HELD && p->b->take; i++)
		backend_put(p->b, *held[i].there, held[i].here, held[i].n * sizeof(real));
}

int phase_fetch(struct phases *p)
{
	struct held held[HELD];

	list_state(p, held);
	for (int i = 0; i < HELD && p->b->take; i++)
		backend_get(p->b, held[i].here, *held[i].there, held[i].n * sizeof(real));
	return backend_fault(p->b) ? fail("%s: %s", p->b->name, backend_fault(p->b)) : 0;
}

/* The state where the ops compute; one only to be measured stays where it is. */
static int settle(struct phases *p, bool memory)
{
	struct held held[HELD];
	bool device = p->b->take && memory;

	list_state(p, held);
	for (int i = 0; i < HELD; i++) {
		*held[i].there =
			device ? backend_take(p->b, held[i].n * sizeof(real)) : held[i].here;
		if (device && !*held[i].there) return fail("no memory for weights on the device");
	}
	if (device) put_state(p);
	return 0;
}

static void unsettle(struct phases *p)
{
	struct held held[HELD];

	list_state(p, held);
	for (int i = 0; i < HELD; i++)
		if (*held[i].there != held[i].here) backend_give(p->b, *held[i].there);
}

static int open_phases(struct phases *p, struct gan *s, const struct recipe *r,
		       struct backend *b, bool memory)
{
	int R = s->c.resolution;

	*p = (struct phases){ .s = s, .r = *r, .b = b };
	p->grads = mem_new((size_t)(s->gp.n + s->dp.n), sizeof *p->grads);
	if (settle(p, memory) || diffaug_open(&p->d.aug, &r->aug, 2 * r->batch, R) ||
	    diffaug_open(&p->g.aug, &r->aug, r->batch, R) || (memory && reserve(p)) ||
	    build_d(p, b) || build_g(p, b) || (memory && allot(p))) {
		phase_close(p);
		return -1;
	}
	return 0;
}

int phase_open(struct phases *p, struct gan *s, const struct recipe *r, struct backend *b)
{
	return open_phases(p, s, r, b, true);
}

int phase_plan(struct phases *p, struct gan *s, const struct recipe *r, struct backend *b)
{
	return open_phases(p, s, r, b, false);
}

struct phase_bytes phase_bytes(struct phases *p)
{
	struct phase_bytes n = {
		.activations = arena_bytes(p),
		.workspace = larger(tape_scratch_bytes(p->d.t), tape_scratch_bytes(p->g.t)),
		.inputs = diffaug_bytes(&p->d.aug) + diffaug_bytes(&p->g.aug),
	};
	struct room room[ROOMS];

	list_rooms(p, room);
	for (int i = 0; i < ROOMS; i++)
		n.inputs += (size_t)p->r.batch * room[i].each * sizeof(real);
	return n;
}

void phase_close(struct phases *p)
{
	struct phase *each[] = { &p->d, &p->g };

	for (int i = 0; i < 2; i++) {
		tape_free(each[i]->t);
		scope_close(&each[i]->g);
		scope_close(&each[i]->d);
		diffaug_close(&each[i]->aug);
		free(each[i]->grad);
		if (p->b) backend_give(p->b, each[i]->sum);
	}
	struct room room[ROOMS];
	if (p->s) list_rooms(p, room);
	for (int i = 0; p->s && i < ROOMS; i++) free(*room[i].at);
	free(p->grads);
	if (p->b) {
		backend_give(p->b, p->told);
		backend_give(p->b, p->arena);
		unsettle(p);
	}
	*p = (struct phases){ 0 };
}

void phase_restart(struct phases *p)
{
	p->d_moves = p->d.batches = p->g.batches = 0;
	p->lost = false;
	put_state(p);
}

/* After a loss that is not finite: again, to name the first such value. */
static int lose(struct phases *p, struct phase *f, const char *name)
{
	p->lost = true;
	tape_run_checked(f->t);
	val bad = tape_first_bad(f->t);
	return fail("the %s's loss is not finite; the first such value is %s", name,
		    bad < 0 ? "in its input" : tape_name(f->t, bad));
}

/* Scores and losses, D's alone while G has yet to run. */
static void read_told(struct phases *p)
{
	int n = p->r.batch;
	real loss[2];

	backend_get(p->b, p->scores, p->told, 2 * (size_t)n * sizeof(real));
	backend_get(p->b, loss, p->told + 2 * n, sizeof loss);
	p->d_real = p->d_fake = 0;
	for (int i = 0; i < n; i++) {
		p->d_fake += fmax(0, 1 + (double)p->scores[i]) / n;
		p->d_real += fmax(0, 1 - (double)p->scores[n + i]) / n;
	}
	p->d_loss = (double)loss[0];
	p->g_loss = (double)loss[1];
}

int phase_tell(struct phases *p)
{
	read_told(p);
	if (!isfinite(p->d_loss)) return lose(p, &p->d, "discriminator");
	return isfinite(p->g_loss) ? 0 : lose(p, &p->g, "generator");
}

/* Where the ops compute at once, each loss is looked at before it has a consequence; a device is
 * left to go on until it is asked. */
static int look(struct phases *p, struct phase *f, const char *name, const double *loss)
{
	if (p->b->take) return 0;
	read_told(p);
	return isfinite(*loss) ? 0 : lose(p, f, name);
}

/* Takes the gradients of a batch into p->grads, through the sum when several batches make a move;
 * false while more are to come. */
static bool gather(struct phases *p, struct phase *f, const struct params *ps)
{
	struct piece *add = mem_new((size_t)ps->n, sizeof *add);
	int n = 0;

	for (int i = 0; i < ps->n; i++) {
		p->grads[i] = f->grad[i] < 0 ? NULL : tape_value(f->t, f->grad[i]);
		if (!f->sum || !p->grads[i]) continue;
		real *sum = f->sum + ps->p[i].at;
		add[n++] = (struct piece){ sum, p->grads[i], shape_count(ps->p[i].s) };
		p->grads[i] = sum;
	}
	adam_mix(p->b, n, add, f->batches > 0, 1 / (real)p->r.accumulate);
	free(add);
	f->batches = (f->batches + 1) % p->r.accumulate;
	return !f->batches;
}

int phase_d_step(struct phases *p)
{
	struct gan *s = p->s;
	int n = p->r.batch;

	if (tape_run(p->d.t)) return -1;
	tape_copy(p->d.t, p->d.score, p->told);
	tape_copy(p->d.t, p->d.loss, p->told + 2 * n);
	if (look(p, &p->d, "discriminator", &p->d_loss)) return -1;
	scope_apply(&p->d.g);
	scope_apply(&p->d.d);
	if (!gather(p, &p->d, &s->dp)) return 0;
	adam_step(p->b, &s->dp, &p->r.d, s->step * p->r.d_steps + ++p->d_moves, p->grads, p->at.d,
		  p->at.dm, p->at.dv);
	return 0;
}

int phase_g_step(struct phases *p)
{
	struct gan *s = p->s;

	if (tape_run(p->g.t)) return -1;
	tape_copy(p->g.t, p->g.loss, p->told + 2 * p->r.batch + 1);
	if (look(p, &p->g, "generator", &p->g_loss)) return -1;
	scope_apply(&p->g.g);
	scope_apply(&p->g.d);
	if (!gather(p, &p->g, &s->gp)) return 0;
	adam_step(p->b, &s->gp, &p->r.g, ++s->step, p->grads, p->at.g, p->at.gm, p->at.gv);
	p->d_moves = 0;
	adam_average(p->b, &s->gp, s->step < p->r.ema_start ? 0 : p->r.ema_decay, p->at.g,
		     p->at.ema);
	return 0;
}

const real *phase_scores(const struct phases *p)
{
	return p->scores;
}
