/* check-pam: picture streams with their comments, and PNM files decoded as Pillow does. */
#include "formats/image.h"
#include "formats/pam.h"
#include "tests/rowset.h"

/* n pictures of 3x2 as a series; at_from: the first one's place. */
static void write_series(const char *path, int n, int of, int at_from)
{
	FILE *f = fopen(path, "ab");
	uint8_t pixels[18];

	must(f);
	for (int i = at_from; i < n; i++) {
		struct pam_head h = { .width = 3, .height = 2, .channels = 3,
			.key = (uint64_t)i * 10 + 1, .labelled = true, .label = (uint32_t)i,
			.at = i, .of = of, .from = 0xabc, .root = 0xffffffffffffffff,
			.instanced = true, .instance = 1ull << 63, .seed = "18446744073709551615" };
		for (int j = 0; j < 18; j++) pixels[j] = (uint8_t)(i * 18 + j);
		must(!pam_write(f, "series", &h, pixels));
	}
	must(!fclose(f));
}

/* Pictures of a file that are as write_series makes them; *end is pam_read's last answer. */
static int read_series(const char *path, int *end)
{
	struct pam p;
	struct pam_head h;
	uint8_t *pixels = NULL;
	int n = 0;

	*end = -1;
	if (pam_open(&p, path)) return 0;
	while ((*end = pam_read(&p, &h, &pixels)) > 0) {
		uint8_t i = (uint8_t)h.label;
		bool good = h.width == 3 && h.height == 2 && h.key == i * 10u + 1 && h.labelled &&
			h.at == i && h.from == 0xabc && h.root == 0xffffffffffffffff &&
			h.instanced && h.instance == 1ull << 63 && h.channels == 3 &&
			!strcmp(h.seed, "18446744073709551615");
		for (int j = 0; j < 18; j++) good &= pixels[j] == (uint8_t)(i * 18 + j);
		n += good;
	}
	free(pixels);
	pam_close(&p);
	return n;
}

static void check_series(void)
{
	const char *path = temp("s.pam"), *short_one = temp("cut.pam");
	int end, bad = 0;
	size_t n;

	write_series(path, 5, 5, 0);
	ok(read_series(path, &end) == 5 && end == 0,
		"a series comes back with all that its comments say");
	unsigned char *p = slurp(path, &n);
	for (size_t cut = 1; cut < n; cut++) {
		spill(short_one, p, cut);
		read_series(short_one, &end);
		bad += end != -1;
	}
	free(p);
	ok(!bad, "cut at every byte: reported (%d not)", bad);
	write_series(path, 5, 5, 0);
	ok(read_series(path, &end) == 10 && end == 0, "two series after each other");
	unlink(path);
	write_series(path, 2, 5, 0);
	write_series(path, 5, 5, 3);
	ok(read_series(path, &end) == 2 && end == -1 && says("some are missing"),
		"a gap is reported");
	spill(path, "", 0);
	ok(read_series(path, &end) == 0 && end == 0, "an empty stream is a stream of no pictures");
	ok(pam_open(&(struct pam){ 0 }, temp("none.pam")) && says("No such file"),
		"a missing file");
}

/* One picture of 2x1 in each form that a stream may have; what it must give, or what must be
 * said. */
static void check_forms(void)
{
#define P7(type, depth, more)                                                                      \
	"P7\nWIDTH 2\nHEIGHT 1\nDEPTH " depth "\nMAXVAL 255\n" type more "ENDHDR\n"
	static const struct { const char *bytes, *rgb, *text; uint64_t key; } forms[] = {
		{ "P6\n2 1\n255\nabcdef", "abcdef", "", 0 },
		{ "P6 # c\n#d\n2\n#e\n1 # ic key=4\n255\nabcdef", "abcdef", "", 4 },
		{ "P5\n2 1 255\nab", "aaabbb", "", 0 },
		{ P7("TUPLTYPE RGB\n", "3", "") "abcdef", "abcdef", "", 0 },
		{ P7("", "1", "# ic key=9 new=thing\n\n") "ab", "aaabbb", "", 9 },
		{ P7("TUPLTYPE GRAYSCALE\n", "1", "") "ab", "aaabbb", "", 0 },
		{ P7("TUPLTYPE GRAYSCALE_ALPHA\n", "2", "") "a.b.", "aaabbb", "", 0 },
		{ P7("TUPLTYPE RGB_ALPHA\n", "4", "") "abc.def.", "abcdef", "", 0 },
		{ P7("TUPLTYPE RGB\n", "4", "") "abc.def.", NULL, "depth 4", 0 },
		{ P7("TUPLTYPE CMYK\n", "4", "") "abc.def.", NULL, "TUPLTYPE CMYK", 0 },
		{ P7("", "5", "") "abc.def.", NULL, "DEPTH", 0 },
		{ P7("DEEP 1\n", "3", "") "abcdef", NULL, "DEEP", 0 },
		{ "P7\nWIDTH 2\nDEPTH 3\nMAXVAL 255\nENDHDR\nabcdef", NULL, "2x0", 0 },
		{ "P6\n2 1\n254\nabcdef", NULL, "maxval 254", 0 },
		{ "P3\n2 1\n255\n1 2 3 4 5 6", NULL, "P3", 0 },
		{ "P4\n2 1\nab", NULL, "P4", 0 },
		{ "P6\n65501 1\n255\n", NULL, "65501", 0 },
		{ "P6\n65000 65000\n255\n", NULL, "pixels", 0 },
		{ "P6\n-2 1\n255\nabcdef", NULL, "-2", 0 },
		{ "P6\n# ic key=-1\n2 1\n255\nabcdef", NULL, "key", 0 },
		{ "P6\n# ic key=18446744073709551616\n2 1\n255\nabcdef", NULL, "key", 0 },
		{ "P6\n# ic label=4294967296\n2 1\n255\nabcdef", NULL, "label", 0 },
		{ "P6\n# ic from=12345678901234567\n2 1\n255\nabcdef", NULL, "from", 0 },
		{ "P6\n# ic at=1\n2 1\n255\nabcdef", NULL, "which", 0 },
		{ "P6\n# ic at=0 of=2\n2 1\n255\nabcdef", NULL, "did not finish", 0 },
		{ "\nP6\n2 1\n255\nabcdef", NULL, "found text where picture 0", 0 },
		{ "P6\n2 1\n255\nabcde", NULL, "ends inside picture 0", 0 },
		{ "P6\n2 1\n255\nabcdef\n", NULL, "found text where picture 1", 0 },
	};

	for (size_t i = 0; i < LEN(forms); i++) {
		struct pam p;
		struct pam_head h;
		uint8_t *pixels = NULL;
		spill(temp("f.pam"), forms[i].bytes, strlen(forms[i].bytes));
		must(!pam_open(&p, temp("f.pam")));
		int got = pam_read(&p, &h, &pixels);
		if (forms[i].rgb)
			ok(got == 1 && !memcmp(pixels, forms[i].rgb, 6) && h.key == forms[i].key &&
					pam_read(&p, &h, &pixels) == 0,
				"form %zu is read", i);
		else
			ok((got < 0 || pam_read(&p, &h, &pixels) < 0) && says(forms[i].text),
				"form %zu: %s", i, forms[i].text);
		free(pixels);
		pam_close(&p);
	}
}

static void check_decoding(void)
{
	static const char *const good[] = { "p3.ppm", "p5.pgm", "p5_max100.pgm", "p5_max65535.pgm",
		"p6.ppm", "p6_comment.ppm", "p6_max65535.ppm" };
	static const char *const bad[] = { "bad_huge.ppm", "bad_max0.ppm", "bad_neg.ppm",
		"bad_trunc.ppm" };
	struct image m;
	size_t n, want_n;
	char path[128];

	for (size_t i = 0; i < LEN(good); i++) {
		snprintf(path, sizeof path, "tests/golden/pnm/n_%s", good[i]);
		unsigned char *p = slurp(path, &n);
		strcat(path, ".rgb");
		unsigned char *want = slurp(path, &want_n);
		bool same = p && want && !image_decode_pnm(&m, good[i], p, n) &&
			(size_t)m.height * (size_t)m.width * 3 == want_n &&
			!memcmp(m.rgb, want, want_n);
		ok(same, "%s as Pillow decodes it", good[i]);
		/* Plain text may lose its line end, and "12" be cut to "1". */
		size_t noticed = 0, cuts = i ? n : n - 2;
		for (size_t cut = 0; same && cut < cuts; cut++) {
			struct image part;
			noticed += image_decode_pnm(&part, good[i], p, cut) ? 1 : 0;
			free(part.rgb);
		}
		ok(noticed == cuts, "cut at every byte: refused");
		if (same) free(m.rgb);
		free(p);
		free(want);
	}
	for (size_t i = 0; i < LEN(bad); i++) {
		snprintf(path, sizeof path, "tests/golden/pnm/n_%s", bad[i]);
		unsigned char *p = slurp(path, &n);
		ok(p && image_decode_pnm(&m, bad[i], p, n) && says(bad[i]) && !m.rgb,
			"%s is refused", bad[i]);
		free(p);
	}
	ok(image_decode_pnm(&m, "x", "P3 1 1 9 1 2 10", 15) && says("10"),
		"a plain sample above maxval is refused");
}

/* The example of ic-image(5): the text between the lines that say where it begins and ends. */
static void check_page(void)
{
	FILE *f = fopen("man/ic-image.5", "r");
	char line[256], text[1024] = "";
	bool on = false;

	if (!ok(f != NULL, "ic-image(5)")) return;
	while (fgets(line, sizeof line, f)) {
		if (!strcmp(line, "P7\n")) on = true;
		if (on && !strncmp(line, ".Ed", 3)) on = false;
		if (on && strlen(text) + strlen(line) < sizeof text) strcat(text, line);
	}
	fclose(f);
	size_t n = strlen(text);
	spill(temp("page.pam"), text, n ? n - 1 : 0);
	struct pam p;
	struct pam_head h, none;
	uint8_t *pixels = NULL;
	must(!pam_open(&p, temp("page.pam")));
	ok(pam_read(&p, &h, &pixels) == 1 && h.key == 12 && h.label == 7 && h.at == 0 &&
			h.of == 1 && h.width == 2 && h.from == 0x9f3c5a7712ab0042 &&
			h.root == h.from && !memcmp(pixels, "ABCabc", 6) &&
			pam_read(&p, &none, &pixels) == 0,
		"ic-image(5): the example is read");
	pam_close(&p);
	FILE *out = fopen(temp("again.pam"), "wb");
	must(out && !pam_write(out, "again.pam", &h, pixels) && !fclose(out));
	ok(same_file(temp("page.pam"), temp("again.pam")), "and is what is written");
	must((out = fopen("/dev/full", "wb")) && !setvbuf(out, NULL, _IONBF, 0));
	ok(pam_write(out, "full.pam", &h, pixels) && !strncmp(why(), "full.pam: No space", 18),
		"a file that is full is named: %s", why());
	fclose(out);
	free(pixels);
}

int main(void)
{
	check_series();
	check_forms();
	check_decoding();
	check_page();
	return done_testing();
}
