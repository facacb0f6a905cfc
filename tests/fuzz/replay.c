/* replay: runs a fuzz target over files named on the command line, without a fuzzer; one TAP line a
 * file. */
#include "tests/tap.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t n = 0, room = 1 << 16, got;
	uint8_t *bytes = malloc(room), *exact;

	if (!f || !bytes) return false;
	while ((got = fread(bytes + n, 1, room - n, f)) > 0)
		if ((n += got) == room && !(bytes = realloc(bytes, room *= 2))) return false;
	fclose(f);
	exact = malloc(n ? n : 1);           /* so that a sanitizer sees a read past the end */
	if (!exact) return false;
	memcpy(exact, bytes, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	free(bytes);
	return true;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) ok(replay(argv[i]), "%s", argv[i]);
	return done_testing();
}
