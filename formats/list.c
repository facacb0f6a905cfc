/* list: names of picture files, from a folder tree or from lines of text. */
#include "formats/list.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* The formats that cannot be decoded are here so that their files are reported, not passed over in
 * silence. */
bool list_is_picture(const char *name)
{
	static const char *const endings[] = {
		"jpg", "jpeg", "png", "ppm",  "pgm", "pnm",
		"pam", "bmp",  "gif", "webp", "tif", "tiff",
	};
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name,
		   *dot = strrchr(base, '.');

	if (!dot || *base == '.') return false;
	for (size_t i = 0; i < LEN(endings); i++)
		if (!strcasecmp(dot + 1, endings[i])) return true;
	return false;
}

static void add(struct list *l, char *path, uint32_t label)
{
	if (!(l->n & (l->n - 1)))                    /* 0, 1, 2, 4, 8 ...: double */
		l->entry = mem_grow(l->entry, l->n ? 2 * (size_t)l->n : 1, sizeof *l->entry);
	l->entry[l->n++] = (struct list_entry){ path, label };
}

/* Folders still to be read. */
struct queue { int n; char **folder; };

static void push(struct queue *q, char *path)
{
	q->folder = mem_grow(q->folder, (size_t)q->n + 1, sizeof *q->folder);
	q->folder[q->n++] = path;
}

/* Fails when a folder is one of those that its path, of the root and more, leads through: its
 * pictures would come again and again. */
static int link_back(const char *path, size_t root, const struct stat *folder)
{
	struct stat st;
	int bad = 0;

	for (const char *end = path + root; end && !bad; end = strchr(end + 1, '/')) {
		char *above = mem_text("%.*s", (int)(end - path), path);
		if (!stat(above, &st) && st.st_dev == folder->st_dev && st.st_ino == folder->st_ino)
			bad = fail("%s: found a link back to %s, expected folders without a loop",
				   path, above);
		free(above);
	}
	return bad;
}

static int read_folder(struct list *l, struct queue *q, const char *folder, size_t root)
{
	DIR *dir = opendir(folder);
	const struct dirent *d;
	int bad = 0;

	if (!dir) return fail("%s:", folder);
	const char *between = folder[strlen(folder) - 1] == '/' ? "" : "/";
	for (errno = 0; !bad && (d = readdir(dir)); errno = 0) {
		struct stat st;
		if (d->d_name[0] == '.') continue;
		char *path = mem_text("%s%s%s", folder, between, d->d_name);
		bool known = !stat(path, &st), inner = known && S_ISDIR(st.st_mode);
		if (!known && errno != ENOENT && errno != ELOOP) bad = fail("%s:", path);
		else if (inner) bad = link_back(path, root, &st);
		if (!bad && inner) push(q, path);
		/* a dangling link too: reading it says why */
		else if (!bad && list_is_picture(path)) add(l, path, 0);
		else free(path);
	}
	if (!bad && errno) bad = fail("%s:", folder);
	closedir(dir);
	return bad;
}

static int read_tree(struct list *l, const char *root)
{
	struct queue q = { 0 };
	int bad = 0;

	push(&q, mem_text("%s", root));
	while (q.n && !bad) {
		char *folder = q.folder[--q.n];
		bad = read_folder(l, &q, folder, strlen(root));
		free(folder);
	}
	while (q.n) free(q.folder[--q.n]);
	free(q.folder);
	return bad;
}

/* Compares a[0..m) with b[0..n) as bytes, the shorter first. */
static int compare(const char *a, size_t m, const char *b, size_t n)
{
	int c = memcmp(a, b, m < n ? m : n);
	return c ? c : (m > n) - (m < n);
}

/* By first folder below the root, then by folder, then by name: the order of a sorted walk, class
 * by class. */
static int by_class(const void *x, const void *y, void *context)
{
	size_t skip = *(const size_t *)context;
	const char *a = ((const struct list_entry *)x)->path + skip,
		   *b = ((const struct list_entry *)y)->path + skip;
	const char *a_base = strrchr(a, '/'), *b_base = strrchr(b, '/');
	int c = compare(a, strcspn(a, "/") * !!a_base, b, strcspn(b, "/") * !!b_base);

	if (!c)
		c = compare(a, a_base ? (size_t)(a_base - a) : 0, b,
			    b_base ? (size_t)(b_base - b) : 0);
	return c ? c : strcmp(a_base ? a_base + 1 : a, b_base ? b_base + 1 : b);
}

/* Numbers the first folders of the sorted list. */
static void label(struct list *l, size_t skip)
{
	for (int64_t i = 0; i < l->n; i++) {
		const char *path = l->entry[i].path + skip,
			   *last = l->classes ? l->class_name[l->classes - 1] : "";
		size_t length = strcspn(path, "/");
		if (strlen(last) != length || memcmp(last, path, length)) {
			l->class_name = mem_grow(l->class_name, (size_t)l->classes + 1,
						 sizeof *l->class_name);
			l->class_name[l->classes++] = mem_text("%.*s", (int)length, path);
		}
		l->entry[i].label = (uint32_t)l->classes - 1;
	}
	l->labelled = true;
}

int list_folder(struct list *l, const char *root)
{
	size_t skip = strlen(root);

	*l = (struct list){ 0 };
	if (read_tree(l, root)) {
		list_free(l);
		return -1;
	}
	if (!l->n) return 0;
	skip += root[skip - 1] != '/';
	qsort_r(l->entry, (size_t)l->n, sizeof *l->entry, by_class, &skip);
	for (int64_t i = 0; i < l->n; i++) l->direct += !strchr(l->entry[i].path + skip, '/');
	if (!l->direct) label(l, skip);
	return 0;
}

/* Cuts "path<TAB>label" in two; 1 labelled, 0 not, -1 after fail(). */
static int split(char *line, uint32_t *label, const char *name, int64_t number)
{
	char *tab = strchr(line, '\t'), *end;

	if (!tab) return 0;
	*tab++ = 0;
	errno = 0;
	unsigned long long value = strtoull(tab, &end, 10);
	if (*tab < '0' || *tab > '9' || *end || errno || value >= UINT32_MAX)
		return fail("%s:%lld: found label '%s', expected a number below %u", name,
			    (long long)number, tab, UINT32_MAX);
	*label = (uint32_t)value;
	return 1;
}

static int take(struct list *l, char *line, const char *name, int64_t number)
{
	uint32_t label = 0;
	int labelled = split(line, &label, name, number);

	if (labelled < 0) return -1;
	if (!*line) return fail("%s:%lld: found an empty path", name, (long long)number);
	if (l->n && l->labelled != labelled)
		return fail("%s:%lld: found a line with%s a label, the ones before it have %s",
			    name, (long long)number, labelled ? "" : "out",
			    labelled ? "none" : "one");
	l->labelled = labelled;
	add(l, mem_text("%s", line), label);
	return 0;
}

int list_lines(struct list *l, FILE *f, const char *name)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	int bad = 0;
	int64_t number = 0;

	*l = (struct list){ 0 };
	while (!bad && (length = getline(&line, &room, f)) >= 0) {
		number++;
		if (length && line[length - 1] == '\n') line[--length] = 0;
		if (length && line[length - 1] == '\r') line[--length] = 0;
		if (strlen(line) != (size_t)length)
			bad = fail("%s:%lld: found a NUL byte, expected text", name,
				   (long long)number);
		else if (length) bad = take(l, line, name, number);
	}
	if (!bad && ferror(f)) bad = fail("%s:", name);
	free(line);
	if (bad) list_free(l);
	return bad;
}

void list_free(struct list *l)
{
	for (int64_t i = 0; i < l->n; i++) free(l->entry[i].path);
	for (int c = 0; c < l->classes; c++) free(l->class_name[c]);
	free(l->entry);
	free(l->class_name);
	*l = (struct list){ 0 };
}
