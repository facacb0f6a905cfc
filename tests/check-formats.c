/* check-formats: row streams and stores: round trips, cuts, damage, the manual's examples. */
#include "formats/frame.h"
#include "formats/text.h"
#include "lib/base/rng.h"
#include "tests/rowset.h"

#include <lmdb.h>

static void check_text(const char *store, const struct rows_info *info, int64_t n, uint64_t id)
{
	struct rows r, to;
	struct text t;
	struct rows_info head;
	struct block b;
	uint64_t key;
	uint32_t label;
	FILE *f = fopen(temp("t.txt"), "w");
	int got;

	must(f && !rows_open(&r, store));
	text_head(f, &r.info);
	while (rows_next(&r, &b) > 0)
		for (int i = 0; i < b.n; i++)
			text_row(f, &r.info, b.keys[i], b.labels ? b.labels[i] : 0,
				(const char *)b.data + (size_t)i * rows_bytes(info));
	text_end(f);
	must(!ferror(f) && !fclose(f));
	rows_close(&r);
	must(!text_open(&t, temp("t.txt"), &head) &&
		!rows_create(&to, temp("t.mdb"), &head, true, NULL));
	while ((got = text_next(&t, &head, &key, &label)) > 0)
		must(!rows_put(&to, key, label, t.row));
	ok(!got && !rows_seal(&to) && to.info.id == id && holds(temp("t.mdb"), info, n, id),
		"and as text");
	rows_close(&to);
	text_close(&t);
}

static void check_round_trips(void)
{
	static const struct { enum rows_type type; int width; int64_t n; } sets[] = {
		{ ROWS_U8, 3, 1 },
		{ ROWS_U8, 4093, 300 },
		{ ROWS_F32, 1, 0 },
		{ ROWS_F32, 513, 700 },
		{ ROWS_F16, 7, 5 },
		{ ROWS_U32, 1, 140000 },
		{ ROWS_NEAR, 5, 12000 },
		{ ROWS_F32, 200000, 5 },
	};

	for (size_t i = 0; i < 2 * LEN(sets); i++) {
		struct rows_info info = info_of(sets[i / 2].type, sets[i / 2].width, i % 2);
		int64_t n = sets[i / 2].n;
		uint64_t a = 1, b = 2, want = id_of(&info, n);
		const char *store = temp("a.mdb"), *stream = temp("a.icr");
		ok(!write_store(store, &info, n, &a) && !write_stream(stream, &info, n, &b) &&
				a == want && b == want,
			"%" PRId64 " rows of %s %d %s labels: one id", n, text_type(info.type),
			info.width, info.labelled ? "with" : "without");
		ok(holds(store, &info, n, want) && holds(stream, &info, n, want),
			"and they come back");
		check_text(store, &info, n, want);
	}
}

/* Bits that no arithmetic must touch: -0, subnormals, NaN with a payload, infinities. */
static void check_text_bits(void)
{
	struct rows_info info = info_of(ROWS_F32, 1, false);
	static const uint32_t bits[] = { 0x80000000, 1, 0x007fffff, 0x7fc12345, 0xff800000,
		0x7f7fffff, 0x3dcccccd, 0xffa00001 };
	struct text t;
	uint64_t key;
	uint32_t label;
	FILE *f = fopen(temp("t.txt"), "w");
	size_t good = 0;

	must(f);
	text_head(f, &info);
	for (size_t i = 0; i < LEN(bits); i++) text_row(f, &info, i, 0, &bits[i]);
	text_end(f);
	must(!ferror(f) && !fclose(f) && !text_open(&t, temp("t.txt"), &info));
	while (text_next(&t, &info, &key, &label) > 0) good += !memcmp(t.row, &bits[key], 4);
	text_close(&t);
	ok(good == LEN(bits), "every float comes back from text bit for bit (%zu)", good);
}

struct scan { struct rows *r; int64_t good; };

static void scan_random(struct scan *s, uint64_t stream)
{
	struct rng g = rng_at(1, stream);
	int64_t good = 0;

	for (int i = 0; i < 2000; i++) {
		int64_t at = rng_below(&g, (uint32_t)s->r->info.count);
		struct block b;
		const float *x;
		if (rows_at(s->r, at, &b)) break;
		x = b.data;
		good += b.n > 0 && b.keys[0] == key_of(at) &&
			x[0] == (float)(uint32_t)(at * 31 + 1) / 8 && !((uintptr_t)b.keys % 8) &&
			rows_find(s->r, key_of(at)) == at;
	}
#pragma omp atomic
	s->good += good;
}

static void check_random_access(void)
{
	struct rows_info info = info_of(ROWS_F32, 64, true);
	struct rows r;
	struct block b;

	must(!write_store(temp("a.mdb"), &info, 9000, NULL) && !rows_open(&r, temp("a.mdb")));
	struct scan s = { .r = &r };
#pragma omp parallel for num_threads(4)
	for (int i = 0; i < 4; i++) scan_random(&s, (uint64_t)i);
	ok(s.good == 8000, "rows by position and by key, from four threads at once");
	ok(rows_find(&r, 4) < 0 && says("no row has key 4"), "a key that is not there");
	ok(!rows_at(&r, 0, &b) && !((uintptr_t)b.data % 16), "rows are aligned to 16 bytes");
	ok(rows_is_store(&r) && rows_next(&r, &b) == 1 && b.keys[0] == key_of(0),
		"and from the start");
	rows_close(&r);
	rows_close(&r);
	must(!write_stream(temp("a.icr"), &info, 9000, NULL) && !rows_open(&r, temp("a.icr")));
	while (rows_next(&r, &b) > 0) ;
	ok(r.info.count == 9000 && rows_next(&r, &b) == 0, "a stream knows its count at its end");
	rows_close(&r);
}

/* Reads all of a file: 0 sealed and sound, -1 failed. */
static int read_all(const char *path)
{
	struct rows_info info;
	return rows_verify(path, &info);
}

static void check_truncation(const char *path, size_t step)
{
	size_t n, bad = 0, at = 0;
	unsigned char *p = slurp(path, &n);

	for (size_t cut = 0; cut < n; cut += step) {
		spill(temp("cut"), p, cut);
		if (!read_all(temp("cut"))) bad++, at = cut;
	}
	spill(temp("cut"), p, n);
	ok(!bad && !read_all(temp("cut")),
		"%s cut at every byte of %zu in %zu: reported (%zu not, last %zu)",
		strrchr(path, '/') + 1, step, n, bad, at);
	p = mem_grow(p, n + 1, 1);
	p[n] = 0;
	spill(temp("cut"), p, n + 1);
	ok(read_all(temp("cut")), "a byte more: reported");
	free(p);
}

/* A changed byte of a stream after its head is noticed; of a store, noticed or without effect. */
static void check_damage(const char *path, size_t from, size_t step, bool may_pass)
{
	size_t n, bad = 0, at = 0;
	unsigned char *p = slurp(path, &n);
	struct rows_info sound, info;

	must(!rows_verify(path, &sound));
	for (size_t i = from; i < n; i += step) {
		p[i] ^= 0x41;
		spill(temp("hurt"), p, n);
		if (!rows_verify(temp("hurt"), &info) && (!may_pass || info.id != sound.id))
			bad++, at = i;
		p[i] ^= 0x41;
	}
	free(p);
	ok(!bad, "%s with each byte of %zu changed: reported (%zu not, last %zu)",
		strrchr(path, '/') + 1, step, bad, at);
}

static void check_hurt(void)
{
	struct rows_info info = info_of(ROWS_F32, 3, true), wide = info_of(ROWS_U8, 5000, false);

	must(!write_stream(temp("small.icr"), &info, 3, NULL) &&
		!write_stream(temp("large.icr"), &wide, 250, NULL));
	must(!write_store(temp("small.mdb"), &info, 3, NULL) &&
		!write_store(temp("large.mdb"), &wide, 250, NULL));
	check_truncation(temp("small.icr"), 1);
	check_truncation(temp("large.icr"), 9973);
	check_truncation(temp("small.mdb"), 97);
	check_truncation(temp("large.mdb"), 9973);
	check_damage(temp("small.icr"), 96, 1, false);
	check_damage(temp("small.mdb"), 0, 13, true);
	check_damage(temp("large.mdb"), 0, 9973, true);
}

/* Heads that must not be believed: place, width and value of a change, and what is said. */
static void check_hostile_heads(void)
{
	static const struct { size_t at, bytes; uint64_t value; const char *text; } heads[] = {
		{ 0, 1, 'X', "expected a row stream" },
		{ 8, 4, 0, "type 0" },
		{ 8, 4, 6, "type 6" },
		{ 12, 4, 0, "width 0" },
		{ 12, 4, 0x80000000, "width" },
		{ 12, 4, 0x7fffffff, "width" },
		{ 16, 8, 1ull << 63, "count" },
		{ 16, 8, 9, "announced 9" },
		{ 40, 4, 2, "flags" },
		{ 44, 4, 0xffffffff, "meta text" },
		{ 44, 4, 8, "damaged" },
		{ 48, 1, 0, "kind" },
		{ 48, 1, ' ', "kind" },
		{ 64, 4, 1, "picture" },
		{ 80, 1, '=', "name=value" },
		{ 96, 4, 0xffffffff, "a block of" },
		{ 96, 4, 0, "end" },
		{ 100, 4, 1, "a block of" },
	};
	struct rows_info info = info_of(ROWS_F32, 3, true);
	size_t n;

	must(!write_stream(temp("a.icr"), &info, 3, NULL));
	unsigned char *p = slurp(temp("a.icr"), &n), *q = mem_new(n, 1);
	for (size_t i = 0; i < LEN(heads); i++) {
		memcpy(q, p, n);
		memcpy(q + heads[i].at, &heads[i].value, heads[i].bytes);
		spill(temp("b.icr"), q, n);
		ok(read_all(temp("b.icr")) && says(heads[i].text),
			"head with %#" PRIx64 " at %zu: %s", heads[i].value, heads[i].at,
			heads[i].text);
	}
	free(p);
	free(q);
}

static void check_features(void)
{
	struct rows_info info = info_of(ROWS_F32, 4, false), half = info_of(ROWS_F16, 4, true);
	struct rows_info ids = info_of(ROWS_U32, 4, false);
	float row[4] = { 1, 2, 3, 4 };
	struct table t;
	struct rows r;

	must(!rows_create(&r, temp("nan.mdb"), &info, true, NULL));
	must(!rows_put(&r, 70, 0, row) && (row[2] = NAN, !rows_put(&r, 71, 0, row)) &&
		!rows_seal(&r));
	rows_close(&r);
	ok(rows_load_features(&t, temp("nan.mdb")) && says("row 1 (key 71) is not finite"),
		"a NaN is named by row and key");
	must(!write_store(temp("half.mdb"), &half, 50, NULL) &&
		!rows_load_features(&t, temp("half.mdb")));
	bool good = t.info.type == ROWS_F32 && t.info.count == 50;
	for (int i = 0; i < 200 && good; i++)
		good = ((float *)t.data)[i] ==
			(float)((uint32_t)(i / 4 * 31 + i % 4 * 7 + 1) % 512) / 8;
	ok(good, "half features are widened");
	rows_free(&t);
	must(!write_store(temp("ids.mdb"), &ids, 5, NULL));
	ok(rows_load_features(&t, temp("ids.mdb")) && says("expected features"),
		"other rows are refused as features");
}

static void check_writing(void)
{
	struct rows_info info = info_of(ROWS_F32, 4, false), image = info_of(ROWS_U8, 12, false);
	struct rows r;
	char value[16];

	info.count = 5;
	must(!rows_create(&r, temp("n.mdb"), &info, true, NULL));
	ok(fill(&r, 0, 4, true) && says("4 rows were written, 5 announced"),
		"a wrong announced count is a failure");
	rows_close(&r);
	ok(access(temp("n.mdb"), F_OK), "and nothing is sealed");
	image.height = image.im_width = 2;
	image.channels = 2;
	ok(rows_create(&r, temp("n.mdb"), &image, true, NULL) && says("height times width"),
		"a shape that is not the width");
	ok(rows_meta(&info, "net", value, sizeof value) && !strcmp(value, "lite"),
		"a meta line is found");
	ok(!rows_meta(&info, "ne", value, sizeof value) &&
			!rows_meta(&info, "lite", value, sizeof value),
		"by its whole name");
	ok(rows_meta_add(&info, "bad", "a\nb=c") && says("control character"),
		"a meta value of two lines is refused");
	while (!rows_meta_add(&info, "pad", "%0200d", 0)) ;
	ok(says("full") && strlen(info.meta) < sizeof info.meta, "meta text fills up");
	ok(rows_create(&r, temp("no/such/folder.mdb"), &info, true, NULL) && says("No such file"),
		"no such folder");
	struct rows_info a = { .root = 0, .id = 5 }, b = { .root = 7, .id = 5 };
	ok(rows_root(&a) == 5 && rows_root(&b) == 7, "roots");
}

/* Lines "00000010: 12 34 ..." of a manual page to bytes, up to the first line of another kind
 * after them. */
static size_t page_bytes(const char *page, int nth, unsigned char *out)
{
	FILE *f = fopen(page, "r");
	char line[256];
	size_t n = 0;
	int seen = 0;

	if (!f) return 0;
	while (fgets(line, sizeof line, f)) {
		char *p = strchr(line, ':'), *end;
		if (!p || p - line != 8 || strspn(line, "0123456789abcdef") != 8) {
			if (n && seen == nth) break;
			continue;
		}
		size_t at = strtoul(line, NULL, 16);
		if (!at) seen++, n = 0;
		if (at != n) break;
		for (p++; seen == nth && n < 1024; p = end) {
			unsigned long byte = strtoul(p, &end, 16);
			if (end == p) break;
			out[n++] = (unsigned char)byte;
		}
		if (seen != nth) n = at + 16;
	}
	fclose(f);
	return seen >= nth ? n : 0;
}

static struct rows_info example_info(void)
{
	struct rows_info info = { .kind = "features", .type = ROWS_F32, .width = 2,
		.labelled = true, .count = -1, .from = 0x9f3c5a7712ab0042,
		.root = 0x9f3c5a7712ab0042 };

	rows_meta_add(&info, "net", "lite");
	return info;
}

static int example_write(const char *path)
{
	struct rows_info info = example_info();
	struct rows r;

	if (rows_create(&r, path, &info, true, NULL)) return -1;
	int bad = rows_put(&r, 12, 7, (float[]){ 1, -0.5f }) ||
		rows_put(&r, 15, 7, (float[]){ 0.25f, 2 }) || rows_seal(&r);
	rows_close(&r);
	return bad;
}

static void check_rows_page(void)
{
	unsigned char want[1024];
	size_t n, m = page_bytes("man/ic-rows.5", 1, want);
	int saved = redirect(temp("example.icr")), bad = example_write("-");

	restore(saved);
	unsigned char *got = slurp(temp("example.icr"), &n);
	ok(!bad && n == m && !memcmp(got, want, n),
		"ic-rows(5): the example is what is written (%zu bytes, %zu)", m, n);
	free(got);
	spill(temp("page.icr"), want, m);
	struct table t;
	if (!ok(!rows_load(&t, temp("page.icr")), "and what is read")) return;
	const float *x = t.data;
	ok(t.info.count == 2 && t.keys[0] == 12 && t.keys[1] == 15 && t.labels[1] == 7 &&
			x[1] == -0.5f && x[2] == 0.25f && t.info.from == 0x9f3c5a7712ab0042,
		"with the values the page tells");
	rows_free(&t);
}

/* A value of the example as a store, read by LMDB alone. */
static size_t value_of(const char *db, MDB_val key, unsigned char *out)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_val v;

	must(!mdb_env_create(&env) && !mdb_env_set_maxdbs(env, 2));
	must(!mdb_env_open(env, temp("example.mdb"), MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0));
	must(!mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) && !mdb_dbi_open(txn, db, 0, &dbi));
	int rc = mdb_get(txn, dbi, &key, &v);
	if (!rc) memcpy(out, v.mv_data, v.mv_size < 1024 ? v.mv_size : 1024);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	return rc ? 0 : v.mv_size;
}

static void check_store_page(void)
{
	static const struct { const char *db; MDB_val key; size_t size; } values[] = {
		{ "meta", { 4, "head" }, 96 },
		{ "data", { 8, "\0\0\0\0\0\0\0" }, 16384 },
		{ "meta", { 3, "end" }, 32 },
	};
	unsigned char want[1024], got[1024];

	must(!example_write(temp("example.mdb")));
	for (int i = 0; i < 3; i++) {
		size_t n = page_bytes("man/ic-store.5", i + 1, want);
		size_t m = value_of(values[i].db, values[i].key, got);
		ok(n >= 32 && m == values[i].size && !memcmp(want, got, n),
			"ic-store(5): value %d of the example", i + 1);
	}
}

int main(void)
{
	check_round_trips();
	check_text_bits();
	check_random_access();
	check_hurt();
	check_hostile_heads();
	check_features();
	check_writing();
	check_rows_page();
	check_store_page();
	return done_testing();
}
