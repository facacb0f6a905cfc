/* beside: files that come with the programs. */
#include "lib/base/beside.h"
#include "lib/base/fail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int beside_find(const char *kind, const char *file, char path[PATH_MAX])
{
	/* from PREFIX/bin, build/bin and build/asan/bin */
	static const char *const folder[] = { "../share/ic", "../../pipelines",
					      "../../../pipelines" };
	char self[PATH_MAX / 2];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self);

	if (n <= 0 || n == (ssize_t)sizeof self)
		return fail("%s: the place of this program is unknown: give the path", file);
	while (n > 0 && self[n - 1] != '/') n--;
	for (size_t i = 0; i < LEN(folder); i++) {
		int len = snprintf(path, PATH_MAX, "%.*s%s/%s/%s", (int)n, self, folder[i], kind,
				   file);
		if (len >= PATH_MAX) continue;
		if (!access(path, R_OK)) return 0;
		if (errno != ENOENT && errno != ENOTDIR) return fail("%s:", path);
	}
	return fail("%s: not found in %.*s%s/%s: give its path", file, (int)n, self, folder[0],
		    kind);
}

int beside_weights(const char *file, char path[PATH_MAX])
{
	const char *folder = getenv("IC_WEIGHTS");

	if (!folder || !*folder) return beside_find("weights", file, path);
	if (snprintf(path, PATH_MAX, "%s/%s", folder, file) >= PATH_MAX)
		return fail("$IC_WEIGHTS is too long for a path");
	return access(path, R_OK) ? fail("%s (by $IC_WEIGHTS):", path) : 0;
}
