/* torch: from the inert pickle of a checkpoint to named tensors: which dictionary holds the
 * network, what its tensors are called, where their elements lie. */
#include "formats/torch.h"
#include "formats/json.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANK_MAX = (int)LEN(((struct torch_view *)0)->shape), DEPTH_MAX = 4 };

int torch_type_of(const char *path, const struct pickle_item *x, const char *suffix,
	struct torch_type *type)
{
	static const struct { const char *name; struct torch_type type; } known[] = {
		{ "Float", { DT_F32, 4 } },    { "Double", { DT_F64, 8 } },
		{ "Half", { DT_F16, 2 } },     { "BFloat16", { DT_BF16, 2 } },
		{ "Long", { DT_I64, 8 } },     { "Int", { DT_I32, 4 } },
		{ "Short", { DT_I16, 2 } },    { "Char", { DT_I8, 1 } },
		{ "Byte", { DT_U8, 1 } },      { "Bool", { DT_BOOL, 1 } },
		{ "Untyped", { DT_U8, 1 } },   { "ComplexFloat", { 0, 8 } },
		{ "ComplexDouble", { 0, 16 } },
	};
	static const char *const modules[] = { "torch", "torch.cuda", "torch.storage" };
	char name[32];

	for (size_t k = 0; k < LEN(known); k++)
		for (size_t i = 0; i < LEN(modules); i++) {
			snprintf(name, sizeof name, "%s%s", known[k].name, suffix);
			if (!pickle_names(x, modules[i], name)) continue;
			*type = known[k].type;
			return 0;
		}
	if (x->kind != PICKLE_GLOBAL) return fail("%s: an element type that is no name", path);
	return fail("%s: found elements of type %.*s, which are not read here", path,
		(int)x->child[1]->n, x->child[1]->text);
}

int64_t torch_count(const char *path, const struct pickle_item *x, uint32_t i)
{
	const struct pickle_item *c = x->child[i];

	if (c->kind == PICKLE_INT && c->i >= 0) return c->i;
	return fail("%s: found a size, stride or offset that is no number of 0 or more", path);
}

int torch_tuple(const char *path, const struct pickle_item *x, uint32_t n, const char *what)
{
	if (x->kind == PICKLE_TUPLE && x->n >= n) return 0;
	return fail("%s: %s is no tuple of %u or more", path, what, (unsigned)n);
}

/* "module.name" of what an item is or calls, for messages. */
static void describe(const struct pickle_item *x, char *text, size_t n)
{
	while (x->kind == PICKLE_CALL && x->child[0]->kind == PICKLE_CALL) x = x->child[0];
	if (x->kind == PICKLE_CALL) x = x->child[0];
	if (x->kind == PICKLE_GLOBAL)
		snprintf(text, n, "%.*s.%.*s", (int)x->child[0]->n, x->child[0]->text,
			(int)x->child[1]->n, x->child[1]->text);
	else
		snprintf(text, n, "other values");
}

/* What a Parameter, or a tensor with extra state, wraps; NULL when there is nothing inside. */
static const struct pickle_item *unwrap(const struct pickle_item *x)
{
	static const char *const wraps[][2] = {
		{ "torch._utils", "_rebuild_parameter" }, { "torch.nn.parameter", "Parameter" },
		{ "torch._utils", "_rebuild_parameter_with_state" },
	};

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		bool wrapped = false;
		for (size_t i = 0; i < LEN(wraps); i++)
			wrapped |= pickle_calls(x, wraps[i][0], wraps[i][1]);
		if (!wrapped) return x;
		const struct pickle_item *args = x->child[1], *state = x->child[2];
		if (!args->n) args = state;  /* (data, gradient, hooks ...) */
		if (args->kind != PICKLE_TUPLE || !args->n) return NULL;
		x = args->child[0];
	}
	return NULL;
}

static bool is_tensor(const struct pickle_item *x)
{
	return x->kind == PICKLE_ID || pickle_calls(x, "torch._utils", "_rebuild_tensor_v2") ||
		pickle_calls(x, "torch._utils", "_rebuild_tensor");
}

/* Arguments: storage, offset, sizes, strides, and what training needs. */
static int read_rebuild(struct torch_reader *r, const struct pickle_item *args,
	struct torch_view *v)
{
	const char *path = r->to->path;

	if (torch_tuple(path, args, 4, "a tensor's description")) return -1;
	const struct pickle_item *from = args->child[0], *size = args->child[2],
		*stride = args->child[3];
	bool load = r->load && pickle_calls(from, "torch.storage", "_load_from_bytes");
	if (!load && from->kind != PICKLE_ID)
		return fail("%s: a tensor without a storage", path);
	if (load ? r->load(r, from->child[1], v) : r->resolve(r, from->child[0], v)) return -1;
	if (v->placed) return fail("%s: a tensor of a tensor", path);
	if (torch_tuple(path, size, 0, "a tensor's size") ||
	    torch_tuple(path, stride, size->n, "a tensor's stride"))
		return -1;
	if (size->n > RANK_MAX || stride->n != size->n)
		return fail("%s: found %u sizes and %u strides, expected at most %d of each", path,
			(unsigned)size->n, (unsigned)stride->n, RANK_MAX);
	v->rank = size->n;
	v->placed = true;
	if ((v->at = torch_count(path, args, 1)) < 0) return -1;
	for (uint32_t i = 0; i < size->n; i++) {
		v->shape[i] = torch_count(path, size, i);
		v->stride[i] = torch_count(path, stride, i);
		if (v->shape[i] < 0 || v->stride[i] < 0) return -1;
	}
	return 0;
}

/* Elements of a view that lies inside its storage and is no larger than a file can be: index of the
 * last = at + sum of (size - 1) * stride < elements of the storage.  -1 after fail(). */
static int64_t check_view(const char *path, const char *name, const struct torch_view *v)
{
	int64_t bytes = (int64_t)v->type.size, last = v->at;
	bool empty = false, over = false;

	for (int64_t k = 0; k < v->rank; k++) {
		int64_t step;
		empty |= !v->shape[k];
		over |= __builtin_mul_overflow(bytes, v->shape[k] ? v->shape[k] : 1, &bytes) ||
			__builtin_mul_overflow(v->shape[k] - 1, v->stride[k], &step) ||
			__builtin_add_overflow(last, step, &last);
		if (over) return fail("%s: %s: no tensor is as large", path, name);
	}
	if (empty) return 0;
	if (last < v->count) return bytes / (int64_t)v->type.size;
	return fail("%s: %s: element %lld of a storage of %lld", path, name, (long long)last,
		(long long)v->count);
}

static bool is_packed(const struct torch_view *v)
{
	int64_t step = 1;

	for (int64_t k = v->rank; k-- > 0; step *= v->shape[k])
		if (v->shape[k] != 1 && v->stride[k] != step) return false;
	return true;
}

/* Elements in C order from wherever the strides say. */
static void copy_view(const struct torch_view *v, int64_t n, char *to)
{
	int64_t index[RANK_MAX] = { 0 }, at = v->at;
	size_t size = v->type.size;

	for (int64_t e = 0; e < n; e++, to += size) {
		memcpy(to, (const char *)v->storage + (size_t)at * size, size);
		for (int64_t k = v->rank; k-- > 0;) {
			at += v->stride[k];
			if (++index[k] < v->shape[k]) break;
			at -= v->stride[k] * v->shape[k];
			index[k] = 0;
		}
	}
}

/* Views may be larger than what they show; together they may take as much as the archive rule. */
static int add_view(struct torch_reader *r, const char *name, const struct torch_view *v)
{
	struct tensors *t = r->to;
	int64_t n = check_view(t->path, name, v);
	const void *data = "";

	if (n < 0) return -1;
	size_t bytes = (size_t)n * v->type.size;
	if (n && is_packed(v)) data = (const char *)v->storage + (size_t)v->at * v->type.size;
	else if (n) {
		size_t most = 16 * ((size_t)1 << 20) + 16 * r->file_bytes;
		if (bytes > most - r->copied)
			return fail("%s: %s: views hold more than %zu bytes", t->path, name, most);
		r->copied += bytes;
		char *copy = mem_big(bytes, 1, name);
		if (!copy) return -1;
		tensors_own(t, copy);
		copy_view(v, n, copy);
		data = copy;
	}
	tensors_add(t, name, v->type.type, (int)v->rank, v->shape, data);
	return 0;
}

/* A dictionary's items, whether written as one or as OrderedDict(list of pairs). */
struct dict { uint32_t n; const struct pickle_item **item; };     /* key, value, key ... */

static bool is_dict(const struct pickle_item *x)
{
	return x->kind == PICKLE_DICT || pickle_calls(x, "collections", "OrderedDict");
}

/* False when an OrderedDict is made from something that is no list of pairs. */
static bool dict_open(struct dict *d, const struct pickle_item *x)
{
	uint32_t skip = x->kind == PICKLE_CALL ? 3 : 0;
	const struct pickle_item *args = skip ? x->child[1] : NULL, *list = NULL;

	if (args && args->n) list = args->child[0];
	if (list && (list->kind != PICKLE_LIST || args->n > 1)) return false;
	size_t pairs = list ? list->n : 0;
	*d = (struct dict){ .item = mem_new(2 * pairs + x->n, sizeof *d->item) };
	for (size_t i = 0; i < pairs; i++) {
		const struct pickle_item *p = list->child[i];
		if ((p->kind != PICKLE_LIST && p->kind != PICKLE_TUPLE) || p->n != 2) {
			free(d->item);
			return false;
		}
		d->item[d->n++] = p->child[0];
		d->item[d->n++] = p->child[1];
	}
	for (uint32_t i = skip; i < x->n; i++) d->item[d->n++] = x->child[i];
	return true;
}

/* Names under which training scripts keep the network, the outermost first. */
static const struct pickle_item *inner(const struct dict *d, const char **name)
{
	static const char *const known[] = {
		"state_dict", "model_state_dict", "state_dict_best", "feat_model", "model", "net",
		"G_ema", "teacher", "student",
	};

	for (size_t k = 0; k < LEN(known); k++)
		for (uint32_t i = 0; i < d->n; i += 2)
			if (pickle_says(d->item[i], known[k]) && is_dict(d->item[i + 1])) {
				*name = known[k];
				return d->item[i + 1];
			}
	return NULL;
}

/* The innermost dictionary of a network, its way noted as "chosen". */
static int choose(struct torch_reader *r, const struct pickle_item *x, struct dict *d)
{
	char way[128] = "";

	for (int depth = 0; ; depth++) {
		const char *name;
		if (depth == DEPTH_MAX)
			return fail("%s: dictionaries in dictionaries, %d deep", r->to->path,
				depth);
		if (!is_dict(x) || !dict_open(d, x)) {
			char what[160];
			describe(x, what, sizeof what);
			return fail("%s: found %s, expected a dictionary of tensors", r->to->path,
				what);
		}
		const struct pickle_item *in = inner(d, &name);
		if (!in) break;
		snprintf(way + strlen(way), sizeof way - strlen(way), "%s%s", depth ? "/" : "",
			name);
		x = in;
		free(d->item);
	}
	if (*way) tensors_add_meta(r->to, "chosen", way);
	return 0;
}

bool torch_is_text(const struct pickle_item *x)
{
	if (x->kind != PICKLE_TEXT || x->n > TORCH_NAME_MAX) return false;
	const unsigned char *p = (const unsigned char *)x->text, *end = p + x->n;
	int n = 1;
	for (; n && p < end; p += n) n = *p ? json_utf8(p, end) : 0;
	return n;
}

char *torch_name(const char *path, const char *prefix, const struct pickle_item *x)
{
	size_t before = strlen(prefix);

	if (x->kind != PICKLE_TEXT || before + x->n > TORCH_NAME_MAX) {
		fail("%s: found a key that is no name of %d bytes at most", path, TORCH_NAME_MAX);
		return NULL;
	}
	if (!torch_is_text(x)) {
		fail("%s: found a tensor's name that is not UTF-8", path);
		return NULL;
	}
	return mem_text("%s%.*s", prefix, (int)x->n, x->text);
}

int torch_add(struct torch_reader *r, const char *prefix, const struct pickle_item *key,
	const struct pickle_item *value)
{
	const struct pickle_item *x = unwrap(value);
	struct torch_view v = { 0 };
	char what[160];

	/* Counters and settings beside the tensors */
	if (x && x->kind < PICKLE_GLOBAL) return 0;
	char *name = torch_name(r->to->path, prefix, key);
	if (!name) return -1;
	int bad = 0;
	if (!x || !is_tensor(x)) {
		describe(value, what, sizeof what);
		bad = fail("%s: %s: found %s, expected a tensor", r->to->path, name, what);
	} else if (x->kind == PICKLE_ID) {
		bad = r->resolve(r, x->child[0], &v);
		if (!bad && !v.placed)
			bad = fail("%s: %s: found a storage, expected a tensor", r->to->path, name);
	} else
		bad = read_rebuild(r, x->child[1], &v);
	if (!bad && !v.type.type) tensors_add_meta(r->to, "left out", name);
	else if (!bad) bad = add_view(r, name, &v);
	free(name);
	return bad;
}

/* What training puts before the names of a network, the outermost first: before all of them, or
 * before those that are the network while the rest are another. */
static const struct { const char *text; bool rest; } wraps[] = {
	{ "module.", false },                /* DataParallel */
	{ "encoder_q.", true },              /* MoCo: the other encoder, the queue */
	{ "backbone.", true },               /* DINO: the head */
	{ "encoder.", false }, { "model.", false }, { "net.", false },
};

static int begin_so(const struct tensors *t, const char *text)
{
	int n = 0;

	for (int i = 0; i < t->n; i++) n += !strncmp(t->t[i].name, text, strlen(text));
	return n;
}

static void strip_names(struct tensors *t)
{
	char prefix[64] = "", longer[64];
	int with = t->n, kept = 0;

	for (size_t k = 0; k < LEN(wraps); k++) {
		snprintf(longer, sizeof longer, "%s%s", prefix, wraps[k].text);
		int n = begin_so(t, longer);
		if (!n || (n < with && !wraps[k].rest)) continue;
		with = n;
		strcpy(prefix, longer);
	}
	size_t length = strlen(prefix);
	for (int i = 0; i < t->n; i++) {
		char *name = t->t[i].name;
		if (strncmp(name, prefix, length)) {
			tensors_add_meta(t, "left out", name);
			free(name);
			continue;
		}
		memmove(name, name + length, strlen(name) - length + 1);
		t->t[kept++] = t->t[i];
	}
	t->n = kept;
	if (length) tensors_add_meta(t, "stripped", prefix);
}

int torch_names(struct torch_reader *r)
{
	if (!r->to->n) return fail("%s: found no tensors", r->to->path);
	strip_names(r->to);
	return tensors_unique(r->to, r->to->path, false);
}

int torch_state(struct torch_reader *r, const struct pickle_item *root)
{
	struct dict d;
	int bad = 0;

	if (choose(r, root, &d)) return -1;
	for (uint32_t i = 0; i < d.n && !bad; i += 2)
		bad = torch_add(r, "", d.item[i], d.item[i + 1]);
	free(d.item);
	return bad ? -1 : torch_names(r);
}
