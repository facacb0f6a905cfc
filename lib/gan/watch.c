/* watch: log, pictures through time and score of a training run. */
#include "lib/gan/watch.h"
#include "formats/pam.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/stat/frechet.h"
#include "lib/stat/moments.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cut(FILE *f, const char *path, long at)
{
	if (fflush(f) || ftruncate(fileno(f), at) || fseek(f, at, SEEK_SET)) return fail("%s:", path);
	return 0;
}

static int flush(FILE *f, const char *path)
{
	return fflush(f) || ferror(f) ? fail("%s:", path) : 0;
}

static int64_t looks(const struct watch *w, int64_t step)
{
	return step * w->plan.a_step / w->plan.every;
}

bool watch_due(const struct watch *w)
{
	return !w->s->step || looks(w, w->s->step) != looks(w, w->s->step - 1);
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
			 s->step, s->step * w->plan.a_step, s->setback.count, s->setback.from,
			 sentinel_word((enum collapse)s->setback.how));
}

static bool is_file(FILE *f)
{
	struct stat st;
	return !fstat(fileno(f), &st) && S_ISREG(st.st_mode);
}

/* Keeps the lines of steps up to the present one, and says how it came to be present; a device or
 * pipe is only written to. */
static int rewind_log(struct watch *w)
{
	char *line = NULL, back[200];
	size_t room = 0;
	long keep = 0;
	long long step;

	say_return(w, back);
	rewind(w->log);
	while (!w->fresh && is_file(w->log) && getline(&line, &room, w->log) > 0 &&
	       line[strlen(line) - 1] == '\n' && sscanf(line, "{\"step\":%lld", &step) == 1 &&
	       step <= w->s->step && strcmp(line, back))
		keep = ftell(w->log);
	free(line);
	if (is_file(w->log) && cut(w->log, w->plan.log, keep)) return -1;
	fputs(back, w->log);
	return flush(w->log, w->plan.log);
}

static int open_log(struct watch *w)
{
	struct stat st;
	bool special = !stat(w->plan.log, &st) && !S_ISREG(st.st_mode);

	w->log = fopen(w->plan.log, special ? "w" : w->fresh ? "w+" : "a+");
	return w->log ? rewind_log(w) : fail("%s:", w->plan.log);
}

/* Keeps the rows of the looks so far. */
static int rewind_pictures(struct watch *w)
{
	const char *path = w->plan.pictures;
	struct pam p = { .f = w->pictures, .path = path };
	struct pam_head h;
	uint8_t *rgb = NULL;
	int64_t rows = w->fresh ? 0 : 1 + looks(w, w->s->step);
	int got = 1;

	rewind(w->pictures);
	for (int64_t i = 0; i < rows * WATCH_COLUMNS && got > 0; i++) got = pam_read(&p, &h, &rgb);
	free(rgb);
	if (got <= 0)
		return got < 0 ? -1
			       : fail("%s: fewer than the %lld rows of pictures this run had "
				      "written",
				      path, (long long)rows);
	return cut(w->pictures, path, ftell(w->pictures));
}

static int open_pictures(struct watch *w)
{
	w->pictures = fopen(w->plan.pictures, w->fresh ? "w+" : "r+");
	return w->pictures ? rewind_pictures(w) : fail("%s:", w->plan.pictures);
}

int watch_rewind(struct watch *w)
{
	w->fresh = false;
	if (w->log && rewind_log(w)) return -1;
	return w->pictures ? rewind_pictures(w) : 0;
}

static int sync_file(FILE *f, const char *path)
{
	return f && is_file(f) && fsync(fileno(f)) ? fail("%s:", path) : 0;
}

int watch_sync(struct watch *w)
{
	return sync_file(w->log, w->plan.log) || sync_file(w->pictures, w->plan.pictures);
}

/* Scores compare when they are to the same features, from as many samples. */
static void begin_best(struct watch *w, uint64_t real_)
{
	struct best *b = &w->s->best;

	if (b->real == real_ && b->samples == w->plan.samples) return;
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
	if (nets_again(&w->net, path, &real_.info, NULL)) goto end;
	if (moments_open(&m, d)) goto end;
	for (int64_t i = 0; i < real_.info.count; i++) {
		if (features_get(&real_, i, 1, row)) goto end;
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

int watch_open(struct watch *w, struct gan *s, struct backend *b, const struct watch_plan *plan,
	       bool fresh)
{
	*w = (struct watch){ .plan = *plan, .s = s, .last_score = NAN, .fresh = fresh };
	if (plan->instances && features_open(&w->instances, plan->instances)) goto fail;
	if (plan->instances && s->c.instance_cond && w->instances.info.width != s->c.features) {
		fail("%s: rows of %d, expected %d", plan->instances, w->instances.info.width,
		     s->c.features);
		goto fail;
	}
	if ((plan->pictures || plan->score) && sampler_open(&w->sampler, s, WATCH_COLUMNS, b))
		goto fail;
	if (plan->log && open_log(w)) goto fail;
	if (plan->pictures && open_pictures(w)) goto fail;
	if (plan->score && open_score(w)) goto fail;
	return 0;
fail:
	watch_close(w);
	return -1;
}

void watch_close(struct watch *w)
{
	sampler_close(&w->sampler);
	features_close(&w->instances);
	nets_close(&w->net);
	if (w->log) fclose(w->log);
	if (w->pictures) fclose(w->pictures);
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

	if (!w->log || w->s->step % WATCH_LOG_STEPS) return 0;
	fprintf(w->log,
		"{\"step\":%" PRId64 ",\"images\":%" PRId64
		",\"d_real\":%.9g,\"d_fake\":%.9g,\"g\":%.9g,"
		"\"score_real\":%.9g,\"score_fake\":%.9g,\"norm\":%.9g,\"variance\":%.9g}\n",
		w->s->step, w->s->step * w->plan.a_step, p->d_real, p->d_fake, p->g_loss,
		mean_of(score + n, n), mean_of(score, n), v->norm, v->variance);
	return flush(w->log, w->plan.log);
}

int watch_collapse(struct watch *w, int64_t step, enum collapse how)
{
	if (!w->log) return 0;
	fprintf(w->log,
		"{\"step\":%" PRId64 ",\"images\":%" PRId64 ",\"collapse\":\"%s\"}\n", step,
		step * w->plan.a_step, sentinel_word(how));
	return flush(w->log, w->plan.log);
}

/* Samples number first.. of the run's seed on instances in turn; class labels in turn when no instances are there. */
static int fill(struct watch *w, int64_t first)
{
	struct sampler *p = &w->sampler;
	const struct biggan *c = &w->s->c;

	for (int k = 0; k < p->batch; k++) {
		int64_t i = first + k,
			at = w->instances.info.count > 0 ? i % w->instances.info.count : 0;
		sampler_noise(w->s->seed, (uint64_t)i, p->dim_z, p->z + (size_t)k * (size_t)p->dim_z);
		if (p->y)
			p->y[k] = (real)(w->instances.labels
						 ? w->instances.labels[at] % (uint32_t)c->n_classes
						 : i % c->n_classes);
		if (!p->f) continue;
		real *f = p->f + (size_t)k * (size_t)c->features;
		double norm = 0;
		if (features_get(&w->instances, at, 1, f)) return -1;
		for (int j = 0; j < c->features; j++) norm += (double)f[j] * (double)f[j];
		for (int j = 0; j < c->features; j++) f[j] = (real)((double)f[j] / sqrt(norm));
	}
	return sampler_run(p);
}

static int show(struct watch *w)
{
	size_t side = (size_t)w->sampler.side;
	uint8_t *rgb = mem_new(side * side, 3);
	int bad = fill(w, 0);

	for (int k = 0; k < WATCH_COLUMNS && !bad; k++) {
		struct pam_head h = {
			.width = (int)side, .height = (int)side, .channels = 3, .key = (uint64_t)k
		};
		sampler_rgb(&w->sampler, k, rgb);
		bad = pam_write(w->pictures, &h, rgb);
	}
	free(rgb);
	return bad || flush(w->pictures, w->plan.pictures);
}

static int measure(struct watch *w)
{
	struct moments m = { 0 };
	struct frechet fd;
	int d = w->net.width, bad = moments_open(&m, d);
	size_t bytes = (size_t)w->sampler.side * (size_t)w->sampler.side * 3;
	uint8_t *rgb = mem_new(WATCH_COLUMNS, bytes);
	struct image at[WATCH_COLUMNS];
	float *f = mem_new(WATCH_COLUMNS * (size_t)d, sizeof *f);
	double *mean = mem_new((size_t)d, sizeof *mean), *cov = NULL, *cov_real = NULL;

	for (int64_t i = 0; i < w->plan.samples && !bad; i += WATCH_COLUMNS) {
		int n = w->plan.samples - i < WATCH_COLUMNS ? (int)(w->plan.samples - i)
							    : WATCH_COLUMNS;
		bad = fill(w, i);
		for (int k = 0; k < n && !bad; k++) {
			int side = w->sampler.side;
			at[k] = (struct image){ side, side, rgb + (size_t)k * bytes };
			sampler_rgb(&w->sampler, k, at[k].rgb);
		}
		if (!bad) bad = nets_features(&w->net, n, at, false, f);
		if (!bad) moments_add(&m, f, n);
	}
	size_t square = (size_t)d * (size_t)d;
	if (!bad && !(cov = mem_big(square, sizeof *cov, "covariance"))) bad = -1;
	if (!bad && !(cov_real = mem_big(square, sizeof *cov_real, "covariance"))) bad = -1;
	if (!bad) {
		memcpy(cov_real, w->cov, square * sizeof *cov_real);   /* both are destroyed */
		bad = moments_end(&m, mean, cov) ||
		      frechet_distance(&fd, d, w->mean, cov_real, mean, cov);
	}
	if (!bad) w->last_score = fd.distance;
	moments_close(&m);
	free(rgb), free(f), free(mean), free(cov), free(cov_real);
	return bad;
}

/* The score in the state and in the log; a NaN is not better than anything. */
static int note_score(struct watch *w, bool *better)
{
	struct best *b = &w->s->best;

	*better = w->last_score < b->score;
	if (*better) b->score = w->last_score, b->step = w->s->step;
	if (!w->log) return 0;
	fprintf(w->log,
		"{\"step\":%" PRId64 ",\"images\":%" PRId64
		",\"fd\":%.9g,\"samples\":%d,\"best_step\":%" PRId64 "%s}\n",
		w->s->step, w->s->step * w->plan.a_step, w->last_score, w->plan.samples, b->step,
		watch_enough(w) ? ",\"stop\":\"patience\"" : "");
	return flush(w->log, w->plan.log);
}

int watch_look(struct watch *w, bool *better)
{
	*better = false;
	if (w->pictures && show(w)) return -1;
	return w->mean ? measure(w) || note_score(w, better) : 0;
}
