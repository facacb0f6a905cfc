/* train: a run from its present state to its end. */
#include "lib/gan/train.h"
#include "formats/part.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static int draw_fakes(struct phases *p, struct data *d, int64_t number, struct diffaug *a)
{
	struct phase_input *in = &p->in;

	data_augment(d, number, a);
	return data_fake(d, number, p->r.batch, model_dim_z(&p->s->c), in->z, in->y, in->f);
}

/* As draw_fakes, with what is StyleGAN2's. */
static int draw_styled(struct phases *p, struct data *d, int64_t number, struct diffaug *a)
{
	data_style(d, number, p, a == &p->path.aug);
	return draw_fakes(p, d, number, a);
}

static int draw_real(struct phases *p, struct data *d, int64_t number)
{
	return data_real(d, number, p->r.batch, p->in.x, p->in.xy, p->in.xf);
}

static int d_batch(struct phases *p, struct data *d, int64_t fake, int64_t real_)
{
	return draw_fakes(p, d, fake, &p->d.aug) ||
	       draw_real(p, d, real_) || phase_d_step(p);
}

static int g_batch(struct phases *p, struct data *d, int64_t fake)
{
	return draw_fakes(p, d, fake, &p->g.aug) || phase_g_step(p);
}

/* The order of the reference code: the generator, its path length, the discriminator, R1 on the
 * same real images.  Each batch of fakes has numbers of its own. */
static int stylegan2_step(struct phases *p, struct data *d)
{
	int n = p->r.accumulate;
	int64_t real_ = p->s->step * n, fake = p->s->step * 4 * n;

	for (int k = 0; k < n; k++)
		if (draw_styled(p, d, fake++, &p->g.aug) || phase_g_step(p)) return -1;
	for (int k = 0; k < n && phase_due(p, &p->path); k++)
		if (draw_styled(p, d, fake + k, &p->path.aug) || phase_path_step(p)) return -1;
	fake += n;
	for (int k = 0; k < n; k++)
		if (draw_styled(p, d, fake++, &p->d.aug) || draw_real(p, d, real_ + k) ||
		    phase_d_step(p))
			return -1;
	for (int k = 0; k < n && phase_due(p, &p->r1); k++) {
		data_augment(d, fake + k, &p->r1.aug);
		if (draw_real(p, d, real_ + k) || phase_r1_step(p)) return -1;
	}
	phase_end(p);
	return 0;
}

/* d_steps moves of the discriminator, one of the generator; each batch has numbers of its own. */
static int biggan_step(struct phases *p, struct data *d)
{
	int n = p->r.accumulate, m = p->r.d_steps;
	int64_t real_ = p->s->step * m * n, fake = p->s->step * (m + 1) * n;

	for (int k = 0; k < m * n; k++)
		if (d_batch(p, d, fake++, real_++)) return -1;
	for (int k = 0; k < n; k++)
		if (g_batch(p, d, fake++)) return -1;
	return 0;
}

int train_step(struct phases *p, struct data *d)
{
	return p->s->c.backbone == BIGGAN ? biggan_step(p, d) : stylegan2_step(p, d);
}

/* After each return to an earlier state the draws are those of another seed, so that the run does
 * not meet the same fate again; the step between seeds is that of SplitMix64. */
static void reseed(struct train *r)
{
	const struct gan *g = r->p->s;

	data_seed(r->d, g->seed + (uint64_t)g->setback.count * 0x9e3779b97f4a7c15);
}

/* Where the same command goes on: here, or at the state before when this one is of no use. */
static int leave(struct train *r)
{
	progress_end();
	if (phase_fetch(r->p)) return -1;
	if (sentinel_finite(r->p->s) &&
	    (trail_sync(&r->w->trail) || gan_save(r->p->s, r->ring.part)))
		return -1;
	stop_keeps();
	return stop_check();
}

/* A look, and the state after it as the one to go on from; one that is stopped is taken when the
 * run goes on. */
static int look(struct train *r)
{
	struct gan *g = r->p->s;
	bool better;

	if (phase_fetch(r->p)) return -1;
	int bad = watch_look(r->w, &better);
	g->due = bad > 0 && watch_due(r->w);
	if (bad) return bad > 0 ? leave(r) : -1;
	if (r->w->scorer.t && phase_fetch(r->p)) return -1;
	return ring_save(&r->ring, g, better);
}

static void tell(struct train *r, int64_t step, const char *what)
{
	char *line = mem_text("step %" PRId64 ": %s", step, what);

	r->tell(line);
	free(line);
}

/* To the newest state before the collapse, with other draws from there on. */
static int go_back(struct train *r, int64_t step, enum collapse how, const char *what)
{
	struct gan *g = r->p->s;

	if (g->setback.count >= TRAIN_RETURNS)
		return fail("step %" PRId64 ": %s; given up after %d returns to earlier states",
			    step, what, TRAIN_RETURNS);
	if (ring_return(&r->ring, g, step, (int)how)) return -1;
	tell(r, step, what);
	tell(r, g->step, "gone back to here, with other draws");
	phase_restart(r->p);
	reseed(r);
	return watch_rewind(r->w);
}

/* What is to be done about a collapse; with weights or losses that are not finite there is no
 * going on. */
static int collapsed(struct train *r, int64_t step, enum collapse how, const char *what)
{
	if (r->on_collapse == TRAIN_ROLLBACK) return go_back(r, step, how, what);
	if (watch_collapse(r->w, step, how)) return -1;
	if (r->on_collapse == TRAIN_STOP || how == COLLAPSE_NOT_FINITE)
		return fail("step %" PRId64 ": %s", step, what);
	if (how != r->ill) tell(r, step, what);
	r->ill = how;
	return 0;
}

/* A loss of this step that is not finite. */
static int lost(struct train *r, int64_t step)
{
	if (!r->p->lost) return -1;
	char *what = mem_text("%s", why());
	int bad = collapsed(r, step, COLLAPSE_NOT_FINITE, what);

	free(what);
	return bad;
}

/* What is due after a step: its log line, a judgement of its health, a look. */
static int attend(struct train *r)
{
	int64_t now = r->p->s->step;
	struct vitals v;
	char what[160];

	if (now % WATCH_LOG_STEPS && !watch_due(r->w) && now != r->steps) return 0;
	if (phase_tell(r->p)) return lost(r, now);
	if (sentinel_read(&r->sentinel, &v)) return -1;
	enum collapse how = sentinel_judge(&v);
	if (watch_step(r->w, r->p, &v)) return -1;
	sentinel_say(&v, how, what);
	if (how == COLLAPSE_NONE) r->ill = how;
	else if (collapsed(r, now, how, what)) return -1;
	return r->p->s->step == now && watch_due(r->w) ? look(r) : 0;
}

/* One step, or back to before it. */
static int advance(struct train *r)
{
	return train_step(r->p, r->d) ? lost(r, r->p->s->step + 1) : attend(r);
}

/* The output: the state of the last look, or of one more. */
static int finish(struct train *r)
{
	const char *name = r->ring.name;

	progress_end();
	if (watch_enough(r->w)) tell(r, r->p->s->step, "the score has not become better for long");
	if (!watch_due(r->w)) {
		if (phase_fetch(r->p)) return -1;
		if (!sentinel_finite(r->p->s))
			return fail("step %" PRId64 ": a weight is not finite, or a penalty",
				    r->p->s->step);
		if (look(r)) return -1;
	}
	return rename(r->ring.part, name) ? fail("%s: rename:", name) : part_sync_folder(name);
}

static void show_progress(const struct train *r, int64_t first, double spent)
{
	const struct phases *p = r->p;
	int64_t now = p->s->step, each = r->w->plan.trail.a_step;
	double rate = spent > 0 ? (double)((now - first) * each) / spent : 0;
	char score[32] = "", left[48] = "";

	if (!isnan(r->w->last_score)) snprintf(score, sizeof score, "  fd %.4g", r->w->last_score);
	if (r->minutes > 0)
		snprintf(left, sizeof left, "  %.1f of %g min", spent / 60, r->minutes);
	progress("training", now * each, r->steps > 0 ? r->steps * each : -1,
		 "step %" PRId64 "  D %.3f + %.3f  G %.3f%s  %.0f images/s%s", now, p->d_real,
		 p->d_fake, p->g.told, score, rate, left);
}

static int run(struct train *r)
{
	struct gan *g = r->p->s;
	int64_t first = g->step;
	double begin = say_seconds(), spent = 0;

	reseed(r);
	if (watch_fresh(r->w) ? gan_save(g, r->ring.part) || look(r) : g->due && look(r)) return -1;
	while ((r->steps < 0 || g->step < r->steps) && !watch_enough(r->w) &&
	       (r->minutes < 0 || spent < 60 * r->minutes)) {
		if (stop_asked()) return leave(r);
		if (advance(r)) return -1;
		spent = say_seconds() - begin;
		show_progress(r, first, spent);
	}
	return finish(r);
}

int train_run(struct train *r)
{
	int bad = sentinel_open(&r->sentinel, r->p) || run(r);

	sentinel_close(&r->sentinel);
	return bad ? -1 : 0;
}
