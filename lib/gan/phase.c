/* phase: the programs of a training step. */
#include "lib/gan/objective.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int phase_path_batch(const struct recipe *r)
{
	return r->batch / 2;
}

/* A regulariser without weight is none. */
static bool wanted(const struct phases *p, const struct phase *f)
{
	return (f != &p->r1 || p->r.style.r1 > 0) && (f != &p->path || p->r.style.path > 0);
}

static int build(struct phases *p)
{
	static objective *const of[][PHASES] = {
		[BIGGAN] = { biggan_d_objective, biggan_g_objective },
		[STYLEGAN2] = { stylegan2_d_objective, stylegan2_g_objective,
				stylegan2_r1_objective, stylegan2_path_objective },
	};

	for (int i = 0; i < PHASES; i++) {
		struct phase *f = &p->each[i];
		objective *write = of[p->s->c.backbone][i];
		if (!write || !wanted(p, f)) continue;
		write(p, f);
		if (p->r.recompute) tape_recompute(f->t);
		if (tape_measure(f->t, p->b, true)) return -1;
	}
	return 0;
}

/* What the programs read and leave behind, and how many numbers. */
struct room { real **at; size_t n; };
enum { ROOMS = 10 + STYLEGAN2_PLANES };

/* Numbers of a batch of pictures. */
static size_t picture_count(const struct phases *p)
{
	size_t side = (size_t)p->s->c.resolution;

	return (size_t)p->r.batch * side * side * 3;
}

static void list_style_rooms(struct phases *p, struct room *room)
{
	const struct stylegan2 *c = &p->s->c.stylegan2;
	size_t n = (size_t)p->r.batch, pixels = (size_t)c->resolution * (size_t)c->resolution;
	int styles = stylegan2_styles(c);

	*room++ = (struct room){ &p->in.z2, n * (size_t)c->dim_z };
	*room++ = (struct room){ &p->in.mix, (size_t)styles };
	*room++ = (struct room){ &p->in.probe, (size_t)phase_path_batch(&p->r) * pixels * 3 };
	for (int k = 0; k < styles - 1; k++)
		*room++ = (struct room){ &p->in.plane[k], n * stylegan2_noise_size(k) };
}

static void list_rooms(struct phases *p, struct room room[ROOMS])
{
	const struct model *c = &p->s->c;
	size_t n = (size_t)p->r.batch, label = c->class_cond ? n : 0;
	size_t feature = c->instance_cond ? n * (size_t)c->features : 0;
	const struct room all[] = {
		{ &p->in.z, n * (size_t)model_dim_z(c) },
		{ &p->in.x, picture_count(p) },
		{ &p->in.y, label },   { &p->in.xy, label },
		{ &p->in.f, feature }, { &p->in.xf, feature },
		{ &p->scores, 2 * n },
	};
	memset(room, 0, ROOMS * sizeof *room);
	memcpy(room, all, sizeof all);
	if (c->backbone == STYLEGAN2) list_style_rooms(p, room + LEN(all));
}

static real *sums(struct phases *p, const struct params *ps)
{
	real *sum = backend_take(p->b, ps->total * sizeof *sum);

	if (!sum) fail("no memory for sums of gradients");
	return sum;
}

/* Of the last batches, where the ops compute: [2 batch] scores, the losses of all phases, of which
 * the last are StyleGAN2's regularisers'. */
static size_t told_count(const struct phases *p)
{
	return 2 * (size_t)p->r.batch + PHASES;
}

static real *told_penalty(const struct phases *p)
{
	return p->told + told_count(p) - LEN(p->s->penalty);
}

/* Before the first step from a state: regularisers may be due later than the next log line. */
static void begin_told(struct phases *p)
{
	real *zero = mem_new(told_count(p), sizeof *zero);

	backend_put(p->b, p->told, zero, told_count(p) * sizeof *zero);
	backend_put(p->b, told_penalty(p), p->s->penalty, sizeof p->s->penalty);
	free(zero);
}

/* Inputs and draws of the augmentation, which the programs read where they are. */
static int reserve_inputs(struct phases *p)
{
	struct room room[ROOMS];

	list_rooms(p, room);
	for (int i = 0; i < ROOMS; i++)
		if (room[i].n && !(*room[i].at = mem_big(room[i].n, sizeof(real), "a batch")))
			return -1;
	return diffaug_reserve(&p->d.aug) || diffaug_reserve(&p->g.aug) ||
	       diffaug_reserve(&p->r1.aug) ? -1 : 0;
}

/* Sums of gradients, what the steps tell and, as phases after G's use the same arena, its pictures.
 */
static int reserve_results(struct phases *p)
{
	if (p->r.accumulate > 1 && (!(p->d.sum = p->r1.sum = sums(p, &p->s->dp)) ||
				    !(p->g.sum = p->path.sum = sums(p, &p->s->gp))))
		return -1;
	if (!(p->told = backend_take(p->b, told_count(p) * sizeof(real))))
		return fail("no memory for scores");
	if (!(p->pictures = backend_take(p->b, picture_count(p) * sizeof(real))))
		return fail("no memory for pictures");
	begin_told(p);
	return 0;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t arena_bytes(struct phases *p)
{
	size_t most = 0;

	for (int i = 0; i < PHASES; i++)
		if (p->each[i].t) most = larger(most, tape_arena_bytes(p->each[i].t));
	return most;
}

/* No phase needs another's values: one arena serves all. */
static int allot(struct phases *p)
{
	int bad = 0;

	if (!(p->arena = backend_take(p->b, arena_bytes(p))))
		return fail("no memory for %.1f MiB of values in a training step",
			    (double)arena_bytes(p) / 1048576);
	for (int i = 0; i < PHASES && !bad; i++)
		if (p->each[i].t) bad = tape_place(p->each[i].t, p->arena);
	return bad;
}

/* The parts of the state, here and where the ops compute. */
struct held { real *here, **there; size_t n; };
enum { HELD = 8 };

static void list_state(struct phases *p, struct held held[HELD])
{
	struct gan *s = p->s;
	struct phase_state *a = &p->at;
	size_t g = s->gp.total, d = s->dp.total;
	const struct held all[HELD] = {
		{ s->g, &a->g, g },   { s->ema, &a->ema, g }, { s->gm, &a->gm, g },
		{ s->gv, &a->gv, g }, { s->d, &a->d, d },     { s->dm, &a->dm, d },
		{ s->dv, &a->dv, d },   { s->path, &a->path, 1 },
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
	backend_get(p->b, p->s->penalty, told_penalty(p), sizeof p->s->penalty);
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

static int check_batch(const struct gan *s, int batch)
{
	int most = s->c.backbone == BIGGAN ? biggan_batch_max(&s->c.biggan) : batch;

	if (batch <= most) return 0;
	return fail("batches of %d pictures: expected at most %d of these networks", batch, most);
}

static int open_phases(struct phases *p, struct gan *s, const struct recipe *r,
		       struct backend *b, bool memory)
{
	int R = s->c.resolution;

	*p = (struct phases){ .s = s, .r = *r, .b = b };
	p->grads = mem_new((size_t)(s->gp.n + s->dp.n), sizeof *p->grads);
	if (check_batch(s, r->batch) || settle(p, memory) ||
	    diffaug_open(&p->d.aug, &r->aug, 2 * r->batch, R) ||
	    diffaug_open(&p->g.aug, &r->aug, r->batch, R) ||
	    diffaug_open(&p->r1.aug, &r->aug, r->batch, R) || (memory && reserve_inputs(p)) ||
	    build(p) || (memory && (reserve_results(p) || allot(p)))) {
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

static double each(const struct phase *f)
{
	return f->t ? (double)tape_multiply_adds(f->t) : 0;
}

static double plain_work(const struct phases *p)
{
	return p->r.d_steps * each(&p->d) + each(&p->g);
}

double phase_work(const struct phases *p)
{
	double work = plain_work(p);

	if (p->r1.t) work += each(&p->r1) / p->r.style.r1_every;
	if (p->path.t) work += each(&p->path) / p->r.style.path_every;
	return work;
}

double phase_step_work(const struct phases *p)
{
	double work = plain_work(p);

	if (phase_due(p, &p->r1)) work += each(&p->r1);
	if (phase_due(p, &p->path)) work += each(&p->path);
	return work;
}

struct phase_bytes phase_bytes(struct phases *p)
{
	struct phase_bytes n = { .activations = arena_bytes(p),
				 .batches = picture_count(p) * sizeof(real) };
	struct room room[ROOMS];

	for (int i = 0; i < PHASES; i++) {
		struct phase *f = &p->each[i];
		if (!f->t) continue;
		n.workspace = larger(n.workspace, tape_scratch_bytes(f->t));
		n.batches += diffaug_bytes(&f->aug);
	}
	list_rooms(p, room);
	for (int i = 0; i < ROOMS; i++) n.batches += room[i].n * sizeof(real);
	return n;
}

void phase_close(struct phases *p)
{
	for (int i = 0; i < PHASES; i++) {
		struct phase *f = &p->each[i];
		tape_free(f->t);
		scope_close(&f->g);
		scope_close(&f->d);
		diffaug_close(&f->aug);
		free(f->grad);
	}
	struct room room[ROOMS];
	if (p->s) list_rooms(p, room);
	for (int i = 0; p->s && i < ROOMS; i++)
		if (room[i].at) free(*room[i].at);
	free(p->grads);
	if (p->b) {
		backend_give(p->b, p->d.sum);
		backend_give(p->b, p->g.sum);
		backend_give(p->b, p->told);
		backend_give(p->b, p->pictures);
		backend_give(p->b, p->arena);
		unsettle(p);
	}
	*p = (struct phases){ 0 };
}

void phase_restart(struct phases *p)
{
	for (int i = 0; i < PHASES; i++) p->each[i].batches = 0;
	p->d_moves = 0;
	p->lost = false;
	put_state(p);
	begin_told(p);
}

/* After a loss that is not finite: again, to name the first such value. */
static int lose(struct phases *p, int i)
{
	static const char *const name[] = { "discriminator's loss", "generator's loss",
					    "R1 penalty", "path length" };
	struct phase *f = &p->each[i];

	p->lost = true;
	tape_run_checked(f->t);
	val bad = tape_first_bad(f->t);
	return fail("the %s is not finite; the first such value is %s", name[i],
		    bad < 0 ? "in its input" : tape_name(f->t, bad));
}

/* What a score adds to D's loss, of a fake or, turned round, of a real image. */
static double blame(const struct phases *p, double score)
{
	if (p->s->c.backbone == BIGGAN) return fmax(0, 1 + score);
	return fmax(0, score) + log1p(exp(-fabs(score)));
}

/* Scores and losses; of a phase that has yet to run begin_told's. */
static void read_told(struct phases *p)
{
	int n = p->r.batch;
	real loss[PHASES];

	backend_get(p->b, p->scores, p->told, 2 * (size_t)n * sizeof(real));
	backend_get(p->b, loss, p->told + 2 * n, sizeof loss);
	p->d_real = p->d_fake = 0;
	for (int i = 0; i < n; i++) {
		p->d_fake += blame(p, (double)p->scores[i]) / n;
		p->d_real += blame(p, -(double)p->scores[n + i]) / n;
	}
	for (int i = 0; i < PHASES; i++) p->each[i].told = (double)loss[i];
}

int phase_tell(struct phases *p)
{
	read_told(p);
	for (int i = 0; i < PHASES; i++)
		if (!isfinite(p->each[i].told)) return lose(p, i);
	return 0;
}

/* Runs a phase once and notes its loss.  Where the ops compute at once, it is looked at before it
 * has a consequence; a device is left to go on until it is asked. */
static int run(struct phases *p, struct phase *f)
{
	int i = (int)(f - p->each);

	if (tape_run(f->t)) return -1;
	if (f == &p->d) tape_copy(f->t, f->score, p->told);
	if (f == &p->g) tape_copy(f->t, f->fake, p->pictures);
	tape_copy(f->t, f->loss, p->told + 2 * p->r.batch + i);
	if (!p->b->take) {
		read_told(p);
		if (!isfinite(f->told)) return lose(p, i);
	}
	scope_apply(&f->g);
	scope_apply(&f->d);
	return 0;
}

/* Takes the gradients of a batch into p->grads, through the sum when several batches make a move;
 * false while more are to come. */
static bool gather(struct phases *p, struct phase *f, const struct params *ps)
{
	struct piece *add = mem_new((size_t)ps->n, sizeof *add);
	double share = p->s->c.backbone == BIGGAN ? 1.0 / p->r.accumulate : 1;
	int n = 0;

	for (int i = 0; i < ps->n; i++) {
		p->grads[i] = f->grad[i] < 0 ? NULL : tape_value(f->t, f->grad[i]);
		if (!f->sum || !p->grads[i]) continue;
		real *sum = f->sum + ps->p[i].at;
		add[n++] = (struct piece){ sum, p->grads[i], shape_count(ps->p[i].s) };
		p->grads[i] = sum;
	}
	adam_mix(p->b, n, add, f->batches > 0, share);
	free(add);
	f->batches = (f->batches + 1) % p->r.accumulate;
	return !f->batches;
}

static void move_d(struct phases *p, int64_t move)
{
	adam_step(p->b, &p->s->dp, &p->r.d, move, p->grads, p->at.d, p->at.dm, p->at.dv);
}

static void move_g(struct phases *p, int64_t move)
{
	adam_step(p->b, &p->s->gp, &p->r.g, move, p->grads, p->at.g, p->at.gm, p->at.gv);
}

/* Moves of StyleGAN2's network before the present step: those of its regulariser count too. */
static int64_t moves(const struct phases *p, const struct phase *regulariser, int every)
{
	return p->s->step + (regulariser->t ? (p->s->step + every - 1) / every : 0);
}

static int64_t moves_d(const struct phases *p)
{
	return moves(p, &p->r1, p->r.style.r1_every);
}

static int64_t moves_g(const struct phases *p)
{
	return moves(p, &p->path, p->r.style.path_every);
}

bool phase_due(const struct phases *p, const struct phase *f)
{
	return f->t &&
	       p->s->step % (f == &p->r1 ? p->r.style.r1_every : p->r.style.path_every) == 0;
}

int phase_d_step(struct phases *p)
{
	if (run(p, &p->d)) return -1;
	if (!gather(p, &p->d, &p->s->dp)) return 0;
	move_d(p, p->s->c.backbone == BIGGAN ? p->s->step * p->r.d_steps + ++p->d_moves
					     : moves_d(p) + 1);
	return 0;
}

int phase_g_step(struct phases *p)
{
	if (run(p, &p->g)) return -1;
	if (!gather(p, &p->g, &p->s->gp)) return 0;
	move_g(p, p->s->c.backbone == BIGGAN ? p->s->step + 1 : moves_g(p) + 1);
	if (p->s->c.backbone == BIGGAN) phase_end(p);
	return 0;
}

int phase_r1_step(struct phases *p)
{
	if (run(p, &p->r1)) return -1;
	if (gather(p, &p->r1, &p->s->dp)) move_d(p, moves_d(p) + 2);
	return 0;
}

int phase_path_step(struct phases *p)
{
	if (run(p, &p->path)) return -1;
	tape_copy(p->path.t, p->path.mean, p->at.path);
	if (gather(p, &p->path, &p->s->gp)) move_g(p, moves_g(p) + 2);
	return 0;
}

/* The average halves what it knew over a span of images: of StyleGAN2 at most a share of those
 * seen, so that it begins as G itself. */
static double decay(const struct phases *p)
{
	double images = (double)p->r.batch * p->r.accumulate;
	double ramp = p->r.style.ema_ramp, d = p->r.ema_decay;

	if (p->s->c.backbone == STYLEGAN2 && ramp > 0 && d > 0) {
		double whole = d < 1 ? images * log(0.5) / log(d) : INFINITY;
		double span = fmin(whole, (double)p->s->step * images * ramp);
		d = pow(0.5, images / fmax(span, 1e-8));
	}
	return p->s->step + 1 < p->r.ema_start ? 0 : d;
}

/* StyleGAN2's buffers are the same in both, w_avg among them. */
static void average_trained(struct phases *p, double decay)
{
	const struct params *ps = &p->s->gp;
	struct piece *mix = mem_new((size_t)ps->n, sizeof *mix);
	int n = 0;

	for (int i = 0; i < ps->n; i++) {
		size_t at = ps->p[i].at, count = shape_count(ps->p[i].s);
		if (ps->p[i].trained)
			mix[n++] = (struct piece){ p->at.ema + at, p->at.g + at, count };
		else
			backend_copy(p->b, p->at.ema + at, p->at.g + at, count * sizeof(real));
	}
	adam_mix(p->b, n, mix, decay, 1 - decay);
	free(mix);
}

void phase_end(struct phases *p)
{
	double d = decay(p);

	if (p->s->c.backbone == BIGGAN || d == 0)
		adam_average(p->b, &p->s->gp, d, p->at.g, p->at.ema);
	else average_trained(p, d);
	p->s->step++;
	p->d_moves = 0;
}

const real *phase_scores(const struct phases *p)
{
	return p->scores;
}
