/* range: a part of the rows of a file. */
#include "lib/base/range.h"
#include "lib/base/fail.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

int range_parse(const char *text, int64_t count, int64_t *first, int64_t *last)
{
	char *end;

	*first = 0;
	*last = count;
	if (!text) return 0;
	if (*text != ':') *first = strtoll(text, &end, 10);
	else end = (char *)(uintptr_t)text;
	bool good = *end == ':';
	if (good && end[1]) *last = strtoll(end + 1, &end, 10);
	else if (good) end++;
	if (good && !*end && *first >= 0 && *first < *last && *last <= count) return 0;
	return fail("--rows: found '%s', expected A:B within 0:%" PRId64, text, count);
}
