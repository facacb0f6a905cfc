/* fault: the lowest index wins, whichever thread comes first. */
#include "lib/stat/fault.h"
#include "lib/base/fail.h"

#include <stdio.h>

void fault_at(struct fault *f, int64_t i)
{
#pragma omp critical(fault)
	if (f->at < 0 || i < f->at) {
		f->at = i;
		snprintf(f->text, sizeof f->text, "%s", why());
	}
}

int fault_told(const struct fault *f)
{
	return f->at < 0 ? 0 : fail("%s", f->text);
}
