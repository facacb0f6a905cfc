/* sweep: blocks of queries against blocks of base rows, those of one stretch of queries among each
 * other once, for both. */
#include "lib/stat/sweep.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/say.h"
#include "lib/stat/guess.h"

#include <math.h>
#include <stdlib.h>

/* Rows of a block, and in how many a set is cut at least where these allow; candidates measured
 * before neighbours are handed over. */
enum { LEAST = HARVEST_SAMPLE, MOST = 1 << 14, BLOCKS = 64, PIECE = 1 << 22 };

static bool within(const struct knn *job)
{
	return job->base == job->query;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int side_of(const struct knn_set *s)
{
	int64_t side = (s->count / BLOCKS + SIFT_SIDE) / SIFT_SIDE * SIFT_SIDE;
	return side < LEAST ? LEAST : (int)least(side, MOST);
}

static struct shelf shelf_of(const struct sweep *s, const struct knn_set *set)
{
	return (struct shelf){ .set = set, .ground = &s->ground, .device = s->job->device,
		.side = side_of(set), .extra = HARVEST_SAMPLE };
}

/* Rows get the memory of the device that is left, the smaller set first. */
static int open_all(struct sweep *s)
{
	const struct knn *job = s->job;
	bool first = job->base->count <= job->query->count;

	s->base = shelf_of(s, job->base);
	if (!within(job)) s->other = shelf_of(s, job->query);
	s->query = within(job) ? &s->base : &s->other;
	s->harvest = (struct harvest){ .job = job, .ground = &s->ground, .base = &s->base,
		.query = s->query, .room = knn_room(job) };
	if (harvest_open(&s->harvest)) return -1;
	if (within(job)) return shelf_open(&s->base, 2);
	return shelf_open(first ? &s->base : &s->other, 1) ||
		shelf_open(first ? &s->other : &s->base, 1) ? -1 : 0;
}

static int lists_open(struct sweep *s, int64_t rows)
{
	const struct knn *job = s->job;
	size_t room = (size_t)s->harvest.room;
	size_t each = room * sizeof *s->candidates + sizeof *s->list;

	s->stretch = least(rows, (int64_t)(knn_memory(job) / each));
	if (s->stretch < 1) s->stretch = 1;
	s->list = mem_big((size_t)s->stretch, sizeof *s->list, "candidates");
	s->candidates = mem_big((size_t)s->stretch, room * sizeof *s->candidates, "candidates");
	s->wrong = mem_big((size_t)s->stretch, sizeof *s->wrong, "rows to search again");
	s->kth = mem_new((size_t)s->query->side, sizeof *s->kth);
	s->harvest.list = s->list;
	s->finish = (struct finish){ .job = job, .ground = &s->ground, .room = s->harvest.room,
		.most = (int)least(s->stretch, PIECE / s->harvest.room) };
	return s->list && s->candidates && s->wrong ? finish_open(&s->finish) : -1;
}

int sweep_open(struct sweep *s, struct knn *job, int64_t rows)
{
	must(!job->reach);
	*s = (struct sweep){ .job = job };
	if (!ground_open(&s->ground, job->metric, job->query, job->base) && !open_all(s) &&
		!lists_open(s, rows)) return 0;
	sweep_close(s);
	return -1;
}

void sweep_close(struct sweep *s)
{
	finish_close(&s->finish);
	harvest_close(&s->harvest);
	shelf_close(&s->base);
	shelf_close(&s->other);
	ground_close(&s->ground);
	free(s->list);
	free(s->candidates);
	free(s->wrong);
	free(s->kth);
	*s = (struct sweep){ 0 };
}

void sweep_renew(struct sweep *s)
{
	must(!within(s->job));
	shelf_forget(&s->base);
	s->sample.on.n = 0;
}

/* Both loaded, and run. */
static int run_blocks(struct sweep *s, int64_t first, int n, int64_t other, int m, bool both)
{
	struct shelf_rows a, b;
	bool there = shelf_has(s->query, first) && shelf_has(&s->base, other);

	if (stop_check() || (!there && harvest_flush(&s->harvest))) return -1;
	if (shelf_take(s->query, first, n, -1, &a) ||
		shelf_take(&s->base, other, m, within(s->job) ? first : -1, &b)) return -1;
	if (harvest_run(&s->harvest, &a, &b, both, both && first == other)) return -1;
	s->done += (double)n * m;
	if (s->job->tick) s->job->tick(s->job->ctx, fmin(s->done / s->all, 1));
	return 0;
}

/* Rows from `at' on of one block, and wholly inside or outside of the stretch. */
static int cut(const struct sweep *s, const struct shelf *shelf, int64_t at)
{
	int64_t end = least((at / shelf->side + 1) * shelf->side, shelf->set->count);

	if (at < s->from) end = least(end, s->from);
	else if (at < s->to) end = least(end, s->to);
	return (int)(end - at);
}

/* The queries with every base row; among those of the stretch the earlier ones have done so. */
static int run_queries(struct sweep *s, int64_t first, int n)
{
	for (int64_t at = 0, m; at < s->job->base->count; at += m) {
		m = within(s->job) ? cut(s, &s->base, at)
				   : least(s->base.side, s->base.set->count - at);
		bool both = within(s->job) && at >= s->from && at < s->to;
		if (both && at < first) continue;
		if (run_blocks(s, first, n, at, (int)m, both)) return -1;
	}
	return 0;
}

/* A sample of the base rows on the device; all of them, when they are few. */
static int take_sample(struct sweep *s)
{
	int n = (int)least(s->job->base->count, HARVEST_SAMPLE);

	if (s->sample.on.n) return 0;
	guess_sample(s->job, n, s->sample_at);
	if (shelf_gather(&s->base, s->sample_at, n, &s->sample)) return -1;
	s->longest = s->loosest = 0;
	for (int i = 0; i < n; i++) {
		s->longest = fmax(s->longest, (double)s->sample.loss[i].norm);
		s->loosest = fmax(s->loosest, (double)s->sample.loss[i].rest);
	}
	return 0;
}

/* The score that the device has of the rank-th of the sample, less twice what that may be off,
 * which makes it sure when the sample is all rows. */
static int guess(struct sweep *s, int64_t first, int n)
{
	int rank = guess_rank(s->job, s->sample.on.n);
	struct shelf_rows a;

	if (rank > s->sample.on.n) return 0;
	if (stop_check() || shelf_take(s->query, first, n, -1, &a) ||
		harvest_kth(&s->harvest, &a, &s->sample, rank, s->kth)) return -1;
	for (int i = 0; i < n; i++) {
		const struct loss *l = &a.loss[i];
		double slack = (double)l->norm * s->loosest + (double)l->rest * s->longest;
		double bias = 0x1p-18 * s->longest * (s->longest + 1);
		s->list[first - s->from + i].guess = (double)s->kth[i] - 2 * slack - bias;
	}
	return 0;
}

static int start_lists(struct sweep *s)
{
	int room = s->harvest.room;

	s->harvest.list_first = s->from;
	for (int64_t i = 0; i < s->to - s->from; i++)
		s->list[i] = (struct shortlist){ .c = s->candidates + (size_t)i * (size_t)room,
			.room = room, .k = s->job->k, .floor = -INFINITY, .guess = -INFINITY };
	if (take_sample(s)) return -1;
	for (int64_t at = s->from, n; at < s->to; at += n) {
		n = cut(s, s->query, at);
		if (guess(s, at, (int)n)) return -1;
	}
	return 0;
}

static void prune(void *ctx, int64_t i, int worker)
{
	struct sweep *s = ctx;
	double *scratch = mem_new((size_t)s->harvest.room, sizeof *scratch);

	(void)worker;
	shortlist_prune(&s->list[i], scratch);
	free(scratch);
}

/* Forgets the candidates of lists whose guess was wrong; returns how many. */
static int64_t find_wrong(struct sweep *s)
{
	int64_t wrong = 0;

	for (int64_t i = 0; i < s->to - s->from; i++) {
		struct shortlist *l = &s->list[i];
		if (l->n >= l->k && l->floor >= l->guess) continue;
		l->guess = -INFINITY;
		l->n = 0;
		s->wrong[wrong++] = (uint32_t)(s->from + i);
	}
	return wrong;
}

/* n queries at these positions against all base rows. */
static int search_again(struct sweep *s, const uint32_t *at, int n)
{
	struct shelf_rows a, b;

	if (harvest_flush(&s->harvest) || shelf_gather(s->query, at, n, &a)) return -1;
	if (within(s->job)) s->sample.on.n = 0;      /* it lay there */
	for (int64_t first = 0, m; first < s->job->base->count; first += m) {
		m = least(s->base.side, s->job->base->count - first);
		bool there = shelf_has(&s->base, first);
		if (stop_check() || (!there && harvest_flush(&s->harvest)) ||
			shelf_take(&s->base, first, (int)m, -1, &b) ||
			harvest_run(&s->harvest, &a, &b, false, false)) return -1;
	}
	return harvest_flush(&s->harvest);
}

/* Lists that hold everything that can be among the k nearest, and nothing else. */
static int settle(struct sweep *s)
{
	if (harvest_flush(&s->harvest)) return -1;
	par_for(s->to - s->from, s, prune);
	int64_t wrong = find_wrong(s);
	for (int64_t at = 0; at < wrong; at += HARVEST_SAMPLE)
		if (search_again(s, s->wrong + at, (int)least(wrong - at, HARVEST_SAMPLE)))
			return -1;
	if (wrong) par_for(s->to - s->from, s, prune);
	s->job->effort.again += wrong;
	return 0;
}

static int hand_over(struct sweep *s)
{
	struct finish *f = &s->finish;

	for (int64_t at = s->from, n; at < s->to; at += n) {
		n = least(s->to - at, f->most);
		if (stop_check() || finish_run(f, at, (int)n, s->list + (at - s->from)) ||
			s->job->take(s->job->ctx, at, (int)n, f->at, f->distance)) return -1;
	}
	return 0;
}

static int run_stretch(struct sweep *s)
{
	if (start_lists(s)) return -1;
	for (int64_t at = s->from, n; at < s->to; at += n) {
		n = cut(s, s->query, at);
		if (run_queries(s, at, (int)n)) return -1;
	}
	return settle(s) || hand_over(s) ? -1 : 0;
}

int sweep_run(struct sweep *s, int64_t first, int64_t last)
{
	struct knn *job = s->job;
	int64_t measured = harvest_measured(&s->harvest);
	bool bad = false;

	s->done = s->all = 0;
	for (int64_t at = first; at < last; at += s->stretch) {
		double rows = (double)least(s->stretch, last - at);
		s->all += rows * (double)job->base->count - (within(job) ? rows * rows / 2 : 0);
	}
	s->finish.effort = (struct knn_effort){ 0 };
	for (s->from = first; !bad && s->from < last; s->from = s->to) {
		s->to = least(last, s->from + s->stretch);
		bad = run_stretch(s);
	}
	s->harvest.pending = NULL;           /* of a search that has failed */
	job->effort.measured += s->finish.effort.measured;
	job->effort.measured += harvest_measured(&s->harvest) - measured;
	job->effort.undecided += s->finish.effort.undecided;
	return bad ? -1 : 0;
}
