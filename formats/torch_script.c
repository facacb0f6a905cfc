/* torch_script: the tensors of a TorchScript archive's tree of modules, named by the attributes
 * that lead to them; its code is not looked at. */
#include "formats/torch.h"
#include "lib/base/fail.h"

#include <string.h>

static bool begins(const struct pickle_item *text, const char *with)
{
	size_t n = strlen(with);
	return text->kind == PICKLE_TEXT && text->n >= n && !memcmp(text->text, with, n);
}

/* An object of a class of the archive's own code, or of one of TorchScript's. */
static bool is_object(const struct pickle_item *x, const char *module)
{
	return x->kind == PICKLE_CALL && x->child[0]->kind == PICKLE_GLOBAL &&
		begins(x->child[0]->child[0], module);
}

static bool is_module(const struct pickle_item *x)
{
	return is_object(x, "__torch__");
}

/* A module's attributes go under the prefix as it is. */
static int enter(struct torch_walk *w, const struct pickle_item *x)
{
	const struct pickle_item *state = x->child[2];

	if (state->kind != PICKLE_DICT)
		return fail("%s: found a module without attributes", w->path);
	return torch_enter(w, (struct torch_pairs){ state->child, state->n });
}

int torch_script(struct torch_reader *r, const struct pickle_item *root)
{
	struct torch_walk w = { .path = r->to->path };
	const struct pickle_item *key, *value;
	int got;

	if (!is_module(root)) return fail("%s: found no module in a TorchScript archive", w.path);
	if (enter(&w, root)) return -1;
	while ((got = torch_next(&w, &key, &value)) > 0) {
		int bad = 0;
		if (is_module(value)) bad = torch_prefix(&w, key) || enter(&w, value);
		/* a list of numbers, with its type, is passed over */
		else if (!is_object(value, "torch.jit._pickle"))
			bad = torch_add(r, w.prefix, key, value);
		if (bad) return -1;
	}
	return got < 0 ? -1 : torch_names(r);
}
