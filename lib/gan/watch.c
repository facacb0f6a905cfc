/* watch: log, pictures through time and score of a training run. */
#include "lib/gan/watch.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"
#include "lib/stat/frechet.h"
#include "lib/stat/moments.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t looks(const struct watch *w, int64_t step)
{
	return step * w->plan.trail.a_step / w->plan.every;
}

bool watch_due(const struct watch *w)
{
	return !w->s->step || looks(w, w->s->step) != looks(w, w->s->step - 1);
}

bool watch_fresh(const struct watch *w)
{
	return !w->s->step && !w->s->setback.count;
}

bool watch_enough(const struct watch *w)
{
	const struct gan *s = w->s;

	return w->plan.patience && looks(w, s->step) - looks(w, s->best.step) >= w->plan.patience;
}

/* The line of a return to this step; "" when the state is of no such step. */
static void say_return(const struct watch *w, char line[200])
{
	const struct gan *s = w->s;

	*line = 0;
	if (s->setback.count && s->setback.to == s->step)
		snprintf(line, 200,
			 "{\"step\":%" PRId64 ",\"images\":%" PRId64
			 ",\"returns\":%d,\"return_from\":%" PRId64 ",\"collapse\":\"%s\"}\n",
			 s->step, s->step * w->plan.trail.a_step, s->setback.count, s->setback.from,
			 sentinel_word((enum collapse)s->setback.how));
}

int watch_rewind(struct watch *w)
{
	char line[200];

	say_return(w, line);
	return trail_rewind(&w->trail, w->s->step, 1 + looks(w, w->s->step) - w->s->due, line);
}

/* Scores compare when they are to the same features, from as many samples. */
static void begin_best(struct watch *w, uint64_t real_)
{
	struct best *b = &w->s->best;

	if (b->real == real_ && b->samples == w->plan.samples && !watch_fresh(w)) return;
	*b = (struct best){ INFINITY, w->s->step, real_, w->plan.samples };
}

/* The network that made the real features, and their moments. */
static int open_score(struct watch *w)
{
	struct features real_ = { 0 };
	struct moments m = { 0 };
	const char *path = w->plan.score;
	int bad = -1;

	if (features_open(&real_, path)) return -1;
	int d = real_.info.width;
	float *row = mem_new((size_t)d, sizeof *row);
	if (real_.info.count < 2) {
		fail("%s: %" PRId64 " rows, expected at least two", path, real_.info.count);
		goto end;
	}
	if (nets_again(&w->net, path, &real_.info, NULL)) goto end;
	if (moments_open(&m, d)) goto end;
	for (int64_t i = 0; i < real_.info.count; i++) {
		features_get(&real_, i, 1, row);
		if (!tape_finite(row, (size_t)d)) {
			fail("%s: key %" PRIu64 ": a row that is not finite", path, real_.keys[i]);
			goto end;
		}
		moments_add(&m, row, 1);
	}
	w->mean = mem_new((size_t)d, sizeof *w->mean);
	if (!(w->cov = mem_big((size_t)d * (size_t)d, sizeof *w->cov, path))) goto end;
	begin_best(w, real_.info.id);
	bad = moments_end(&m, w->mean, w->cov);
end:
	free(row);
	moments_close(&m);
	features_close(&real_);
	return bad;
}

/* Labels of instances: their own, or, when training has labels of its own for them, those. */
static int label_instances(struct watch *w)
{
	const struct features *f = &w->instances;
	struct data *d = w->plan.data;

	if (!d->label) return 0;
	bool ours = d->labels_id != d->images.info.id;   /* from --labels */
	if (ours && rows_root(&f->info) != rows_root(&d->images.info))
		return fail("%s: instances of other images than %s, whose labels are known",
			    w->plan.instances, rows_path(&d->images));
	if (!ours && !f->labels) return fail("%s: has no labels", w->plan.instances);
	w->labels = mem_new((size_t)f->info.count, sizeof *w->labels);
	for (int64_t i = 0; i < f->info.count; i++) {
		int64_t at = ours ? rows_find(&d->images, f->keys[i]) : 0;
		if (at < 0) return -1;
		w->labels[i] = ours ? d->label[at] : f->labels[i];
		if (w->labels[i] >= (uint32_t)w->s->c.n_classes)
			return fail("%s: label %u of key %" PRIu64 ", expected less than %d",
				    w->plan.instances, w->labels[i], f->keys[i],
				    w->s->c.n_classes);
	}
	return 0;
}

static int open_instances(struct watch *w)
{
	const char *path = w->plan.instances;
	const struct rows *trained = &w->plan.data->features;

	if (features_open(&w->instances, path)) return -1;
	if (w->instances.info.count < 1)
		return fail("%s: no instances, expected at least one", path);
	if (w->s->c.instance_cond &&
	    features_alike(path, &w->instances.info, rows_path(trained), &trained->info))
		return -1;
	return label_instances(w);
}

int watch_open(struct watch *w, const struct phases *p, const struct watch_plan *plan)
{
	bool shown = plan->trail.pictures || plan->trail.board;
	struct gan *s = p->s;

	*w = (struct watch){ .plan = *plan, .s = s, .last_score = NAN };
	if (plan->instances && open_instances(w)) goto fail;
	if (plan->score && plan->training_batch &&
	    sampler_open_training(&w->scorer, s, p->at.ema, plan->training_batch, p->b))
		goto fail;
	if ((shown || plan->score) && sampler_open(&w->sampler, s, TRAIL_PICTURES, NULL, p->b))
		goto fail;
	if (plan->score && open_score(w)) goto fail;
	if (trail_open(&w->trail, &plan->trail, watch_fresh(w))) goto fail;
	if (watch_fresh(w) ? trail_rewind(&w->trail, 0, 0, "") : watch_rewind(w)) goto fail;
	return 0;
fail:
	watch_close(w);
	return -1;
}

void watch_close(struct watch *w)
{
	sampler_close(&w->sampler);
	sampler_close(&w->scorer);
	features_close(&w->instances);
	free(w->labels);
	nets_close(&w->net);
	trail_close(&w->trail);
	free(w->mean);
	free(w->cov);
	*w = (struct watch){ 0 };
}

static double mean_of(const real *x, int n)
{
	double sum = 0;
	for (int i = 0; i < n; i++) sum += (double)x[i];
	return sum / n;
}

int watch_step(struct watch *w, const struct phases *p, const struct vitals *v)
{
	int n = p->r.batch;
	const real *score = phase_scores(p);
	struct tfevents *b = &w->trail.board;
	double real_ = mean_of(score + n, n), fake = mean_of(score, n);

	if (w->s->step % WATCH_LOG_STEPS) return 0;
	if (b->f) {
		tfevents_scalar(b, "loss/d_real", p->d_real);
		tfevents_scalar(b, "loss/d_fake", p->d_fake);
		tfevents_scalar(b, "loss/g", p->g.told);
		if (p->r1.t) tfevents_scalar(b, "loss/r1", p->r1.told);
		if (p->path.t) tfevents_scalar(b, "loss/path", p->path.told);
		tfevents_scalar(b, "score/real", real_);
		tfevents_scalar(b, "score/fake", fake);
		tfevents_scalar(b, "health/norm", v->norm);
		tfevents_scalar(b, "health/variance", v->variance);
		if (trail_event(&w->trail, w->s->step)) return -1;
	}
	char more[64] = "";
	if (w->s->c.backbone == STYLEGAN2)
		snprintf(more, sizeof more, ",\"r1\":%.9g,\"path\":%.9g", p->r1.told,
			 p->path.told);
	return trail_log(&w->trail, w->s->step,
			 "\"d_real\":%.9g,\"d_fake\":%.9g,\"g\":%.9g,\"score_real\":%.9g,"
			 "\"score_fake\":%.9g,\"norm\":%.9g,\"variance\":%.9g%s",
			 p->d_real, p->d_fake, p->g.told, real_, fake, v->norm, v->variance, more);
}

int watch_collapse(struct watch *w, int64_t step, enum collapse how)
{
	return trail_log(&w->trail, step, "\"collapse\":\"%s\"", sentinel_word(how));
}

/* What sample i is conditioned on, as ic-sample -n has it under the run's seed. */
static int condition(struct watch *w, struct sampler *p, int k, int64_t i)
{
	const struct data *d = w->plan.data;
	bool given = w->plan.instances, even = !given && d->classes.temperature != 1;
	const uint32_t *labels = given ? w->labels : d->label;
	int64_t at = sampler_instance(w->s->seed, (uint64_t)i,
				      given ? w->instances.info.count : d->n,
				      even && labels ? &d->classes : NULL);

	if (p->y) p->y[k] = labels ? (real)labels[at] : 0;
	if (!p->f) return 0;
	real *f = p->f + (size_t)k * (size_t)w->s->c.features;
	features_get(&w->instances, at, 1, f);
	return data_unit(w->plan.instances, w->instances.keys[at], f, w->s->c.features, f);
}

/* Samples number first.. of the run's seed. */
static int fill(struct watch *w, struct sampler *p, int64_t first)
{
	for (int k = 0; k < p->batch; k++) {
		uint64_t i = (uint64_t)(first + k);
		sampler_noise(w->s->seed, i, p->dim_z, p->z + (size_t)k * (size_t)p->dim_z);
		sampler_planes(p, k, w->s->seed, i);
		if (condition(w, p, k, first + k)) return -1;
	}
	return sampler_run(p);
}

/* The pictures of a look, owned by the caller; NULL after fail(). */
static uint8_t *draw(struct watch *w)
{
	size_t side = (size_t)w->sampler.side, bytes = side * side * 3;
	uint8_t *rgb = mem_new(TRAIL_PICTURES, bytes);

	if (fill(w, &w->sampler, 0)) {
		free(rgb);
		return NULL;
	}
	for (int k = 0; k < TRAIL_PICTURES; k++)
		sampler_rgb(&w->sampler, k, rgb + (size_t)k * bytes);
	return rgb;
}

/* Features of samples of the present generator, added up.  1 when it was stopped, which it is not
 * where samples move what is saved. */
static int measure_samples(struct watch *w, struct moments *m)
{
	struct sampler *p = w->scorer.t ? &w->scorer : &w->sampler;
	size_t bytes = (size_t)p->side * (size_t)p->side * 3;
	uint8_t *rgb = mem_new((size_t)p->batch, bytes);
	struct image *at = mem_new((size_t)p->batch, sizeof *at);
	float *f = mem_new((size_t)p->batch * (size_t)w->net.width, sizeof *f);
	int bad = 0;

	for (int64_t i = 0; i < w->plan.samples && !bad; i += p->batch) {
		int64_t left = w->plan.samples - i;
		int n = left < p->batch ? (int)left : p->batch;
		bad = stop_asked() && !w->scorer.t ? 1 : fill(w, p, i);
		for (int k = 0; k < n && !bad; k++) {
			at[k] = (struct image){ p->side, p->side, rgb + (size_t)k * bytes };
			sampler_rgb(p, k, at[k].rgb);
		}
		if (!bad) bad = nets_features(&w->net, n, at, false, f);
		if (!bad) moments_add(m, f, n);
	}
	free(rgb), free(at), free(f);
	return bad;
}

static int measure(struct watch *w)
{
	struct moments m = { 0 };
	struct frechet fd;
	int d = w->net.width, bad = moments_open(&m, d);
	if (!bad) bad = measure_samples(w, &m);
	double *mean = mem_new((size_t)d, sizeof *mean), *cov = NULL, *cov_real = NULL;
	size_t square = (size_t)d * (size_t)d;
	if (!bad && !(cov = mem_big(square, sizeof *cov, "covariance"))) bad = -1;
	if (!bad && !(cov_real = mem_big(square, sizeof *cov_real, "covariance"))) bad = -1;
	if (!bad) {
		memcpy(cov_real, w->cov, square * sizeof *cov_real);   /* both are destroyed */
		bad = moments_end(&m, mean, cov) ||
		      frechet_distance(&fd, d, w->mean, cov_real, mean, cov) ? -1 : 0;
	}
	if (!bad) w->last_score = fd.distance;
	moments_close(&m);
	free(mean), free(cov), free(cov_real);
	return bad;
}

/* The score in the state and in the files; a NaN is not better than anything. */
static int note_score(struct watch *w, bool *better)
{
	struct best *b = &w->s->best;
	int64_t step = w->s->step;

	*better = w->last_score < b->score;
	if (*better) b->score = w->last_score, b->step = step;
	if (w->trail.board.f) {
		tfevents_scalar(&w->trail.board, "fd", w->last_score);
		if (trail_event(&w->trail, step)) return -1;
	}
	return trail_log(&w->trail, step, "\"fd\":%.9g,\"samples\":%d,\"best_step\":%" PRId64 "%s",
			 w->last_score, w->plan.samples, b->step,
			 watch_enough(w) ? ",\"stop\":\"patience\"" : "");
}

int watch_look(struct watch *w, bool *better)
{
	bool shown = w->plan.trail.pictures || w->plan.trail.board;

	*better = false;
	if (w->sampler.t) tape_refresh(w->sampler.t);
	uint8_t *rgb = shown ? draw(w) : NULL;
	int bad = shown && !rgb ? -1 : 0;
	if (!bad && w->mean) bad = measure(w);
	if (!bad && shown) bad = trail_show(&w->trail, w->s->step, rgb, w->sampler.side);
	if (!bad && w->mean) bad = note_score(w, better);
	free(rgb);
	return bad ? bad : trail_sync(&w->trail);
}
