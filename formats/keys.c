/* keys: reads a list of keys; only the beginning of a line matters, however long it is. */
#include "formats/keys.h"
#include "formats/known.h"
#include "formats/npy_rows.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A key and the blank or line end after it. */
static bool parse(const char *line, uint64_t *key)
{
	char *end;

	errno = 0;
	*key = strtoull(line, &end, 10);
	return *line >= '0' && *line <= '9' && !errno && *end && strchr("\t\r\n ", *end);
}

int64_t keys_scan(FILE *f, const char *name, uint64_t **list)
{
	char line[256] = "";
	int64_t n = 0;
	bool begins = true;                  /* this text is the beginning of its line */

	*list = NULL;
	while (fgets(line, sizeof line - 1, f)) {
		if (!*line) {
			fail("%s: found %s, expected lines that begin with a key, as ic-store dump "
				"writes", name, known_as(line, sizeof line));
			goto failed;
		}
		bool wanted = begins && !strchr("#\r\n", *line);
		begins = strchr(line, '\n');
		if (!wanted) continue;
		if (!begins && feof(f)) strcat(line, "\n");
		if (!(n & (n - 1)))          /* 0, 1, 2, 4, 8 ...: double */
			*list = mem_grow(*list, n ? 2 * (size_t)n : 1, sizeof **list);
		if (parse(line, &(*list)[n++])) continue;
		line[strcspn(line, "\r\n")] = 0;
		fail("%s: found '%s', expected a key", name, line);
		goto failed;
	}
	if (!ferror(f)) return n;
	fail("%s:", name);
failed:
	free(*list);
	*list = NULL;
	return -1;
}

int64_t keys_read(const char *path, uint64_t **list)
{
	int npy = npy_rows_is(path);
	if (npy) return npy < 0 ? -1 : npy_rows_keys(path, list);
	bool in = !strcmp(path, "-");
	FILE *f = in ? stdin : fopen(path, "r");

	*list = NULL;
	if (!f) return fail("%s:", path);
	int64_t n = keys_scan(f, in ? "standard input" : path, list);
	if (!in) fclose(f);
	return n;
}
