/* npy_dict: from the inert pickle of an array of one dictionary to named tensors. */
#include "formats/npy_dict.h"
#include "formats/pickle.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANK_MAX = (int)LEN(((struct npy_array *)0)->shape), TIMES = 8 };

struct reader {
	struct tensors *to;
	size_t left;                 /* bytes arrays may still hold: a pickle may name one twice */
};

/* NumPy 2 moved what older pickles call numpy.core. */
static bool calls(const struct pickle_item *x, const char *module, const char *name)
{
	char old[32], new[32];

	if (x->kind != PICKLE_CALL) return false;
	snprintf(old, sizeof old, "numpy.core.%s", module);
	snprintf(new, sizeof new, "numpy._core.%s", module);
	return pickle_names(x->child[0], old, name) || pickle_names(x->child[0], new, name);
}

/* The state of an array: (1, shape, type, in Fortran order, contents); NULL when it is none. */
static const struct pickle_item *state_of(const struct pickle_item *x)
{
	if (!calls(x, "multiarray", "_reconstruct")) return NULL;
	const struct pickle_item *s = x->child[2];
	return s->kind == PICKLE_TUPLE && s->n == 5 && s->child[1]->kind == PICKLE_TUPLE ? s : NULL;
}

/* dtype("f4", ...) with state (3, "<", ...) is "<f4". */
static int take_type(const struct pickle_item *x, struct npy_array *a)
{
	const struct pickle_item *args = NULL, *state = NULL;
	char text[8];

	if (x->kind == PICKLE_CALL && pickle_names(x->child[0], "numpy", "dtype"))
		args = x->child[1], state = x->child[2];
	if (!args || !args->n || args->child[0]->kind != PICKLE_TEXT || args->child[0]->n > 4 ||
		state->kind != PICKLE_TUPLE || state->n < 2 ||
		state->child[1]->kind != PICKLE_TEXT || state->child[1]->n != 1)
		return fail("%s: found an element type that is no plain dtype", a->name);
	snprintf(text, sizeof text, "%c%.*s", *state->child[1]->text, (int)args->child[0]->n,
		args->child[0]->text);
	return npy_type(a, text);
}

static int take_shape(const struct pickle_item *x, struct npy_array *a)
{
	bool good = x->kind == PICKLE_TUPLE && x->n <= RANK_MAX;

	for (uint32_t i = 0; good && i < x->n; i++) {
		good = x->child[i]->kind == PICKLE_INT && x->child[i]->i >= 0;
		a->shape[i] = x->child[i]->i;
	}
	a->rank = good ? (int)x->n : 0;
	return good ? 0 :
		fail("%s: the shape is not a tuple of up to %d numbers", a->name, RANK_MAX);
}

static int take_elements(struct reader *r, const struct pickle_item *x, struct npy_array *a,
	struct tensor *to)
{
	void *owned;

	a->bytes = pickle_bytes(x, a->name, &a->n, &owned);
	if (!a->bytes) return -1;
	int bad = a->n > r->left ?
		fail("%s: arrays hold more than %d times the file", a->name, TIMES) :
		npy_elements(to, a);
	if (!bad) r->left -= a->n;
	free(owned);
	return bad;
}

/* dtype("U9", ...) or dtype("S9", ...) */
static bool is_texts(const struct pickle_item *type)
{
	const struct pickle_item *args = type->kind == PICKLE_CALL ? type->child[1] : NULL;

	return args && args->n && args->child[0]->kind == PICKLE_TEXT && args->child[0]->n &&
		strchr("US", *args->child[0]->text);
}

/* _reconstruct(...) with state (1, shape, type, in Fortran order, bytes), or since protocol 5
 * _frombuffer(bytes, type, shape, order), or scalar(type, bytes). */
static bool is_array(const struct pickle_item *x)
{
	const struct pickle_item *s = state_of(x), *type = s ? s->child[2] : NULL;

	if (calls(x, "numeric", "_frombuffer") && x->child[1]->n == 4) type = x->child[1]->child[1];
	if (calls(x, "multiarray", "scalar") && x->child[1]->n == 2) type = x->child[1]->child[0];
	return type && !is_texts(type) && (!s || s->child[4]->kind != PICKLE_LIST);
}

static int read_array(struct reader *r, const struct pickle_item *x, struct tensor *to)
{
	struct npy_array a = { .name = r->to->path };
	const struct pickle_item *s = state_of(x), *args = x->child[1];

	if (s) {
		a.fortran = s->child[3]->kind == PICKLE_BOOL && s->child[3]->i;
		return take_shape(s->child[1], &a) || take_type(s->child[2], &a) ?
			-1 : take_elements(r, s->child[4], &a, to);
	}
	if (args->n == 2)
		return take_type(args->child[0], &a) ?
			-1 : take_elements(r, args->child[1], &a, to);
	a.fortran = pickle_says(args->child[3], "F");
	return take_type(args->child[1], &a) || take_shape(args->child[2], &a) ?
		-1 : take_elements(r, args->child[0], &a, to);
}

/* A whole number of Python's, or NumPy's. */
static int read_integer(struct reader *r, const struct pickle_item *x, int64_t *to)
{
	struct tensor t = { 0 };

	if (x->kind == PICKLE_INT) {
		*to = x->i;
		return 0;
	}
	if (read_array(r, x, &t)) return -1;
	int bad = t.count == 1 ? tensor_ints(r->to->path, &t, to) :
		fail("%s: found an array in a list of numbers", r->to->path);
	free((void *)t.data);
	return bad;
}

static bool is_integers(const struct pickle_item *x)
{
	bool good = x->kind == PICKLE_LIST && x->n;

	for (uint32_t i = 0; good && i < x->n; i++)
		good = x->child[i]->kind == PICKLE_INT ||
			(calls(x->child[i], "multiarray", "scalar") && is_array(x->child[i]));
	return good;
}

static int read_integers(struct reader *r, const struct pickle_item *x, struct tensor *to)
{
	size_t bytes = x->n * sizeof(int64_t);

	if (bytes > r->left)
		return fail("%s: arrays hold more than %d times the file", r->to->path, TIMES);
	r->left -= bytes;
	int64_t *v = mem_big(x->n, sizeof *v, r->to->path);
	for (uint32_t i = 0; v && i < x->n; i++)
		if (read_integer(r, x->child[i], &v[i])) {
			free(v);
			return -1;
		}
	*to = (struct tensor){ .type = DT_I64, .rank = 1, .shape = { x->n }, .count = x->n,
		.data = v };
	return v ? 0 : -1;
}

/* A key as text: letters, digits and underscores; NULL after fail(). */
static char *key_of(const char *path, const struct pickle_item *x)
{
	bool good = x->kind == PICKLE_TEXT && x->n && x->n < 64;

	for (uint32_t i = 0; good && i < x->n; i++)
		good = isalnum((unsigned char)x->text[i]) || x->text[i] == '_';
	if (good) return mem_text("%.*s", (int)x->n, x->text);
	fail("%s: found a key that is no name", path);
	return NULL;
}

static int add_pair(struct reader *r, const struct pickle_item *key, const struct pickle_item *x)
{
	char *name = key_of(r->to->path, key);
	struct tensor t = { 0 };
	int bad = !name;

	if (name && tensors_find(r->to, name))
		bad = fail("%s: the key %s is given twice", r->to->path, name);
	else if (name && (is_array(x) || is_integers(x))) {
		bad = is_array(x) ? read_array(r, x, &t) : read_integers(r, x, &t);
		if (!bad) {
			tensors_own(r->to, (void *)t.data);
			tensors_add(r->to, name, t.type, t.rank, t.shape, t.data);
		}
	} else if (name)
		tensors_add_meta(r->to, "left out", name);
	free(name);
	return bad ? -1 : 0;
}

/* The dictionary in an array () of objects; NULL when it is not that. */
static const struct pickle_item *dict_of(const struct pickle_item *root)
{
	const struct pickle_item *s = state_of(root), *list = s ? s->child[4] : NULL;

	if (!s || s->child[1]->n || list->kind != PICKLE_LIST || list->n != 1) return NULL;
	return list->child[0]->kind == PICKLE_DICT ? list->child[0] : NULL;
}

int npy_dict(struct tensors *t, const struct npy_array *a)
{
	struct reader r = { t, a->n > SIZE_MAX / TIMES ? SIZE_MAX : TIMES * a->n };
	struct pickle p;
	int bad = 0;

	if (pickle_read(&p, a->name, a->bytes, a->n)) return -1;
	const struct pickle_item *d = a->rank || p.used != a->n ? NULL : dict_of(p.root);
	if (!d)
		bad = fail("%s: found Python's objects, expected numbers or one dictionary of "
			"arrays", a->name);
	for (uint32_t i = 0; !bad && i < d->n; i += 2)
		bad = add_pair(&r, d->child[i], d->child[i + 1]);
	pickle_free(&p);
	if (!bad && !tensors_find(t, "instance_features") && !tensors_find(t, "center_examples"))
		bad = fail("%s: found neither instance_features nor center_examples", a->name);
	return bad;
}
