/* check-weights: files of weights and arrays, good and bad, with known verdicts and contents; round
 * trips; half precision. */
#include "formats/json.h"
#include "formats/npy.h"
#include "formats/safetensors.h"
#include "formats/weights.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "tests/tap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CORPUS "tests/fuzz/corpus/"

static char *temp(const char *name)
{
	const char *dir = getenv("TMP");
	return mem_text("%s/%s", dir ? dir : "/tmp", name);
}

static uint64_t fnv1a(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001b3;
	return h;
}

/* name, "TYPE d,d,..." and hash as the table has them. */
static char *describe(const struct tensor *t)
{
	char text[512];
	int n = 0;

	for (const char *p = t->name ? t->name : ""; *p; p++)
		n += sprintf(text + n, "%02x", (unsigned char)*p);
	n += sprintf(text + n, "%s\t%s ", n ? "" : "-", dtype_name(t->type));
	for (int i = 0; i < t->rank; i++)
		n += sprintf(text + n, "%s%" PRId64, i ? "," : "", t->shape[i]);
	sprintf(text + n, "\t%016" PRIx64, fnv1a(t->data, (size_t)t->count * dtype_size(t->type)));
	return mem_text("%s", text);
}

static bool has(const struct tensors *t, const char *want)
{
	for (int i = 0; i < t->n; i++) {
		char *got = describe(&t->t[i]);
		bool same = !strcmp(got, want);
		free(got);
		if (same) return true;
	}
	return false;
}

static void check_files(void)
{
	FILE *f = fopen("tests/golden/weightfiles.tsv", "r");
	char line[1024], path[1100];
	struct tensors found = { 0 };
	bool good = false;

	if (!ok(f != NULL, "the table of verdicts")) return;
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = '\0';
		char *rest = strchr(line, '\t');
		if (*line == '#' || !rest) continue;
		*rest++ = '\0';
		if (!strncmp(rest, "tensor\t", 7)) {
			ok(good && has(&found, rest + 7), "%s: %s", line, rest + 7);
			continue;
		}
		tensors_close(&found);
		snprintf(path, sizeof path, CORPUS "%s", line);
		good = !weights_open(&found, path);
		if (!strncmp(rest, "accept\t", 7))
			ok(good && found.n == atoi(rest + 7), "%s: read", line);
		else if (!strcmp(rest, "reject\t0"))
			ok(!good && strstr(why(), path), "%s: refused: %s", line, why());
		else
			ok(good || strstr(why(), path), "%s: either", line);
	}
	tensors_close(&found);
	fclose(f);
}

static const float numbers[6] = { 1.5f, -2, 3e-30f, 0, 7, 8 };
static const uint16_t halves[3] = { 0x3C00, 0x8001, 0x7BFF };

static void fill(struct tensors *t)
{
	*t = (struct tensors){ 0 };
	tensors_add(t, "G.odd", DT_F16, 1, (int64_t[]){ 3 }, halves);
	tensors_add(t, "G.weight", DT_F32, 2, (int64_t[]){ 2, 3 }, numbers);
	tensors_add(t, "empty", DT_U8, 1, (int64_t[]){ 0 }, NULL);
	tensors_add(t, "scalar \"\xc3\xa9\"\n", DT_F32, 0, NULL, numbers);
	tensors_add_meta(t, "options", "net = biggan\nsize = 32\t\"x\"\\\n");
	tensors_add_meta(t, "step", "12");
}

static long size_of(const char *path)
{
	struct stat st;
	return stat(path, &st) ? -1 : (long)st.st_size;
}

static void check_round_trip(void)
{
	struct tensors w, r;
	char *a = temp("a.safetensors"), *b = temp("b.safetensors");

	fill(&w);
	ok(!tensors_save(&w, a, false) && !tensors_save(&w, b, false), "saved twice");
	ok(tensors_save(&w, a, false) == -1 && strstr(why(), "exists"),
		"an existing file is refused: %s", why());
	ok(!tensors_save(&w, a, true), "and replaced by force");
	ok(!tensors_open(&r, a), "read back: %s", why());
	ok(r.n == 4 && r.n_meta == 2 && !strcmp(tensors_meta(&r, "options"), w.meta[0].value),
		"metadata with escapes");
	const struct tensor *t = tensors_find(&r, "G.weight"), *odd = tensors_find(&r, "G.odd");
	ok(t && t->rank == 2 && t->shape[1] == 3 && !memcmp(t->data, numbers, sizeof numbers),
		"the elements");
	ok(t && odd && (uintptr_t)t->data % 64 == 0 && (uintptr_t)odd->data % 2 == 0,
		"data are aligned to their elements");
	ok(tensors_find(&r, "scalar \"\xc3\xa9\"\n") && !tensors_find(&r, "G"),
		"names are whole names");
	float out[3];
	ok(!tensor_floats(a, odd, out) && out[0] == 1 && out[1] == -0x1p-24f && out[2] == 65504,
		"halves widen");
	ok(tensor_floats(a, tensors_find(&r, "empty"), out) == -1 && strstr(why(), "U8"),
		"bytes are no floats: %s", why());
	tensors_add(&w, "G.odd", DT_F16, 1, (int64_t[]){ 3 }, halves);
	ok(tensors_save(&w, a, true) == -1 && strstr(why(), "G.odd"), "a name twice is refused: %s",
		why());
	struct tensors full = { 0 };
	fill(&full);
	tensors_add_meta(&full, "step", "13");
	ok(tensors_save(&full, a, true) == -1 && strstr(why(), "step"),
		"metadata of one name are refused: %s", why());
	tensors_close(&full);
	fill(&full);
	ok(tensors_save(&full, "/dev/full", false) == -1, "a full disk is noticed: %s", why());
	struct stat st;
	ok(!stat("/dev/full", &st) && S_ISCHR(st.st_mode) && access("/dev/full.part", F_OK),
		"and the device left alone");
	tensors_close(&r);
	tensors_close(&w);
	tensors_close(&full);
	free(a), free(b);
}

/* Cut at every byte, a file is refused and never read past its end. */
static void check_cuts(const char *suffix)
{
	char *from = temp("whole"), *to = mem_text("%s.%s", from, suffix);
	bool npy = !strcmp(suffix, "npy");
	struct tensors w;
	int refused = 0;

	fill(&w);
	must(!(npy ? npy_write(to, &w.t[1], false) : tensors_save(&w, to, false)));
	long n = size_of(to);
	for (long i = n - 1; i >= 0; i--) {
		must(!truncate(to, i));
		struct tensors t;
		bool good = !weights_open(&t, to);
		refused += !good;
		if (good) tensors_close(&t);
	}
	ok(n > 100 && refused == n, "%s cut at each of %ld bytes is refused", suffix, n);
	tensors_close(&w);
	free(from), free(to);
}

static void check_npy(void)
{
	static const double x[6] = { 1, -2, 0.1, 4, 5, 1e300 };
	char *path = temp("x.npy");
	struct tensor w = { .type = DT_F64, .rank = 3, .shape = { 1, 2, 3 }, .count = 6 };
	struct tensor r;

	w.data = x;
	ok(!npy_write(path, &w, false) && !npy_read(&r, path), "npy written and read");
	ok(r.rank == 3 && r.shape[2] == 3 && r.type == DT_F64 && !memcmp(r.data, x, sizeof x),
		"and equal");
	ok(size_of(path) == 128 + 48, "the header is padded to a multiple of 64");
	free((void *)r.data);
	ok(npy_write(path, &w, false) == -1 && strstr(why(), "exists"),
		"an existing file is refused");
	w.type = DT_BF16;
	ok(npy_write(path, &w, true) == -1 && strstr(why(), "BF16"), "npy has no BF16: %s", why());
	free(path);
}

/* The bytes of the hex example on the page, lines "offset: xx xx ...". */
static size_t page_bytes(const char *page, unsigned char *to, size_t room)
{
	FILE *f = fopen(page, "r");
	char line[256];
	unsigned offset, byte;
	size_t n = 0;
	int used;

	must(f);
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "%8x:%n", &offset, &used) != 1 || used != 9 || offset != n)
			continue;
		for (char *p = line + used; n < room && sscanf(p, " %2x%n", &byte, &used) == 1;
			p += used)
			to[n++] = (unsigned char)byte;
	}
	fclose(f);
	return n;
}

static void check_page(void)
{
	static const float x[2] = { 1, -0.5f };
	unsigned char want[512], got[512];
	size_t n = page_bytes("man/ic-ckpt.5", want, sizeof want);
	char *path = temp("page.safetensors");
	struct tensors w = { 0 };

	tensors_add(&w, "G.bias", DT_F32, 1, (int64_t[]){ 2 }, x);
	tensors_add_meta(&w, "format", "ic-ckpt 1");
	must(!tensors_save(&w, path, false));
	FILE *f = fopen(path, "rb");
	size_t m = fread(got, 1, sizeof got, f);
	fclose(f);
	ok(n > 100 && n == m && !memcmp(want, got, n), "the hex example of ic-ckpt(5): %zu bytes",
		n);
	tensors_close(&w);
	free(path);
}

/* Every half reads back as itself; between neighbours the nearer one is taken, and the even one at
 * the middle. */
static void check_halves(void)
{
	int wrong = 0;

	for (uint32_t h = 0; h < 0x7C00; h++) {
		float a = f16_to_f32((uint16_t)h);
		float b = h == 0x7BFF ? 65536 : f16_to_f32((uint16_t)(h + 1)), mid = (a + b) / 2;
		wrong += f32_to_f16(a) != h || f32_to_f16(-a) != (h | 0x8000);
		wrong += f32_to_f16(mid) != h + (h & 1);
		wrong += f32_to_f16(nextafterf(mid, 0)) != h ||
			f32_to_f16(nextafterf(mid, INFINITY)) != h + 1;
	}
	ok(wrong == 0, "all finite halves and the middles between them: %d wrong", wrong);
	ok(f32_to_f16(INFINITY) == 0x7C00 && f32_to_f16(-1e30f) == 0xFC00 &&
			isnan(f16_to_f32(f32_to_f16(NAN))) && isinf(f16_to_f32(0xFC00)),
		"infinities and not-a-number");
	ok(f16_to_f32(1) == 0x1p-24f && f16_to_f32(0x3555) == 0.333251953125f, "known values");
}

/* The digits of an escape are hexadecimal, in either case; a control character is no digit, though
 * it has the low bits of one. */
static void check_escapes(void)
{
	static const struct { const char *json, *want; } cases[] = {
		{ "\"\\u00e9\\u00E9\\u0039\"", "\303\251\303\2519" },
		{ "\"\\u00\x13\x19\"", NULL }, { "\"\\u00g9\"", NULL }, { "\"\\u009\"", NULL },
	};
	int wrong = 0;

	for (size_t i = 0; i < LEN(cases); i++) {
		struct json j = { cases[i].json, cases[i].json + strlen(cases[i].json) };
		char *got = json_string(&j);
		const char *want = cases[i].want;
		wrong += want ? !got || strcmp(got, want) : got != NULL;
		free(got);
	}
	ok(wrong == 0, "escapes of JSON: %d wrong", wrong);
}

int main(void)
{
	check_files();
	check_escapes();
	check_round_trip();
	check_cuts("safetensors");
	check_cuts("npy");
	check_npy();
	check_page();
	check_halves();
	return done_testing();
}
