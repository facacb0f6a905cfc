/* pickle: Python's pickles, protocols 0 to 5, read as inert trees: nothing is imported, called or
 * evaluated, what a program would call becomes an item that says so. */
#ifndef IC_PICKLE_H
#define IC_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pickle_kind {
	PICKLE_NONE, PICKLE_BOOL, PICKLE_INT, PICKLE_FLOAT,
	PICKLE_BIG,                          /* integer of more than 64 bits: text, n bytes */
	PICKLE_TEXT,                         /* text or bytes: text, n bytes, no NUL at the end */
	PICKLE_TUPLE, PICKLE_LIST, PICKLE_SET,
	PICKLE_DICT,                         /* child: key, value, key, value ... */
	PICKLE_GLOBAL,                       /* child: module, name */
	PICKLE_CALL,                         /* child: called, arguments, state, then pairs */
	PICKLE_ID,                           /* persistent id; child: the id */
};

struct pickle_item {
	enum pickle_kind kind;
	uint32_t n, room;                    /* children, or bytes of text */
	union {
		int64_t i;                   /* and booleans */
		double f;
		const char *text;            /* borrowed from the pickle's bytes */
		struct pickle_item **child;
	};
};

struct pickle {
	const struct pickle_item *root;
	size_t used;                         /* bytes up to and with the end mark */
	struct pickle_chunk *chunks;         /* all items */
	int n_items;
	int n_ids, ids_room;
	struct pickle_item **ids;            /* persistent ids, in the order they are named */
};

/* The pickle at the start of n bytes, which must outlive it; `name` is for messages.  0 or -1;
 * items may be shared and may contain themselves, so a walk needs a limit of its own. */
int pickle_read(struct pickle *, const char *name, const void *bytes, size_t n);
void pickle_free(struct pickle *);           /* accepts a zeroed struct */

bool pickle_says(const struct pickle_item *, const char *text);      /* a text equal to this */
bool pickle_names(const struct pickle_item *, const char *module, const char *name);
bool pickle_calls(const struct pickle_item *, const char *module, const char *name);
/* The bytes an item stands for, borrowed from the pickle with *owned NULL, or made into *owned, to
 * be freed; NULL after fail(). */
const void *pickle_bytes(const struct pickle_item *, const char *path, size_t *n, void **owned);

#endif
