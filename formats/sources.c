/* sources: the pictures of folders, lists, archives and streams as one numbered sequence. */
#include "formats/sources.h"
#include "formats/font.h"
#include "formats/idx.h"
#include "formats/known.h"
#include "formats/list.h"
#include "formats/map.h"
#include "formats/pam.h"
#include "formats/tar.h"
#include "lib/base/fail.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 1 << 30 };           /* of one picture */

static const char *const expected =
	"expected a folder, JPEG, PNG, PNM, PAM stream, tar, IDX(.gz) or font of colour bitmaps";

static struct source_entry *add(struct sources *s, char *name)
{
	if (!(s->n & (s->n - 1)))                    /* 0, 1, 2, 4, 8 ...: double */
		s->entry = mem_grow(s->entry, s->n ? 2 * (size_t)s->n : 1, sizeof *s->entry);
	s->entry[s->n] = (struct source_entry){ .name = name };
	return &s->entry[s->n++];
}

/* All sources have classes, or all have numbers, or none has labels: anything else is a mistake. */
static int agree(struct sources *s, const char *path, enum labels labels)
{
	static const char *const text[] = {
		[LABELS_NONE] = "no labels",
		[LABELS_NUMBERS] = "numbers as labels",
		[LABELS_CLASSES] = "classes",
	};

	if (s->labels && s->labels != labels)
		return fail("%s: found %s, the sources before it have %s", path, text[labels],
			    text[s->labels]);
	s->labels = labels;
	return 0;
}

/* Index of a class name among those so far; -1 when it is new. */
static int class_find(const struct sources *s, int from, const char *name, size_t length)
{
	for (int c = s->classes; c-- > from;)
		if (strlen(s->class_name[c]) == length && !memcmp(s->class_name[c], name, length))
			return c;
	return -1;
}

static int class_add(struct sources *s, const char *name, size_t length)
{
	s->class_name = mem_grow(s->class_name, (size_t)s->classes + 1, sizeof *s->class_name);
	s->class_name[s->classes] = mem_text("%.*s", (int)length, name);
	return s->classes++;
}

/* Takes over the names of a list; its classes are numbered behind those of the sources before it.
 */
static int add_listed(struct sources *s, const char *path, struct list *l, uint32_t skip)
{
	uint32_t base = (uint32_t)s->classes;
	enum labels labels = !l->labelled ? LABELS_NONE
			     : l->classes ? LABELS_CLASSES
					  : LABELS_NUMBERS;

	if (l->n && agree(s, path, labels)) return -1;
	for (int c = 0; c < l->classes; c++)
		class_add(s, l->class_name[c], strlen(l->class_name[c]));
	for (int64_t i = 0; i < l->n; i++) {
		struct source_entry *e = add(s, l->entry[i].path);
		e->skip = skip;
		e->label = l->entry[i].label + base;
		l->entry[i].path = NULL;
	}
	return 0;
}

static int add_folder(struct sources *s, const char *path)
{
	struct list l;

	if (list_folder(&l, path)) return -1;
	size_t skip = strlen(path);
	if (l.direct && l.direct < l.n) s->mixed = path;
	int bad = add_listed(s, path, &l, (uint32_t)(skip + (path[skip - 1] != '/')));
	list_free(&l);
	return bad;
}

int sources_add_list(struct sources *s, const char *path)
{
	bool standard = !strcmp(path, "-");
	const char *name = standard ? "standard input" : path;
	FILE *f = standard ? stdin : fopen(path, "r");
	struct list l;

	if (!f) return fail("%s:", path);
	int bad = list_lines(&l, f, name) || add_listed(s, name, &l, 0);
	list_free(&l);
	if (!standard) fclose(f);
	return bad ? -1 : 0;
}

/* Label of a WebDataset sample: NAME.cls holds a number as text. */
static int cls_label(const char *path, const struct tar_member *m, uint32_t *label)
{
	uint64_t value = 0;
	size_t i = 0;

	for (; i < m->size && i < 10 && isdigit(m->bytes[i]); i++)
		value = value * 10 + (uint64_t)(m->bytes[i] - '0');
	size_t digits = i;
	while (i < m->size && isspace(m->bytes[i])) i++;
	if (!digits || i < m->size || value >= UINT32_MAX)
		return fail("%s: %s: found no number, expected the label of a sample", path,
			    m->name);
	*label = (uint32_t)value;
	return 0;
}

/* What the members of one sample share: everything before the first dot of the last component. */
static size_t sample_length(const char *name)
{
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
	return (size_t)(base - name) + strcspn(base, ".");
}

struct sample { char *name; int64_t from; bool labelled; uint32_t label; };

/* Gives the pictures since sample->from their label; returns how many got one. */
static int64_t sample_end(struct sources *s, struct sample *sample)
{
	int64_t n = sample->labelled ? s->n - sample->from : 0;

	for (int64_t i = sample->from; i < s->n && n; i++) s->entry[i].label = sample->label;
	free(sample->name);
	*sample = (struct sample){ .from = s->n };
	return n;
}

/* All pictures of a tar; *labelled counts those with a .cls beside them. */
static int tar_members(struct sources *s, const char *path, struct tar *t, int64_t *labelled)
{
	struct tar_member m;
	struct sample sample = { .from = s->n };
	int got;

	while ((got = tar_next(t, &m)) > 0) {
		size_t length = sample_length(m.name);
		if (!sample.name || strlen(sample.name) != length ||
		    memcmp(sample.name, m.name, length)) {
			*labelled += sample_end(s, &sample);
			sample.name = mem_text("%.*s", (int)length, m.name);
		}
		if (!strcmp(m.name + length, ".cls") && !m.link) {
			if ((got = cls_label(path, &m, &sample.label))) break;
			sample.labelled = true;
		} else if (list_is_picture(m.name)) {
			struct source_entry *e = add(s, mem_text("%s: %s", path, m.name));
			e->skip = (uint32_t)strlen(path) + 2;
			e->bytes = m.bytes;
			e->size = m.size;
			e->link = m.link;
		}
	}
	*labelled += sample_end(s, &sample);
	return got;
}

static const char *member(const struct source_entry *e)
{
	const char *name = e->name + e->skip;
	return strncmp(name, "./", 2) ? name : name + 2;
}

/* Bytes of the folder that all members from..n lie in, slash included: "pictures/"; 0 when there is
 * none. */
static size_t common_folder(const struct sources *s, int64_t from)
{
	const char *first = member(&s->entry[from]), *slash = strchr(first, '/');
	size_t n = slash ? (size_t)(slash - first) + 1 : 0;

	for (int64_t i = from; i < s->n && n; i++)
		if (strncmp(member(&s->entry[i]), first, n)) n = 0;
	return n;
}

/* Folders of a tar as classes: the first folder below the one that holds everything, when every
 * picture has one. */
static int tar_classes(struct sources *s, const char *path, int64_t from)
{
	size_t above = common_folder(s, from);
	int base = s->classes;

	for (int64_t i = from; i < s->n; i++)
		if (!strchr(member(&s->entry[i]) + above, '/')) return agree(s, path, LABELS_NONE);
	for (int64_t i = from; i < s->n; i++) {
		const char *name = member(&s->entry[i]) + above;
		size_t length = strcspn(name, "/");
		int c = class_find(s, base, name, length);
		s->entry[i].label = (uint32_t)(c >= 0 ? c : class_add(s, name, length));
	}
	return agree(s, path, LABELS_CLASSES);
}

static int add_tar(struct sources *s, const char *path, const void *bytes, size_t n)
{
	struct tar t;
	int64_t from = s->n, labelled = 0;

	tar_start(&t, path, bytes, n);
	if (tar_members(s, path, &t, &labelled)) return -1;
	if (s->n == from) return 0;
	if (!labelled) return tar_classes(s, path, from);
	if (labelled != s->n - from)
		return fail("%s: found .cls labels of %lld pictures, expected %lld", path,
			    (long long)labelled, (long long)(s->n - from));
	return agree(s, path, LABELS_NUMBERS);
}

static int idx_labels(struct sources *s, int64_t from, const char *path)
{
	struct map m;
	struct idx x;

	if (map_open(&m, path, 1)) return -1;
	if (idx_parse(&x, path, m.p, m.bytes, 1)) {
		map_close(&m);
		return -1;
	}
	int bad = x.shape[0] != s->n - from ? fail("%s: found %d labels, expected %lld", path,
						   x.shape[0], (long long)(s->n - from))
					    : 0;
	for (int64_t i = from; i < s->n && !bad; i++) s->entry[i].label = x.data[i - from];
	idx_close(&x);
	map_close(&m);
	return bad;
}

static int add_idx(struct sources *s, const char *path, const void *bytes, size_t n,
		   const char *labels)
{
	struct idx x;
	int64_t from = s->n;

	if (idx_parse(&x, path, bytes, n, 3)) return -1;
	s->file[s->files - 1].owned = x.owned;
	if (x.shape[1] > IMAGE_MAX_SIDE || x.shape[2] > IMAGE_MAX_SIDE)
		return fail("%s: found pictures of %d x %d, expected sides up to %d", path,
			    x.shape[2], x.shape[1], IMAGE_MAX_SIDE);
	size_t size = (size_t)x.shape[1] * (size_t)x.shape[2];
	for (int i = 0; i < x.shape[0]; i++) {
		struct source_entry *e = add(s, mem_text("%s: picture %d", path, i));
		e->skip = (uint32_t)strlen(path) + 2;
		e->bytes = x.data + (size_t)i * size;
		e->size = size;
		e->height = x.shape[1];
		e->width = x.shape[2];
	}
	if (labels && idx_labels(s, from, labels)) return -1;
	return agree(s, path, labels ? LABELS_NUMBERS : LABELS_NONE);
}

static int add_font(struct sources *s, const char *path, const void *bytes, size_t n)
{
	struct font f;
	const uint8_t *png;
	int got;

	if (font_start(&f, path, bytes, n)) return -1;
	for (int i = 0; (got = font_next(&f, &png, &n)) > 0; i++) {
		struct source_entry *e = add(s, mem_text("%s: picture %d", path, i));
		e->skip = (uint32_t)strlen(path) + 2;
		e->bytes = png;
		e->size = n;
		e->on_white = true;
	}
	return got ? -1 : agree(s, path, LABELS_NONE);
}

/* Reads a stream once to see where each picture begins and what its label is. */
static int pam_index(struct sources *s, struct pam *p, const uint8_t *bytes, int64_t *labelled)
{
	struct pam_head head;
	uint8_t *pixels = NULL;
	int got;

	for (int i = 0;; i++) {
		off_t start = ftello(p->f);
		got = pam_read(p, &head, &pixels);
		if (got <= 0) break;
		struct source_entry *e = add(s, mem_text("%s: picture %d", p->path, i));
		e->skip = (uint32_t)strlen(p->path) + 2;
		e->bytes = bytes + start;
		e->size = (size_t)(ftello(p->f) - start);
		e->label = head.label;
		*labelled += head.labelled;
	}
	free(pixels);
	return got;
}

/* The map is read, and not the file once more, which may have grown since. */
static int add_pam(struct sources *s, const char *path, void *bytes, size_t n)
{
	struct pam p = { .f = fmemopen(bytes, n, "rb"), .path = path };
	int64_t from = s->n, labelled = 0;

	if (!p.f) return fail("%s:", path);
	int bad = pam_index(s, &p, bytes, &labelled);
	pam_close(&p);
	if (bad) return -1;
	if (labelled && labelled != s->n - from)
		return fail("%s: found labels of %lld pictures, expected %lld", path,
			    (long long)labelled, (long long)(s->n - from));
	return agree(s, path, labelled ? LABELS_NUMBERS : LABELS_NONE);
}

/* Copies what is left of standard input into an unnamed file and puts that in its place: archives
 * are counted and sorted before their first picture is packed. */
static int spool(int to, const char *name)
{
	enum { PORTION = 1 << 16 };
	char buf[PORTION];
	ssize_t n;

	while ((n = read(STDIN_FILENO, buf, sizeof buf))) {
		if (stop_check()) return -1;
		if (n < 0 && errno != EINTR) return fail("standard input:");
		for (ssize_t at = 0, put; at < n; at += put)
			if ((put = TEMP_FAILURE_RETRY(write(to, buf + at, (size_t)(n - at)))) < 0)
				return fail("%s:", name);
	}
	return dup2(to, STDIN_FILENO) < 0 || lseek(to, 0, SEEK_SET) ? fail("%s:", name) : 0;
}

static int seekable_stdin(void)
{
	struct stat st;
	const char *folder = getenv("TMPDIR");

	if (!fstat(STDIN_FILENO, &st) && S_ISREG(st.st_mode) && !lseek(STDIN_FILENO, 0, SEEK_CUR))
		return 0;
	char *name = mem_text("%s/ic-pack-123456", folder && *folder ? folder : "/tmp");
	memset(name + strlen(name) - 6, 'X', 6);     /* mkstemp puts something new there */
	int fd = mkstemp(name);
	int bad = fd < 0 ? fail("%s:", name) : 0;
	if (fd >= 0) {
		unlink(name);
		bad = spool(fd, name);
		close(fd);
	}
	free(name);
	return bad;
}

static bool is_pam_stream(const uint8_t *p, size_t n)
{
	return n > 2 && p[0] == 'P' && p[1] >= '5' && p[1] <= '7' && isspace(p[2]);
}

static bool is_picture(const uint8_t *p, size_t n)
{
	return n > 2 && ((p[0] == 0xff && p[1] == 0xd8) || !memcmp(p, "\x89PN", 3) ||
		(p[0] == 'P' && p[1] >= '1' && p[1] <= '7' && isspace(p[2])));
}

static int add_file(struct sources *s, const char *path, const char *labels)
{
	bool standard = !strcmp(path, "-");
	const char *name = standard ? "standard input" : path;
	struct map m;

	if (standard && seekable_stdin()) return -1;
	if (map_open(&m, standard ? "/dev/stdin" : path, 1)) return -1;
	s->file = mem_grow(s->file, (size_t)s->files + 1, sizeof *s->file);
	s->file[s->files].owned = NULL;
	s->file[s->files++].map = m;
	if (idx_is(m.p, m.bytes)) return add_idx(s, name, m.p, m.bytes, labels);
	if (labels) return fail("%s: found no IDX file, and labels were given for one", name);
	bool stream = is_pam_stream(m.p, m.bytes) && !image_pnm_scaled(m.p, m.bytes);
	if (stream) return add_pam(s, name, m.p, m.bytes);
	if (is_picture(m.p, m.bytes)) {
		struct source_entry *e = add(s, mem_text("%s", name));
		e->bytes = m.p;
		e->size = m.bytes;
		return agree(s, name, LABELS_NONE);
	}
	if (tar_is(m.p, m.bytes)) return add_tar(s, name, m.p, m.bytes);
	if (font_is(m.p, m.bytes)) return add_font(s, name, m.p, m.bytes);
	if (standard && known_text(m.p, m.bytes)) return sources_add_list(s, path);
	const char *what = known_as(m.p, m.bytes);
	return fail("%s: found %s, %s%s", name, what, expected,
		    strcmp(what, "text") ? "" : " (names of pictures: --list)");
}

int sources_add(struct sources *s, const char *path, const char *labels)
{
	struct stat st;

	if (!strcmp(path, "-")) return add_file(s, path, labels);
	if (stat(path, &st)) return fail("%s:", path);
	if (!S_ISDIR(st.st_mode)) return add_file(s, path, labels);
	if (labels) return fail("%s: found a folder, and labels were given for an IDX file", path);
	return add_folder(s, path);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void sources_sort_classes(struct sources *s)
{
	size_t n = (size_t)s->classes;
	char **old = s->class_name, **sorted = mem_new(n, sizeof *sorted);
	uint32_t *number = mem_new(n, sizeof *number);

	if (s->labels == LABELS_CLASSES) {
		memcpy(sorted, old, n * sizeof *sorted);
		qsort(sorted, n, sizeof *sorted, by_bytes);
		s->classes = 0;
		for (size_t c = 0; c < n; c++)
			if (!c || strcmp(sorted[c], sorted[s->classes - 1]))
				sorted[s->classes++] = sorted[c];
		for (size_t c = 0; c < n; c++) {
			char **at = bsearch(&old[c], sorted, (size_t)s->classes, sizeof *sorted,
					    by_bytes);
			number[c] = (uint32_t)(at - sorted);
		}
		for (int64_t i = 0; i < s->n; i++) s->entry[i].label = number[s->entry[i].label];
		for (size_t c = 0; c < n; c++)
			if (sorted[number[c]] != old[c]) free(old[c]);
	}
	free(number);
	free(old);
	s->class_name = sorted;
}

uint64_t sources_hash(const struct sources *s)
{
	struct hash h;

	hash_start(&h);
	for (int64_t i = 0; i < s->n; i++) {
		const char *name = s->entry[i].name + s->entry[i].skip;
		uint32_t label = s->entry[i].label;
		uint8_t bytes[4] = { (uint8_t)label, (uint8_t)(label >> 8), (uint8_t)(label >> 16),
				     (uint8_t)(label >> 24) };
		hash_add(&h, name, strlen(name) + 1);
		hash_add(&h, bytes, sizeof bytes);
	}
	return hash_end(&h);
}

static int grey(const struct source_entry *e, struct image *image)
{
	uint8_t *to = mem_big(e->size, 3, e->name);

	if (!to) return -1;
	*image = (struct image){ e->height, e->width, to };
	for (size_t i = 0; i < e->size; i++, to += 3) to[0] = to[1] = to[2] = e->bytes[i];
	return 0;
}

/* The whole of a regular file, owned by the caller.  Read and not mapped: a file cut while it is
 * read is an error, a map would end the program.  A signal that interrupts does not make it a bad
 * picture. */
static int read_file(const char *path, uint8_t **bytes, size_t *n)
{
	struct stat st;
	/* a named pipe must not hold us up */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) return fail("%s:", path);
	int bad = fstat(fd, &st) ? fail("%s: stat:", path) : 0;
	if (!bad && (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX_BYTES))
		bad = fail("%s: found no regular file of at most %d bytes", path, FILE_MAX_BYTES);
	if (bad) {
		close(fd);
		return -1;
	}
	*bytes = mem_new((size_t)st.st_size, 1);
	*n = 0;
	ssize_t got = 1;
	while (*n < (size_t)st.st_size &&
	       (got = TEMP_FAILURE_RETRY(read(fd, *bytes + *n, (size_t)st.st_size - *n))) > 0)
		*n += (size_t)got;
	bad = got > 0 ? 0 : fail(got ? "%s:" : "%s: became shorter while it was read", path);
	close(fd);
	if (bad) free(*bytes);
	return bad;
}

int sources_decode(const struct sources *s, int64_t i, struct image *image, int alpha_on,
		   bool orient)
{
	const struct source_entry *e = &s->entry[i];
	uint8_t *bytes = NULL;
	size_t n = 0;

	*image = (struct image){ 0 };
	if (e->on_white && alpha_on < 0) alpha_on = 255;
	if (e->height) return grey(e, image);
	if (e->link)
		return fail("%s: found a link, expected a file: tar -h --hard-dereference packs "
			    "what links name", e->name);
	if (e->bytes) return image_decode(image, e->name, e->bytes, e->size, alpha_on, orient);
	if (read_file(e->name, &bytes, &n)) return -1;
	int bad = image_decode(image, e->name, bytes, n, alpha_on, orient);
	free(bytes);
	return bad;
}

void sources_close(struct sources *s)
{
	for (int64_t i = 0; i < s->n; i++) free(s->entry[i].name);
	for (int c = 0; c < s->classes; c++) free(s->class_name[c]);
	for (int i = 0; i < s->files; i++) {
		map_close(&s->file[i].map);
		free(s->file[i].owned);
	}
	free(s->entry);
	free(s->class_name);
	free(s->file);
	*s = (struct sources){ 0 };
}
