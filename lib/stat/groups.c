/* groups: lists of names, ranges of class counts, and the rows they choose. */
#include "lib/stat/groups.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static struct group *add(struct groups *s)
{
	s->group = mem_grow(s->group, (size_t)s->n + 1, sizeof *s->group);
	s->group[s->n] = (struct group){ .name = NULL };
	return &s->group[s->n++];
}

static int parse_one(struct groups *s, const char *text, size_t n)
{
	const char *colon = memchr(text, ':', n);
	size_t name = colon ? (size_t)(colon - text) : n;

	if (!name || name + 1 >= n)
		return fail("found '%.*s', expected NAME:TEXT", (int)n, text);
	for (size_t i = 0; i < name; i++)
		if (iscntrl((unsigned char)text[i])) return fail("a name of unprintable letters");
	for (int i = 0; i < s->n; i++)
		if (strlen(s->group[i].name) == name && !memcmp(s->group[i].name, text, name))
			return fail("found '%.*s' twice", (int)name, text);
	struct group *g = add(s);
	g->name = mem_text("%.*s", (int)name, text);
	g->text = mem_text("%.*s", (int)(n - name - 1), colon + 1);
	return 0;
}

int groups_parse(struct groups *s, const char *list)
{
	*s = (struct groups){ .n = 0 };
	for (const char *p = list; ; p++) {
		size_t n = strcspn(p, ",");
		if (parse_one(s, p, n)) {
			groups_close(s);
			return -1;
		}
		p += n;
		if (!*p) return 0;
	}
}

/* Digits to *value, or none; false when the number is too large. */
static bool number(const char **text, int64_t *value)
{
	const char *p = *text;

	if (!isdigit((unsigned char)*p)) return true;
	for (*value = 0; isdigit((unsigned char)*p); p++) {
		if (*value > INT64_MAX / 10 - 1) return false;
		*value = *value * 10 + (*p - '0');
	}
	*text = p;
	return true;
}

int groups_ranges(struct groups *s)
{
	for (int i = 0; i < s->n; i++) {
		struct group *g = &s->group[i];
		const char *p = g->text;
		g->low = 0;
		g->high = INT64_MAX;
		bool good = number(&p, &g->low) && *p++ == '-' && number(&p, &g->high) && !*p;
		if (!good || g->low > g->high || !strcmp(g->text, "-"))
			return fail("found '%s:%s', expected LOW-HIGH, LOW- or -HIGH rows of a "
				"class", g->name, g->text);
	}
	return 0;
}

static int ascending(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

static int ascending_label(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

/* The place after the last of the labels that equal labels[i]. */
static int64_t run_end(const uint32_t *labels, int64_t i, int64_t n)
{
	uint32_t label = labels[i];

	while (i < n && labels[i] == label) i++;
	return i;
}

static void append(struct group *g, uint64_t value)
{
	if (!(g->n & (g->n - 1)))            /* 0, 1, 2, 4, 8 ...: double */
		g->value = mem_grow(g->value, g->n ? 2 * (size_t)g->n : 1, sizeof *g->value);
	g->value[g->n++] = value;
}

void groups_by_count(struct groups *s, uint32_t *labels, int64_t n)
{
	qsort(labels, (size_t)n, sizeof *labels, ascending_label);
	for (int64_t i = 0, end; i < n; i = end) {
		end = run_end(labels, i, n);
		for (int k = 0; k < s->n; k++) {
			struct group *g = &s->group[k];
			if (end - i >= g->low && end - i <= g->high) append(g, labels[i]);
		}
	}
}

void groups_by_label(struct groups *s, uint32_t *labels, int64_t n)
{
	*s = (struct groups){ .n = 0 };
	qsort(labels, (size_t)n, sizeof *labels, ascending_label);
	for (int64_t i = 0; i < n; i = run_end(labels, i, n)) {
		struct group *g = add(s);
		g->name = mem_text("%u", (unsigned)labels[i]);
		append(g, labels[i]);
	}
}

void group_fill(struct group *g, uint64_t *value, int64_t n)
{
	if (n) qsort(value, (size_t)n, sizeof *value, ascending);
	g->value = value;
	g->n = n;
}

void groups_close(struct groups *s)
{
	for (int i = 0; i < s->n; i++) {
		free(s->group[i].name);
		free(s->group[i].text);
		free(s->group[i].value);
	}
	free(s->group);
	*s = (struct groups){ .n = 0 };
}

int64_t group_pick(const struct group *g, const uint64_t *keys, const uint32_t *labels,
	int64_t count, uint32_t *at)
{
	int64_t n = 0;

	for (int64_t i = 0; i < count && g->n; i++) {
		uint64_t value = keys ? keys[i] : labels[i];
		if (bsearch(&value, g->value, (size_t)g->n, sizeof value, ascending))
			at[n++] = (uint32_t)i;
	}
	return n;
}
