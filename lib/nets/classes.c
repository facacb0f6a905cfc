/* classes: the names of the classes of ImageNet. */
#include "lib/nets/classes.h"
#include "formats/map.h"
#include "lib/base/beside.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* The lines of the text, which it ends at their newlines; how many there are, at most
 * CLASSES + 1. */
static int split(struct classes *c)
{
	int n = 0;

	for (char *p = c->text, *end; n <= CLASSES && (end = strchr(p, '\n')); p = end + 1, n++) {
		*end = 0;
		if (n < CLASSES) c->name[n] = p;
	}
	return n;
}

int classes_open(struct classes *c)
{
	char path[PATH_MAX];
	struct map m;

	*c = (struct classes){ 0 };
	if (beside_weights("imagenet-classes.txt", path) || map_open(&m, path, 1)) return -1;
	c->text = mem_new(m.bytes + 1, 1);
	memcpy(c->text, m.p, m.bytes);
	map_close(&m);
	int n = split(c);
	if (n == CLASSES) return 0;
	classes_close(c);
	return fail("%s: found %s lines, expected %d names", path, n < CLASSES ? "fewer" : "more",
		CLASSES);
}

void classes_close(struct classes *c)
{
	free(c->text);
	*c = (struct classes){ 0 };
}
