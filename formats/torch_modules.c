/* torch_modules: a pickle of modules as StyleGAN2-ADA saves its networks, a dictionary of them or
 * one, each with its tensors, its attributes and the modules inside; each storage is a legacy file
 * of its own.  The source code that comes along is not looked at. */
#include "formats/torch.h"
#include "formats/json.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* VERSION: of what torch_utils/persistence.py writes. */
enum { VERSION = 6, NESTED_MAX = 8, VISITED_MAX = 1 << 16, ATTRIBUTES_MAX = 1 << 20 };

struct modules {
	struct torch_reader r;
	struct torch_walk w;
	const char *file;                    /* its first byte */
	int n;                               /* modules of the root */
	size_t loaded;                       /* bytes of storages */
	size_t visited, written;             /* attributes, and their bytes as JSON */
};

/* A dictionary as it is, or one of two classes that were filled by items. */
static bool take_pairs(const struct pickle_item *x, struct torch_pairs *to)
{
	bool call = pickle_calls(x, "collections", "OrderedDict") ||
		pickle_calls(x, "dnnlib.util", "EasyDict");

	if ((!call && x->kind != PICKLE_DICT) || (call && x->child[1]->n)) return false;
	*to = call ? (struct torch_pairs){ x->child + 3, x->n - 3 } :
		(struct torch_pairs){ x->child, x->n };
	return true;
}

/* As in Python the last of equal keys counts; NULL when it is absent. */
static const struct pickle_item *get(struct torch_pairs d, const char *key)
{
	for (; d.n; d.n -= 2)
		if (pickle_says(d.at[d.n - 2], key)) return d.at[d.n - 1];
	return NULL;
}

static bool get_pairs(struct torch_pairs d, const char *key, struct torch_pairs *to)
{
	const struct pickle_item *x = get(d, key);
	return x && take_pairs(x, to);
}

/* The attributes of a module, of torch_utils.persistence or as PyTorch's own are saved: 1, 0 when x
 * is no module, -1 after fail(). */
static int take_module(const char *path, const struct pickle_item *x, struct torch_pairs *state)
{
	struct torch_pairs d;

	if (x->kind != PICKLE_CALL) return 0;
	const struct pickle_item *args = x->child[1], *held = x->child[2], *type, *version;
	if (pickle_calls(x, "torch_utils.persistence", "_reconstruct_persistent_obj")) {
		if (args->n != 1 || !take_pairs(args->child[0], &d) || !(type = get(d, "type")) ||
			!(version = get(d, "version")) || !(held = get(d, "state")))
			return fail("%s: found a module without type, version and state", path);
		if (!pickle_says(type, "class") || version->kind != PICKLE_INT ||
			version->i != VERSION)
			return fail("%s: found a module that is not of type class, version %d",
				path, VERSION);
	}
	return take_pairs(held, state) && get_pairs(*state, "_parameters", &d) &&
		get_pairs(*state, "_buffers", &d) && get_pairs(*state, "_modules", &d);
}

/* torch.storage._load_from_bytes(bytes); together they may hold as much as the archive rule, since
 * many tensors may name one. */
static int load(struct torch_reader *r, const struct pickle_item *args, struct torch_view *v)
{
	struct modules *m = r->ctx;
	size_t n, most = 16 * ((size_t)1 << 20) + 16 * r->file_bytes;
	void *owned;

	if (args->n != 1) return fail("%s: found a storage without its bytes", r->to->path);
	const struct pickle_item *x = args->child[0];
	const char *bytes = pickle_bytes(x, r->to->path, &n, &owned);
	if (!bytes) return -1;
	if (owned) tensors_own(r->to, owned);
	if (n > most - m->loaded)
		return fail("%s: storages hold more than %zu bytes", r->to->path, most);
	m->loaded += n;
	const char *at = owned ? x->child[1]->child[0]->text : bytes;
	char *name = mem_text("%s: storage at byte %zu", r->to->path, (size_t)(at - m->file));
	int bad = torch_legacy_storage(name, bytes, n, v);
	free(name);
	return bad;
}

static bool is_plain(const struct pickle_item *x)
{
	return x->kind <= PICKLE_INT || (x->kind == PICKLE_FLOAT && isfinite(x->f)) ||
		torch_is_text(x);
}

static void put_plain(FILE *f, const struct pickle_item *x)
{
	char number[32], *text;

	switch (x->kind) {
	case PICKLE_NONE:
		fputs("null", f);
		break;
	case PICKLE_BOOL:
		fputs(x->i ? "true" : "false", f);
		break;
	case PICKLE_INT:
		fprintf(f, "%lld", (long long)x->i);
		break;
	case PICKLE_FLOAT:
		fputs(record_number(number, x->f), f);
		break;
	default:
		text = mem_text("%.*s", (int)x->n, x->text);
		must(!json_put(f, text));
		free(text);
	}
}

/* Those of a module that PyTorch has not put there itself. */
static bool is_own(const struct pickle_item *key)
{
	if (key->n && *key->text == '_') return pickle_says(key, "_init_kwargs");
	return !pickle_says(key, "training");
}

/* The plain attributes among these as a JSON object; -1 after fail(). */
static int put_attributes(struct modules *m, FILE *f, struct torch_pairs state)
{
	struct torch_pairs in[NESTED_MAX] = { state };
	bool first = true;

	putc('{', f);
	for (int depth = 1; depth;) {
		struct torch_pairs *left = &in[depth - 1], inner;
		if (!left->n) {
			putc('}', f);
			first = false;
			depth--;
			continue;
		}
		const struct pickle_item *key = left->at[0], *x = left->at[1];
		*left = (struct torch_pairs){ left->at + 2, left->n - 2 };
		if (m->visited++ == VISITED_MAX || m->written + (size_t)ftell(f) > ATTRIBUTES_MAX)
			return fail("%s: modules with more than %d attributes or %d bytes of them",
				m->w.path, VISITED_MAX, ATTRIBUTES_MAX);
		bool deeper = take_pairs(x, &inner);
		if (!torch_is_text(key) || (depth == 1 && !is_own(key)) ||
			(!deeper && !is_plain(x)))
			continue;
		if (!first) putc(',', f);
		first = deeper;
		put_plain(f, key);
		putc(':', f);
		if (!deeper) put_plain(f, x);
		else if (depth == NESTED_MAX)
			return fail("%s: attributes in attributes, %d deep", m->w.path, NESTED_MAX);
		else {
			putc('{', f);
			in[depth++] = inner;
		}
	}
	return 0;
}

/* The module's plain attributes are metadata under its name; its tensors, then its modules come
 * next in the walk. */
static int enter(struct modules *m, struct torch_pairs state)
{
	static const char *const parts[] = { "_modules", "_buffers", "_parameters" };
	char *text;
	size_t n;
	FILE *f = mem_stream(&text, &n);

	int bad = put_attributes(m, f, state);
	mem_stream_close(f);
	m->written += n;
	if (!bad && n > strlen("{}")) {
		char *name = mem_text("%s", m->w.prefix);
		if (*name) name[strlen(name) - 1] = '\0';
		tensors_add_meta(m->r.to, name, text);
		free(name);
	}
	free(text);
	for (size_t i = 0; i < LEN(parts) && !bad; i++) {
		struct torch_pairs d;
		must(get_pairs(state, parts[i], &d));
		bad = torch_enter(&m->w, d);
	}
	return bad;
}

/* One module of the root, and all inside. */
static int add_module(struct modules *m, struct torch_pairs state)
{
	const struct pickle_item *key, *x;
	int got, is;

	m->n++;
	if (enter(m, state)) return -1;
	while ((got = torch_next(&m->w, &key, &x)) > 0) {
		if ((is = take_module(m->w.path, x, &state)) < 0) return -1;
		if (is ? torch_prefix(&m->w, key) || enter(m, state) :
		    torch_add(&m->r, m->w.prefix, key, x))
			return -1;
	}
	return got;
}

/* The root is a module, or a dictionary with modules beside other values.  That of StyleGAN2-ADA
 * which transforms pictures in training is left out. */
static int add_root(struct modules *m, const struct pickle_item *root)
{
	struct torch_pairs d, state;
	int is = take_module(m->w.path, root, &state);

	if (is) return is < 0 ? -1 : add_module(m, state);
	if (!take_pairs(root, &d)) return 0;
	for (; d.n; d.at += 2, d.n -= 2) {
		if ((is = take_module(m->w.path, d.at[1], &state)) < 0) return -1;
		if (!is) continue;
		*m->w.prefix = '\0';
		if (pickle_says(d.at[0], "augment_pipe"))
			tensors_add_meta(m->r.to, "left out", "augment_pipe");
		else if (torch_prefix(&m->w, d.at[0]) || add_module(m, state))
			return -1;
	}
	return 0;
}

int torch_modules(struct tensors *t, const void *bytes, size_t n)
{
	struct modules m = { .r = { .to = t, .load = load, .file_bytes = n },
		.w = { .path = t->path }, .file = bytes };
	struct pickle tree;

	if (pickle_read(&tree, t->path, bytes, n)) return -1;
	m.r.ctx = &m;
	int bad = tree.n_ids ? fail("%s: found ids of storages, but no storages", t->path) :
		add_root(&m, tree.root);
	if (!bad && !m.n)
		bad = fail("%s: found a pickle, but none of PyTorch's tensors or modules", t->path);
	if (!bad && tree.used != n)
		bad = fail("%s: found bytes after the pickle's end", t->path);
	bad = bad || torch_names(&m.r);
	pickle_free(&tree);
	return bad ? -1 : 0;
}
