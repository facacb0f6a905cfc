/* again: what an earlier run of the same command left. */
#include "lib/gan/again.h"
#include "formats/part.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The first line in which two option texts differ. */
static int same_options(const char *path, const char *left, const char *now)
{
	while (*left && *now) {
		size_t n = strcspn(left, "\n"), m = strcspn(now, "\n");
		if (n != m || strncmp(left, now, n))
			return fail("%s: left by a run with %.*s, now %.*s (-f starts afresh)",
				    path, (int)n, left, (int)m, now);
		left += n + (left[n] != 0);
		now += m + (now[m] != 0);
	}
	if (*left || *now)
		return fail("%s: left by a run %s %.*s, now %s (-f starts afresh)", path,
			    *left ? "with" : "without", (int)strcspn(*left ? left : now, "\n"),
			    *left ? left : now, *left ? "without" : "with");
	return 0;
}

static int same_run(const char *path, const struct gan *left, const struct gan *now)
{
	if (memcmp(&left->from, &now->from, sizeof left->from))
		return fail("%s: left by a run on other images, features or neighbours (-f starts "
			    "afresh)",
			    path);
	if (left->seed != now->seed)
		return fail("%s: left by a run with seed %" PRIu64 ", now %" PRIu64
			    " (-f starts afresh)",
			    path, left->seed, now->seed);
	if (left->c.backbone != now->c.backbone)
		return fail("%s: left by a run of %s, now of %s (-f starts afresh)", path,
			    model_name(&left->c), model_name(&now->c));
	return same_options(path, left->options ? left->options : "", now->options);
}

/* A state that was left, in place of the present one, when it is of the same run. */
static int take_up(struct gan *g, struct gan *left, const char *path)
{
	if (same_run(path, left, g)) {
		gan_free(left);
		return -1;
	}
	gan_free(g);
	*g = *left;
	return 0;
}

/* What an unfinished run left; when it cannot be read, says what else there is. */
static int take_up_part(const struct again *a, struct gan *g)
{
	const struct ring *r = a->ring;
	struct gan left;

	if (!gan_load(&left, r->part)) return take_up(g, &left, r->part);
	char *what = mem_text("%s", why());
	int64_t step = ring_newest(r, INT64_MAX);
	if (step < 0) fail("%s; -f starts afresh", what);
	else
		fail("%s; %s.%" PRId64 " is an earlier state: moved to %s the run goes on from it",
		     what, r->name, step, r->part);
	free(what);
	return -1;
}

/* What a finished run left, when this one ends later. */
static int take_up_end(const struct again *a, struct gan *g)
{
	const char *out = a->ring->name;
	struct gan left;
	const struct watch w = { .plan = *a->plan, .s = &left };

	if (gan_load(&left, out)) {
		char *what = mem_text("%s", why());
		fail("%s; it exists, -f overwrites it", what);
		free(what);
		return -1;
	}
	if ((a->steps < 0 || left.step < a->steps) && a->trains && !watch_enough(&w))
		return take_up(g, &left, out);
	if (!same_run(out, &left, g))
		fail("%s: exists, a run that ended after step %" PRId64 ", expected a later end; "
		     "-f starts afresh",
		     out, left.step);
	gan_free(&left);
	return -1;
}

/* With -f what cannot be taken up is none of this run's, unless the machine cannot read it now. */
static int refuse(const struct again *a)
{
	if (!a->force || errno == EIO || errno == ENOMEM || errno == EMFILE || errno == ENFILE)
		return -1;
	note("%s; starting afresh", why());
	return 0;
}

int again_start(const struct again *a, struct gan *g)
{
	const struct ring *r = a->ring;
	const char *from = NULL;
	int ended = part_exists(r->name), left = part_exists(r->part);

	if (ended < 0 || left < 0) return -1;
	errno = 0;
	if (ended) {
		if (!take_up_end(a, g)) from = r->name;
		else if (refuse(a)) return -1;
	}
	if (left) {
		if (!take_up_part(a, g)) from = r->part;
		else if (refuse(a)) return -1;
	}
	if (!a->force && trail_check(&a->plan->trail, from != NULL)) return -1;
	if (!from) return ring_begin(r, a->force);
	note("%s: going on after step %" PRId64, from, g->step);
	return ring_resume(r, g->step);
}
