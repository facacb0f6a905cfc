/* fuzz-pickle: any bytes as a pickle; texts in what is accepted lie in its bytes. */
#include "formats/pickle.h"
#include "lib/base/fail.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Depth is bounded: items may contain themselves. */
static void walk(const struct pickle_item *x, const char *from, const char *to, int depth)
{
	if (x->kind == PICKLE_TEXT || x->kind == PICKLE_BIG)
		must(!x->n || (x->text >= from && x->n <= (size_t)(to - x->text)));
	if (x->kind < PICKLE_TUPLE || !depth) return;
	for (uint32_t i = 0; i < x->n && i < 8; i++) {
		must(x->child[i]);
		walk(x->child[i], from, to, depth - 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct pickle p;

	if (pickle_read(&p, "input", bytes, n)) return 0;
	must(p.used && p.used <= n);
	walk(p.root, (const char *)bytes, (const char *)bytes + n, 6);
	for (int i = 0; i < p.n_ids; i++) must(p.ids[i]->kind == PICKLE_ID && p.ids[i]->n == 1);
	pickle_free(&p);
	return 0;
}
