/* ring: the names under which a run keeps its states. */
#include "lib/gan/ring.h"
#include "formats/part.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The step in "BASE.STEP", -1 for another name; STEP as it is written here, without leading
 * zeros. */
static int64_t step_of(const char *name, const char *base, size_t n)
{
	char text[32];

	if (strncmp(name, base, n) || name[n] != '.' || strspn(name + n + 1, "0123456789") > 18)
		return -1;
	int64_t step = strtoll(name + n + 1, NULL, 10);
	snprintf(text, sizeof text, "%" PRId64, step);
	return strcmp(text, name + n + 1) ? -1 : step;
}

int64_t ring_newest(const struct ring *r, int64_t below)
{
	const char *slash = strrchr(r->name, '/'), *base = slash ? slash + 1 : r->name;
	char *folder = slash ? mem_text("%.*s/", (int)(slash - r->name), r->name) : mem_text(".");
	DIR *d = opendir(folder);
	int64_t newest = -1;

	for (struct dirent *e; d && (errno = 0, e = readdir(d)); ) {
		int64_t step = step_of(e->d_name, base, strlen(base));
		if (step < below && step > newest) newest = step;
	}
	if (!d || errno) newest = fail("%s:", folder) - 1;
	if (d) closedir(d);
	free(folder);
	return newest;
}

static char *kept_name(const struct ring *r, int64_t step)
{
	return mem_text("%s.%" PRId64, r->name, step);
}

static int drop(const struct ring *r, int64_t step)
{
	char *path = kept_name(r, step);
	int bad = unlink(path) ? fail("%s:", path) : 0;

	free(path);
	return bad;
}

/* Removes the states after a step, and those before the last `keep`. */
static int trim(const struct ring *r, int64_t step, int keep)
{
	int64_t at = INT64_MAX;

	while ((at = ring_newest(r, at)) >= 0)
		if ((at > step || keep-- <= 0) && drop(r, at)) return -1;
	return at < -1 ? -1 : 0;
}

/* The file `from` under another name as well, in place of what had it. */
static int link_as(const char *from, const char *to)
{
	char *temp = mem_text("%s.new", to);

	unlink(temp);                        /* of a run that was killed here */
	int bad = link(from, temp) || rename(temp, to) ? fail("%s: a link to %s:", to, from) : 0;
	if (bad) unlink(temp);
	free(temp);
	return bad ? -1 : part_sync_folder(to);
}

/* Writes the state when it is in no file yet, else links. */
static int put(const struct gan *g, char **written, char *name)
{
	int bad = *written ? link_as(*written, name) : gan_save(g, name);

	if (*written) free(name);
	else *written = name;
	return bad;
}

int ring_save(const struct ring *r, const struct gan *g, bool best)
{
	char *written = NULL;
	int bad = 0;

	if (r->keep) bad = put(g, &written, kept_name(r, g->step));
	if (!bad && best) bad = put(g, &written, mem_text("%s.best", r->name));
	if (!bad) bad = put(g, &written, mem_text("%s", r->part));
	free(written);
	if (!bad && r->keep) bad = trim(r, g->step, r->keep);
	return bad;
}

int ring_resume(const struct ring *r, int64_t step)
{
	return trim(r, step, r->keep ? r->keep : INT_MAX);
}

int ring_begin(const struct ring *r, bool force)
{
	int64_t newest = ring_newest(r, INT64_MAX);
	char *best = mem_text("%s.best", r->name);
	int taken = part_exists(best);
	int bad = newest < -1 || taken < 0 ? -1 : 0;

	if (!bad && taken && force && unlink(best)) bad = fail("%s:", best);
	if (taken > 0 && !force) bad = fail("%s: exists, -f overwrites it", best);
	if (newest >= 0 && !force)
		bad = fail("%s.%" PRId64 ": a state of another run; a run goes on from it when it "
			   "is moved to %s, -f starts afresh",
			   r->name, newest, r->part);
	free(best);
	if (bad) return -1;
	if (newest >= 0)
		note("%s.%" PRId64 ": a state of another run, removed with those before it",
		     r->name, newest);
	return trim(r, -1, 0);
}

static int64_t target(const struct ring *r, const struct setback *s)
{
	int64_t at = ring_newest(r, INT64_MAX), older;

	if (s->count && at == s->to && (older = ring_newest(r, at)) >= 0) return older;
	return at;
}

int ring_return(const struct ring *r, struct gan *g, int64_t from, int how)
{
	int64_t at = target(r, &g->setback);
	struct gan earlier;

	if (at < -1) return -1;
	if (at < 0) return fail("%s.STEP: none is left to go back to", r->name);
	char *path = kept_name(r, at);
	int bad = gan_load(&earlier, path);
	if (!bad) {
		bad = gan_restore(g, &earlier);
		gan_free(&earlier);
	}
	free(path);
	if (bad) return -1;
	g->setback = (struct setback){ g->setback.count + 1, from, at, how };
	return gan_save(g, r->part) || trim(r, at, r->keep) ? -1 : 0;
}
