/* pickle: a stack machine that only builds items: limits on instructions, items, slots, stack,
 * marks and memo keep its time below a second and its memory below 64 MiB. */
#include "formats/pickle.h"
#include "formats/pickle_scan.h"
#include "lib/base/mem.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	STEPS_MAX = 1 << 21, ITEMS_MAX = 1 << 20, SLOTS_MAX = 1 << 20, MEMO_MAX = 1 << 20,
	STACK_MAX = 1 << 18, MARKS_MAX = 256, CHUNK = 512, STACK_START = 64, PROTOCOL_MAX = 5
};

struct pickle_chunk { struct pickle_chunk *next; int n; struct pickle_item item[CHUNK]; };

struct machine {
	struct pickle_scan in;
	struct pickle *to;
	struct pickle_item **stack;
	uint32_t n, room;
	uint32_t mark[MARKS_MAX];            /* stack heights */
	int marks;
	struct pickle_item **memo;
	uint32_t memo_n, memo_room;
	size_t slots;                        /* of all children */
	int steps;
	bool stopped;
};

static struct pickle_item none = { .kind = PICKLE_NONE }, truth[2] = {
	{ .kind = PICKLE_BOOL, .i = 0 }, { .kind = PICKLE_BOOL, .i = 1 },
};

static int bad(const struct machine *m, const char *what)
{
	return pickle_scan_bad(&m->in, what);
}

static struct pickle_item *new_item(struct machine *m, enum pickle_kind kind)
{
	struct pickle_chunk *c = m->to->chunks;

	if (m->to->n_items == ITEMS_MAX) {
		bad(m, "more than 1048576 items");
		return NULL;
	}
	if (!c || c->n == CHUNK) {
		c = mem_new(1, sizeof *c);
		c->next = m->to->chunks;
		m->to->chunks = c;
	}
	m->to->n_items++;
	struct pickle_item *x = &c->item[c->n++];
	x->kind = kind;
	return x;
}

static int push(struct machine *m, struct pickle_item *x)
{
	if (!x) return -1;
	if (m->n == STACK_MAX) return bad(m, "the stack is full");
	if (m->n == m->room) {
		m->room *= 2;
		m->stack = mem_grow(m->stack, m->room, sizeof *m->stack);
	}
	m->stack[m->n++] = x;
	return 0;
}

static uint32_t floor_of(const struct machine *m)
{
	return m->marks ? m->mark[m->marks - 1] : 0;
}

/* The top of the stack, not below the last mark; NULL after fail(). */
static struct pickle_item *pop(struct machine *m)
{
	if (m->n > floor_of(m)) return m->stack[--m->n];
	bad(m, "the stack is empty");
	return NULL;
}

static struct pickle_item *top(struct machine *m)
{
	if (m->n > floor_of(m)) return m->stack[m->n - 1];
	bad(m, "the stack is empty");
	return NULL;
}

static int add_children(struct machine *m, struct pickle_item *to, struct pickle_item **from,
	uint32_t n)
{
	if (n > SLOTS_MAX || to->n + n > SLOTS_MAX) return bad(m, "a container is too long");
	if (to->n + n > to->room) {
		uint32_t room = to->n ? 2 * to->n : 0;
		if (room < to->n + n) room = to->n + n;
		m->slots += room - to->room;
		if (m->slots > SLOTS_MAX) return bad(m, "the containers are too long");
		to->child = mem_grow(to->child, room, sizeof *to->child);
		to->room = room;
	}
	if (n) memcpy(to->child + to->n, from, n * sizeof *from);
	to->n += n;
	return 0;
}

/* A new container of the n items on top of the stack, in their place. */
static int gather(struct machine *m, enum pickle_kind kind, uint32_t n)
{
	if (m->n - floor_of(m) < n) return bad(m, "the stack is empty");
	struct pickle_item *x = new_item(m, kind);
	if (!x || add_children(m, x, m->stack + m->n - n, n)) return -1;
	m->n -= n;
	return push(m, x);
}

/* Items above the last mark, which is taken away: how many, or -1. */
static int64_t take_mark(struct machine *m)
{
	if (!m->marks) return bad(m, "no mark is set");
	return m->n - m->mark[--m->marks];
}

static int push_int(struct machine *m, int64_t i)
{
	struct pickle_item *x = new_item(m, PICKLE_INT);
	if (x) x->i = i;
	return push(m, x);
}

static struct pickle_item *new_text(struct machine *m, const char *text, uint32_t n)
{
	struct pickle_item *x = new_item(m, PICKLE_TEXT);
	if (!x) return NULL;
	x->text = text;
	x->n = n;
	return x;
}

/* ---- instructions: each takes the number of its line in the table ---- */

static int op_proto(struct machine *m, int max)
{
	uint64_t v = 0;
	if (pickle_scan_number(&m->in, 1, &v)) return -1;
	return v <= (uint64_t)max ? 0 : bad(m, "a protocol above 5");
}

/* The length of a frame is only a hint how much to read at once. */
static int op_frame(struct machine *m, int bytes)
{
	uint64_t n;
	if (pickle_scan_number(&m->in, bytes, &n)) return -1;
	return n <= pickle_scan_left(&m->in) ? 0 : bad(m, "a frame beyond the end");
}

static int op_stop(struct machine *m, int left)
{
	if (m->marks || m->n != (uint32_t)left) return bad(m, "the end with other than one item");
	m->stopped = true;
	return 0;
}

static int op_mark(struct machine *m, int max)
{
	if (m->marks == max) return bad(m, "too many open marks");
	m->mark[m->marks++] = m->n;
	return 0;
}

/* Takes away the top item, or the mark when that is on top. */
static int op_pop(struct machine *m, int unused)
{
	(void)unused;
	if (m->marks && m->n == floor_of(m)) {
		m->marks--;
		return 0;
	}
	return pop(m) ? 0 : -1;
}

static int op_pop_mark(struct machine *m, int unused)
{
	(void)unused;
	int64_t n = take_mark(m);
	if (n < 0) return -1;
	m->n -= (uint32_t)n;
	return 0;
}

static int op_dup(struct machine *m, int unused)
{
	(void)unused;
	return push(m, top(m));
}

static int op_none(struct machine *m, int unused)
{
	(void)unused;
	return push(m, &none);
}

static int op_bool(struct machine *m, int value)
{
	return push(m, &truth[value]);
}

static int op_empty(struct machine *m, int kind)
{
	return push(m, new_item(m, (enum pickle_kind)kind));
}

static int op_from_mark(struct machine *m, int kind)
{
	int64_t n = take_mark(m);

	if (n < 0) return -1;
	if (kind == PICKLE_DICT && n % 2) return bad(m, "a key without a value");
	return gather(m, (enum pickle_kind)kind, (uint32_t)n);
}

static int op_tuple(struct machine *m, int n)
{
	return gather(m, PICKLE_TUPLE, (uint32_t)n);
}

/* 1 and 2 bytes are unsigned, 4 are signed. */
static int op_int(struct machine *m, int bytes)
{
	uint64_t x;
	if (pickle_scan_number(&m->in, bytes, &x)) return -1;
	return push_int(m, bytes == 4 ? (int32_t)x : (int64_t)x);
}

/* Two's complement of any length, little-endian. */
static int op_long(struct machine *m, int width)
{
	const char *text = NULL;
	uint32_t n = 0;
	uint64_t x = 0;

	if (pickle_scan_bytes(&m->in, width, &text, &n)) return -1;
	if (n > 8) {
		struct pickle_item *big = new_text(m, text, n);
		if (big) big->kind = PICKLE_BIG;
		return push(m, big);
	}
	if (n && text[n - 1] & 0x80) x = UINT64_MAX;
	memcpy(&x, text, n);                 /* the low bytes of a little-endian number */
	return push_int(m, (int64_t)le64toh(x));
}

static int op_float(struct machine *m, int bytes)
{
	uint64_t u = 0;
	struct pickle_item *x = new_item(m, PICKLE_FLOAT);

	if (!x || pickle_scan_number(&m->in, bytes, &u)) return -1;
	u = __builtin_bswap64(u);            /* big-endian in the file */
	memcpy(&x->f, &u, sizeof x->f);
	return push(m, x);
}

/* "I12", "I00" and "I01" for booleans; "L12L". */
static int op_int_line(struct machine *m, int suffix)
{
	const char *at = (const char *)m->in.p;
	int64_t i = 0;

	if (pickle_scan_integer(&m->in, (char)suffix, &i)) return -1;
	if (!suffix && (const char *)m->in.p - at == 3 && at[0] == '0')
		return push(m, &truth[i == 1]);
	return push_int(m, i);
}

static int op_float_line(struct machine *m, int unused)
{
	(void)unused;
	double f = 0;
	if (pickle_scan_real(&m->in, &f)) return -1;
	struct pickle_item *x = new_item(m, PICKLE_FLOAT);
	if (x) x->f = f;
	return push(m, x);
}

/* A line of text; with quotes, their inside.  Escapes are refused: no name has any. */
static int op_text_line(struct machine *m, int quoted)
{
	const char *text = NULL;
	uint32_t n = 0;

	if (pickle_scan_line(&m->in, &text, &n)) return -1;
	if (memchr(text, '\\', n)) return bad(m, "text with escapes");
	if (quoted) {
		if (n < 2 || (*text != '\'' && *text != '"') || text[n - 1] != *text)
			return bad(m, "a string without quotes");
		text++, n -= 2;
	}
	return push(m, new_text(m, text, n));
}

static int op_text(struct machine *m, int width)
{
	const char *text = NULL;
	uint32_t n = 0;
	if (pickle_scan_bytes(&m->in, width, &text, &n)) return -1;
	return push(m, new_text(m, text, n));
}

static int op_global(struct machine *m, int unused)
{
	(void)unused;
	for (int i = 0; i < 2; i++) {
		const char *text = NULL;
		uint32_t n = 0;
		if (pickle_scan_line(&m->in, &text, &n) || push(m, new_text(m, text, n))) return -1;
	}
	return gather(m, PICKLE_GLOBAL, 2);
}

static int op_stack_global(struct machine *m, int unused)
{
	(void)unused;
	if (m->n - floor_of(m) < 2 || m->stack[m->n - 1]->kind != PICKLE_TEXT ||
	    m->stack[m->n - 2]->kind != PICKLE_TEXT)
		return bad(m, "a global whose names are no texts");
	return gather(m, PICKLE_GLOBAL, 2);
}

/* What is called and its n - 1 arguments become one item: {called, tuple of arguments, state}. */
static int op_call(struct machine *m, int n)
{
	if (m->n - floor_of(m) < (uint32_t)n) return bad(m, "the stack is empty");
	struct pickle_item **x = m->stack + m->n - n;
	if (x[0]->kind != PICKLE_GLOBAL && x[0]->kind != PICKLE_CALL)
		return bad(m, "a call of something that is no function");
	if (x[1]->kind != PICKLE_TUPLE) return bad(m, "a call without a tuple of arguments");
	m->n -= (uint32_t)(n - 2);           /* keyword arguments are of no use here */
	if (push(m, &none)) return -1;
	return gather(m, PICKLE_CALL, 3);
}

/* State for an object; that of a dictionary says nothing about its items. */
static int op_build(struct machine *m, int unused)
{
	(void)unused;
	struct pickle_item *state = pop(m), *x = state ? top(m) : NULL;

	if (!x) return -1;
	if (x->kind == PICKLE_CALL) x->child[2] = state;
	else if (x->kind != PICKLE_DICT && x->kind != PICKLE_ID)
		return bad(m, "state for something that has none");
	return 0;
}

static int name_id(struct machine *m)
{
	struct pickle *to = m->to;

	if (gather(m, PICKLE_ID, 1)) return -1;
	if (to->n_ids == to->ids_room) {
		to->ids_room = 2 * to->ids_room + 64;
		to->ids = mem_grow(to->ids, (size_t)to->ids_room, sizeof *to->ids);
	}
	to->ids[to->n_ids++] = m->stack[m->n - 1];
	return 0;
}

static int op_id(struct machine *m, int unused)
{
	(void)unused;
	return name_id(m);
}

static int op_id_line(struct machine *m, int unused)
{
	(void)unused;
	return op_text_line(m, false) ? -1 : name_id(m);
}

static int memo_put(struct machine *m, uint64_t at)
{
	struct pickle_item *x = top(m);

	if (!x) return -1;
	if (at >= MEMO_MAX) return bad(m, "a memo index beyond 1048575");
	if (at >= m->memo_room) {
		uint32_t room = 2 * (uint32_t)at + 64;
		m->memo = mem_grow(m->memo, room, sizeof *m->memo);
		memset(m->memo + m->memo_room, 0, (room - m->memo_room) * sizeof *m->memo);
		m->memo_room = room;
	}
	if (at >= m->memo_n) m->memo_n = (uint32_t)at + 1;
	m->memo[at] = x;
	return 0;
}

static int memo_get(struct machine *m, uint64_t at)
{
	if (at >= m->memo_n || !m->memo[at]) return bad(m, "a memo index that was never set");
	return push(m, m->memo[at]);
}

static int op_put(struct machine *m, int bytes)
{
	uint64_t at = 0;
	return pickle_scan_number(&m->in, bytes, &at) ? -1 : memo_put(m, at);
}

static int op_get(struct machine *m, int bytes)
{
	uint64_t at = 0;
	return pickle_scan_number(&m->in, bytes, &at) ? -1 : memo_get(m, at);
}

static int op_memo_line(struct machine *m, int put)
{
	int64_t at = 0;
	if (pickle_scan_integer(&m->in, 0, &at)) return -1;
	return put ? memo_put(m, (uint64_t)at) : memo_get(m, (uint64_t)at);
}

static int op_memoize(struct machine *m, int unused)
{
	(void)unused;
	return memo_put(m, m->memo_n);
}

/* n items on top go into the container below them: pairs into a dictionary or an object, others
 * into a list or a set; those of an object that is a list are of no use here. */
static int fill(struct machine *m, uint32_t n, bool pairs)
{
	if (m->n - floor_of(m) < n + 1) return bad(m, "the stack is empty");
	struct pickle_item *x = m->stack[m->n - n - 1];
	bool good = pairs ? x->kind == PICKLE_DICT :
		x->kind == PICKLE_LIST || x->kind == PICKLE_SET;
	if (pairs && n % 2) return bad(m, "a key without a value");
	if (!good && x->kind != PICKLE_CALL) return bad(m, "items for something that has none");
	if ((pairs || x->kind != PICKLE_CALL) && add_children(m, x, m->stack + m->n - n, n))
		return -1;
	m->n -= n;
	return 0;
}

static int op_fill(struct machine *m, int n)
{
	return fill(m, (uint32_t)n, n == 2);
}

static int op_fill_marked(struct machine *m, int pairs)
{
	int64_t n = take_mark(m);
	return n < 0 ? -1 : fill(m, (uint32_t)n, pairs);
}

static const struct { int (*run)(struct machine *, int); int arg; } ops[256] = {
	[0x80] = { op_proto, PROTOCOL_MAX },  [0x95] = { op_frame, 8 },
	['.'] = { op_stop, 1 },               ['('] = { op_mark, MARKS_MAX },
	['0'] = { op_pop, 0 },                ['1'] = { op_pop_mark, 0 },
	['2'] = { op_dup, 0 },                ['N'] = { op_none, 0 },
	[0x88] = { op_bool, 1 },              [0x89] = { op_bool, 0 },
	['}'] = { op_empty, PICKLE_DICT },    [']'] = { op_empty, PICKLE_LIST },
	[')'] = { op_empty, PICKLE_TUPLE },   [0x8f] = { op_empty, PICKLE_SET },
	['t'] = { op_from_mark, PICKLE_TUPLE }, ['l'] = { op_from_mark, PICKLE_LIST },
	['d'] = { op_from_mark, PICKLE_DICT }, [0x91] = { op_from_mark, PICKLE_SET },
	[0x85] = { op_tuple, 1 },             [0x86] = { op_tuple, 2 },
	[0x87] = { op_tuple, 3 },             ['K'] = { op_int, 1 },
	['M'] = { op_int, 2 },                ['J'] = { op_int, 4 },
	[0x8a] = { op_long, 1 },              [0x8b] = { op_long, 4 },
	['I'] = { op_int_line, 0 },           ['L'] = { op_int_line, 'L' },
	['G'] = { op_float, 8 },              ['F'] = { op_float_line, 0 },
	['S'] = { op_text_line, true },       ['V'] = { op_text_line, false },
	['U'] = { op_text, 1 },               ['T'] = { op_text, 4 },
	['X'] = { op_text, 4 },               [0x8c] = { op_text, 1 },
	[0x8d] = { op_text, 8 },              ['C'] = { op_text, 1 },
	['B'] = { op_text, 4 },               [0x8e] = { op_text, 8 },
	[0x96] = { op_text, 8 },              ['c'] = { op_global, 0 },
	[0x93] = { op_stack_global, 0 },      ['R'] = { op_call, 2 },
	[0x81] = { op_call, 2 },              [0x92] = { op_call, 3 },
	['b'] = { op_build, 0 },              ['Q'] = { op_id, 0 },
	['P'] = { op_id_line, 0 },            ['q'] = { op_put, 1 },
	['r'] = { op_put, 4 },                ['h'] = { op_get, 1 },
	['j'] = { op_get, 4 },                ['p'] = { op_memo_line, true },
	['g'] = { op_memo_line, false },      [0x94] = { op_memoize, 0 },
	['a'] = { op_fill, 1 },               ['s'] = { op_fill, 2 },
	['e'] = { op_fill_marked, false },    ['u'] = { op_fill_marked, true },
	[0x90] = { op_fill_marked, false },
};

/* One instruction: 0, or -1 after fail(). */
static int step(struct machine *m)
{
	char what[64];
	uint64_t op = 0;

	if (m->steps++ == STEPS_MAX) return bad(m, "more than 2097152 instructions");
	if (pickle_scan_number(&m->in, 1, &op)) return -1;
	if (ops[op].run) return ops[op].run(m, ops[op].arg);
	m->in.p--;
	snprintf(what, sizeof what, "found instruction %02x, which is not read here", (int)op);
	return bad(m, what);
}

int pickle_read(struct pickle *to, const char *name, const void *bytes, size_t n)
{
	struct machine m = { .in = { name, bytes, bytes, NULL }, .to = to, .room = STACK_START };
	int failed = 0;

	*to = (struct pickle){ 0 };
	m.in.end = m.in.p + n;
	m.stack = mem_new(m.room, sizeof *m.stack);
	while (!failed && !m.stopped) failed = step(&m);
	if (!failed) to->root = m.stack[0];
	to->used = (size_t)(m.in.p - m.in.start);
	free(m.stack);
	free(m.memo);
	if (failed) pickle_free(to);
	return failed;
}

void pickle_free(struct pickle *to)
{
	for (struct pickle_chunk *c = to->chunks, *next; c; c = next) {
		for (int i = 0; i < c->n; i++)
			if (c->item[i].room) free(c->item[i].child);
		next = c->next;
		free(c);
	}
	free(to->ids);
	*to = (struct pickle){ 0 };
}

bool pickle_says(const struct pickle_item *x, const char *text)
{
	return x->kind == PICKLE_TEXT && x->n == strlen(text) && !memcmp(x->text, text, x->n);
}

bool pickle_names(const struct pickle_item *x, const char *module, const char *name)
{
	return x->kind == PICKLE_GLOBAL && pickle_says(x->child[0], module) &&
		pickle_says(x->child[1], name);
}
