/* torch_script: the tensors of a TorchScript archive's tree of modules, named by the attributes
 * that lead to them; its code is not looked at. */
#include "formats/torch.h"
#include "lib/base/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Modules may be shared, or contain themselves: how much of a tree is looked at. */
enum { DEPTH_MAX = 32, STEPS_MAX = 1 << 16 };

/* A module being walked: its attributes (name, value, name, value ...), the next one, and how long
 * the prefix of their names is. */
struct module { const struct pickle_item *attributes; uint32_t at; size_t prefix; };

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

/* prefix: "a.b." of the modules walked, the last of them innermost; no longer than any name. */
struct walk { struct module module[DEPTH_MAX]; int depth; char prefix[TORCH_NAME_MAX + 2]; };

static int enter(struct walk *w, const char *path, const struct pickle_item *x)
{
	if (x->child[2]->kind != PICKLE_DICT)
		return fail("%s: found a module without attributes", path);
	if (w->depth == DEPTH_MAX) return fail("%s: modules in modules, %d deep", path, DEPTH_MAX);
	w->module[w->depth++] = (struct module){ x->child[2], 0, strlen(w->prefix) };
	return 0;
}

static int enter_named(struct walk *w, const char *path, const struct pickle_item *name,
	const struct pickle_item *x)
{
	char *longer = torch_name(path, w->prefix, name);

	if (!longer) return -1;
	snprintf(w->prefix, sizeof w->prefix, "%s.", longer);
	free(longer);
	return enter(w, path, x);
}

/* The next attribute of the innermost module. */
static int step(struct walk *w, struct torch_reader *r)
{
	struct module *m = &w->module[w->depth - 1];
	struct pickle_item *const *pair = m->attributes->child + m->at;

	if (m->at == m->attributes->n) {
		w->depth--;
		return 0;
	}
	m->at += 2;
	w->prefix[m->prefix] = '\0';
	if (is_module(pair[1])) return enter_named(w, r->to->path, pair[0], pair[1]);
	/* a list of numbers, with its type */
	if (is_object(pair[1], "torch.jit._pickle")) return 0;
	return torch_add(r, w->prefix, pair[0], pair[1]);
}

int torch_script(struct torch_reader *r, const struct pickle_item *root)
{
	struct walk w = { 0 };

	if (!is_module(root))
		return fail("%s: found no module in a TorchScript archive", r->to->path);
	if (enter(&w, r->to->path, root)) return -1;
	for (int steps = 0; w.depth; steps++) {
		if (steps == STEPS_MAX)
			return fail("%s: modules with more than %d attributes", r->to->path,
				STEPS_MAX);
		if (step(&w, r)) return -1;
	}
	return torch_names(r);
}
