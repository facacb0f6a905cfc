/* torch_walk: over the dictionaries in dictionaries that modules are, with the names that lead to
 * them. */
#include "formats/torch.h"
#include "lib/base/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = (int)LEN(((struct torch_walk *)0)->in), STEPS_MAX = 1 << 16 };

int torch_prefix(struct torch_walk *w, const struct pickle_item *key)
{
	char *longer = torch_name(w->path, w->prefix, key);

	if (!longer) return -1;
	snprintf(w->prefix, sizeof w->prefix, "%s.", longer);
	free(longer);
	return 0;
}

int torch_enter(struct torch_walk *w, struct torch_pairs pairs)
{
	if (w->depth == DEPTH_MAX)
		return fail("%s: modules in modules, %d deep", w->path, DEPTH_MAX);
	w->in[w->depth].left = pairs;
	w->in[w->depth++].prefix = strlen(w->prefix);
	return 0;
}

int torch_next(struct torch_walk *w, const struct pickle_item **key,
	const struct pickle_item **value)
{
	while (w->depth && !w->in[w->depth - 1].left.n) w->depth--;
	if (!w->depth) return 0;
	if (w->steps++ == STEPS_MAX)
		return fail("%s: modules with more than %d attributes", w->path, STEPS_MAX);
	struct torch_pairs *left = &w->in[w->depth - 1].left;
	w->prefix[w->in[w->depth - 1].prefix] = '\0';
	*key = left->at[0];
	*value = left->at[1];
	left->at += 2;
	left->n -= 2;
	return 1;
}
