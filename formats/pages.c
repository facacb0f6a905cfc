/* pages: a walk over the trees of an LMDB 0.9 file (data format 1, 64 bit), trusting nothing.
 *
 * A page: u64 number, u16 pad, u16 flags, then u16 lower, u16 upper or, on the first of a run of
 * overflow pages, u32 pages; then u16 offsets of nodes, from the page's start.  Pages 0 and 1
 * hold the meta records; the one with the larger transaction number counts.
 * A node: u16 lo, u16 hi, u16 flags, u16 key bytes, key, data.  In a leaf lo | hi << 16 is the
 * size of the data, which are a page number when they lie on overflow pages, or a struct db; in
 * a branch lo | hi << 16 | flags << 32 is the number of the child page. */
#include "formats/pages.h"
#include "formats/map.h"
#include "lib/base/fail.h"

#include <stddef.h>
#include <string.h>

enum {
	HEAD = 16, NODE = 8,                 /* bytes of a page's and of a node's head */
	BRANCH = 1, LEAF = 2, META = 8,      /* page flags */
	BIG = 1, SUB = 2,                    /* node flags */
	DEPTH = 16,                          /* LMDB goes to 32; 16 are more than enough */
	MIN_PAGE = 1024, MAX_PAGE = 65536,
};

#define MAGIC 0xBEEFC0DEu
#define NONE (~(uint64_t)0)

struct db {
	uint32_t pad;
	uint16_t flags, depth;
	uint64_t branches, leaves, overflow, entries, root;
};
struct meta {
	uint32_t magic, version;
	uint64_t address, map_bytes;
	struct db free, main;
	uint64_t last, txn;
};
struct page { uint64_t number; uint16_t pad, flags, lower, upper; };
struct node { uint16_t lo, hi, flags, key_bytes; };
_Static_assert(sizeof(struct db) == 48 && sizeof(struct meta) == 136 &&
		offsetof(struct meta, last) == 120,
	"records of LMDB");

struct pages {
	const char *path;
	const unsigned char *p;
	uint64_t page_bytes, count;          /* pages that are in use and in the file */
	uint64_t visits;                     /* tree pages seen: more than count means a loop */
	bool is_main, is_free;               /* what the tree being walked holds */
};

static int damaged(const struct pages *f, uint64_t number, const char *what)
{
	return fail("%s: damaged: page %llu %s", f->path, (unsigned long long)number, what);
}

bool pages_sniff(const void *first, int bytes)
{
	uint32_t magic;

	if (bytes < PAGES_SNIFF) return false;
	memcpy(&magic, (const char *)first + HEAD, 4);
	return magic == MAGIC;
}

static int meta_get(struct pages *f, size_t bytes, uint64_t number, struct meta *m)
{
	struct page head;

	if (bytes < (number + 1) * f->page_bytes || bytes < HEAD + sizeof *m)
		return fail("%s: ends after %zu bytes inside its first pages", f->path, bytes);
	memcpy(&head, f->p + number * f->page_bytes, HEAD);
	memcpy(m, f->p + number * f->page_bytes + HEAD, sizeof *m);
	if (m->magic != MAGIC || m->version != 1 || !(head.flags & META))
		return damaged(f, number, "is no meta page");
	uint64_t size = m->free.pad;         /* LMDB keeps the page size here */
	if (size < MIN_PAGE || size > MAX_PAGE || size & (size - 1) ||
		(number && size != f->page_bytes))
		return damaged(f, number, "has an impossible page size");
	f->page_bytes = size;
	return 0;
}

/* The meta record that counts. */
static int meta_read(struct pages *f, size_t bytes, struct meta *m)
{
	struct meta first, second;

	f->page_bytes = 0;
	if (meta_get(f, bytes, 0, &first) || meta_get(f, bytes, 1, &second)) return -1;
	*m = first.txn < second.txn ? second : first;
	if (m->last < 1 || m->last >= NONE / MAX_PAGE)
		return damaged(f, 0, "has an impossible last page");
	f->count = bytes / f->page_bytes < m->last + 1 ? bytes / f->page_bytes : m->last + 1;
	return 0;
}

/* A page of the tree at this level above its leaves (0: a leaf). */
static int page_check(struct pages *f, uint64_t number, int level, struct page *head)
{
	if (number < 2 || number >= f->count)
		return damaged(f, number, "is used but outside of the file");
	if (++f->visits > f->count) return damaged(f, number, "is in a loop");
	memcpy(head, f->p + number * f->page_bytes, HEAD);
	if (head->number != number) return damaged(f, number, "has another number");
	if (head->flags != (level ? BRANCH : LEAF)) return damaged(f, number, "is of another kind");
	int keys = (head->lower - HEAD) / 2, least = level && !f->is_free ? 2 : 1;
	if (head->lower % 2 || keys < least || head->lower > head->upper ||
		head->upper > f->page_bytes)
		return damaged(f, number, "has impossible bounds");
	return 0;
}

/* Node i of a page: its head, and where its key begins.  NULL after fail(). */
static const unsigned char *node_get(struct pages *f, const struct page *head, int i,
	struct node *n)
{
	const unsigned char *page = f->p + head->number * f->page_bytes;
	uint16_t at;

	memcpy(&at, page + HEAD + 2 * i, 2);
	if (at % 2 || at < head->upper || (uint64_t)at + NODE > f->page_bytes) goto bad;
	memcpy(n, page + at, NODE);
	if ((uint64_t)at + NODE + n->key_bytes > f->page_bytes) goto bad;
	if (f->is_free && n->key_bytes != (head->flags == BRANCH && !i ? 0 : 8)) goto bad;
	return page + at + NODE;
bad:
	damaged(f, head->number, "has a node outside of it");
	return NULL;
}

/* Free-list records are arrays: u64 length, then as many page numbers. */
static int free_check(const struct pages *f, uint64_t number, const unsigned char *data,
	uint64_t bytes)
{
	uint64_t n;

	if (bytes < 8) return damaged(f, number, "has a free list that is cut off");
	memcpy(&n, data, 8);
	if (n > bytes / 8 - 1) return damaged(f, number, "has a free list longer than its record");
	for (uint64_t i = 1; i <= n; i++) {
		uint64_t free_page;
		memcpy(&free_page, data + 8 * i, 8);
		if (free_page < 2 || free_page > NONE / MAX_PAGE)
			return damaged(f, number, "frees an impossible page");
	}
	return 0;
}

/* The data of a leaf node lie inside the page, or on overflow pages inside the file. */
static int leaf_check(struct pages *f, const struct page *head, const struct node *n,
	const unsigned char *key)
{
	uint64_t bytes = n->lo | (uint64_t)n->hi << 16, number = head->number;
	const unsigned char *data = key + n->key_bytes;
	uint64_t left = f->page_bytes - (uint64_t)(data - (f->p + number * f->page_bytes));

	if (n->flags != (f->is_main ? SUB : n->flags & BIG))
		return damaged(f, number, "has a node of another kind");
	if ((n->flags & BIG ? 8 : bytes) > left)
		return damaged(f, number, "has data outside of it");
	if (f->is_main && bytes != sizeof(struct db))
		return damaged(f, number, "has a sub-database that is cut off");
	if (n->flags & BIG) {
		uint64_t first, run = (HEAD - 1 + bytes) / f->page_bytes + 1;
		memcpy(&first, data, 8);
		if (first < 2 || first >= f->count || run > f->count - first)
			return damaged(f, number, "has data outside of the file");
		data = f->p + first * f->page_bytes + HEAD;
	}
	return f->is_free ? free_check(f, number, data, bytes) : 0;
}

/* Every page and node of one tree, depth first; the path from the root is kept in at[]. */
static int tree_check(struct pages *f, const struct db *db)
{
	struct { struct page head; int next; } at[DEPTH];
	int depth = db->depth, d = 0;
	uint64_t entries = 0;

	if (db->root == NONE)
		return depth || db->entries ? damaged(f, 0, "has a root that is missing") : 0;
	if (depth < 1 || depth > DEPTH) return damaged(f, db->root, "has an impossible depth");
	if (page_check(f, db->root, depth - 1, &at[0].head)) return -1;
	at[0].next = 0;
	while (d >= 0) {
		if (at[d].next == (at[d].head.lower - HEAD) / 2) {
			d--;
			continue;
		}
		struct node n;
		const unsigned char *key = node_get(f, &at[d].head, at[d].next++, &n);
		if (!key) return -1;
		if (d == depth - 1) {
			if (leaf_check(f, &at[d].head, &n, key)) return -1;
			entries++;
			continue;
		}
		uint64_t child = n.lo | (uint64_t)n.hi << 16 | (uint64_t)n.flags << 32;
		d++;
		if (page_check(f, child, depth - 1 - d, &at[d].head)) return -1;
		at[d].next = 0;
	}
	if (entries == db->entries) return 0;
	return damaged(f, db->root, "has a tree with another number of entries");
}

/* The main database is one leaf page whose nodes are the sub-databases. */
static int main_check(struct pages *f, const struct db *db)
{
	struct page head;

	f->is_main = true;
	if (db->flags || db->depth > 1)
		return damaged(f, db->root, "is the root of an unknown main database");
	if (tree_check(f, db)) return -1;
	f->is_main = false;
	if (db->root == NONE) return 0;
	memcpy(&head, f->p + db->root * f->page_bytes, HEAD);
	for (int i = 0; i < (head.lower - HEAD) / 2; i++) {
		struct node n;
		struct db sub;
		const unsigned char *key = node_get(f, &head, i, &n);
		if (!key) return -1;
		memcpy(&sub, key + n.key_bytes, sizeof sub);
		if (sub.flags) return damaged(f, db->root, "has an unknown sub-database");
		if (tree_check(f, &sub)) return -1;
	}
	return 0;
}

static int check(struct pages *f, size_t bytes, bool whole)
{
	struct meta m;

	if (meta_read(f, bytes, &m)) return -1;
	if (whole && bytes != (m.last + 1) * f->page_bytes)
		return fail("%s: found %zu bytes, expected %llu: it is cut off or was added to",
			f->path, bytes, (unsigned long long)((m.last + 1) * f->page_bytes));
	if (main_check(f, &m.main)) return -1;
	f->is_free = true;
	return tree_check(f, &m.free);
}

int pages_check(const char *path, bool whole)
{
	struct map map;

	if (map_open(&map, path, 1)) return -1;
	int bad = check(&(struct pages){ .path = path, .p = map.p }, map.bytes, whole);
	map_close(&map);
	return bad;
}

int64_t pages_bytes(const char *path)
{
	struct meta m;
	struct map map;

	if (map_open(&map, path, 1)) return -1;
	struct pages f = { .path = path, .p = map.p };
	int bad = meta_read(&f, map.bytes, &m);
	map_close(&map);
	return bad ? -1 : (int64_t)((m.last + 1) * f.page_bytes);
}
