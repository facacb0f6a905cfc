/* check-images: decoders and resampling against pixels of the reference implementations
 * (tests/golden/images.tsv: FNV-1a 64 of the RGB bytes Pillow gives;
 * tests/golden/resize.npz: Pillow and PyTorch). */
#include "formats/image.h"
#include "formats/map.h"
#include "formats/weights.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/stat/resize.h"
#include "tests/formula.h"
#include "tests/tap.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER "tests/golden/images/"

static uint64_t fnv(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint64_t h = 0xcbf29ce484222325u;

	while (n--) h = (h ^ *p++) * 0x100000001b3u;
	return h;
}

/* Decodes the first `n` bytes of a file of the folder (all when n is SIZE_MAX); they are copied to
 * their own allocation, so that a reader that goes too far is seen. */
static int decode(struct image *m, const char *file, size_t n, int alpha, bool orient)
{
	char *path = mem_text(FOLDER "%s", file);
	FILE *f = fopen(path, "rb");
	uint8_t *bytes = mem_new(1 << 16, 1);

	must(f);
	size_t size = fread(bytes, 1, 1 << 16, f);
	fclose(f);
	if (n < size) size = n;
	uint8_t *exact = malloc(size ? size : 1);
	memcpy(exact, bytes, size);
	free(bytes);
	int bad = image_decode(m, file, exact, size, alpha, orient);
	free(exact);
	free(path);
	return bad;
}

static size_t file_size(const char *file)
{
	char *path = mem_text(FOLDER "%s", file);
	FILE *f = fopen(path, "rb");

	must(f && !fseek(f, 0, SEEK_END));
	size_t n = (size_t)ftell(f);
	fclose(f);
	free(path);
	return n;
}

static void check_file(const char *file, const char *expect, int height, int width, uint64_t hash)
{
	struct image m;
	int bad = decode(&m, file, SIZE_MAX, -1, false);

	if (!strcmp(expect, "ok"))
		ok(!bad && m.height == height && m.width == width &&
			   fnv(m.rgb, (size_t)height * (size_t)width * 3) == hash,
		   "%s: pixels%s%s", file, bad ? ": " : "", bad ? why() : "");
	else if (!strcmp(expect, "fail"))
		ok(bad && !m.rgb && strstr(why(), file), "%s is refused: %s", file,
		   bad ? why() : "decoded");
	else
		ok(bad ? !m.rgb : m.rgb && m.height > 0, "%s: a whole picture or none", file);
	free(m.rgb);
}

/* No proper beginning of a PNG or JPEG is a picture, whatever byte it ends at. */
static void check_cuts(const char *file)
{
	size_t n = file_size(file), passed = 0;
	struct image m;

	for (size_t cut = 0; cut < n; cut++) {
		if (!decode(&m, file, cut, -1, false)) passed++;
		free(m.rgb);
	}
	ok(!passed, "%s: refused at each of %zu cuts", file, n);
}

static void check_files(void)
{
	char line[1024], file[64], expect[8];
	unsigned long long hash;
	int height, width, lines = 0;
	FILE *f = fopen("tests/golden/images.tsv", "r");

	must(f);
	while (fgets(line, sizeof line, f)) {
		hash = 0;
		if (sscanf(line, "%63[^\t]\t%7[^\t]\t%d\t%d\t%llx", file, expect, &height, &width,
			   &hash) < 4)
			continue;
		check_file(file, expect, height, width, hash);
		lines++;
	}
	fclose(f);
	ok(lines == 157, "%d of 157 files tried", lines);
}

static void check_foreign(void)
{
	struct image m;

	ok(image_decode(&m, "x", "BM1234", 6, -1, false) &&
		   strstr(why(), "found BMP, expected JPEG, PNG or PNM"),
	   "BMP is refused by name");
	ok(image_decode(&m, "x", "hello\n", 6, -1, false) && strstr(why(), "found text"),
	   "so is text");
	ok(image_decode(&m, "x", "", 0, -1, false) && strstr(why(), "empty"), "and an empty file");
}

/* out(level) = (c a + level (255 - a)) / 255: black and white backgrounds differ by 255 - a in
 * every channel. */
static void check_alpha(const char *file)
{
	struct image c, black, white;
	int worst = 0, partial = 0;

	must(!decode(&c, file, SIZE_MAX, -1, false) && !decode(&black, file, SIZE_MAX, 0, false) &&
		!decode(&white, file, SIZE_MAX, 255, false));
	for (int i = 0; i < 3 * c.height * c.width; i++) {
		int a = 255 - (white.rgb[i] - black.rgb[i]);
		int error = abs(255 * black.rgb[i] - c.rgb[i] * a);
		if (error > worst) worst = error;
		partial += a > 0 && a < 255;
	}
	/* a is known to one level */
	ok(worst <= 255 && partial > 10, "%s: laid on black and on white", file);
	free(c.rgb), free(black.rgb), free(white.rgb);
}

static void check_opaque(void)
{
	struct image plain, laid;

	must(!decode(&plain, "p_rgb8.png", SIZE_MAX, -1, false) &&
	     !decode(&laid, "p_rgb8.png", SIZE_MAX, 9, false));
	ok(!memcmp(plain.rgb, laid.rgb, (size_t)plain.height * (size_t)plain.width * 3),
	   "opaque pixels stay");
	free(plain.rgb), free(laid.rgb);
}

/* Source of pixel (y, x) after turning an h x w picture as EXIF orientations 1, 3, 6 and 8 ask. */
static const uint8_t *turned(const struct image *m, int orientation, int y, int x)
{
	int h = m->height, w = m->width, from_y = y, from_x = x;

	if (orientation == 3) from_y = h - 1 - y, from_x = w - 1 - x;
	if (orientation == 6) from_y = h - 1 - x, from_x = y;
	if (orientation == 8) from_y = x, from_x = w - 1 - y;
	return m->rgb + 3 * (from_y * w + from_x);
}

static void check_orientation(int orientation)
{
	char file[32];
	struct image stored, m;
	int wrong = 0;

	snprintf(file, sizeof file, "j_exif%d.jpg", orientation);
	must(!decode(&stored, file, SIZE_MAX, -1, false) && !decode(&m, file, SIZE_MAX, -1, true));
	for (int y = 0; y < m.height; y++)
		for (int x = 0; x < m.width; x++)
			wrong += !!memcmp(m.rgb + 3 * (y * m.width + x),
					  turned(&stored, orientation, y, x), 3);
	ok(!wrong && m.height == (orientation < 5 ? 21 : 33), "EXIF orientation %d", orientation);
	free(stored.rgb), free(m.rgb);
}

static void check_png_writer(void)
{
	uint8_t rgb[7 * 5 * 3];
	char *path = mem_text("%s/written.png", getenv("TMP") ? getenv("TMP") : "/tmp");
	struct map file;
	struct image m = { 0 };

	for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 37);
	ok(!image_write_png(path, rgb, 7, 5, false) && !map_open(&file, path, 1),
		"a PNG is written");
	ok(image_write_png(path, rgb, 7, 5, false) && strstr(why(), "exists"), "but not over one");
	ok(!image_decode(&m, path, file.p, file.bytes, -1, false) && m.height == 7 &&
		   m.width == 5 && !memcmp(m.rgb, rgb, sizeof rgb),
	   "and reads back");
	map_close(&file);
	free(m.rgb);
	unlink(path);
	free(path);
	ok(image_write_png("/nonexistent/x.png", rgb, 7, 5, false) &&
			strstr(why(), "/nonexistent/x.png"),
		"a PNG that cannot be written: %s", why());
}

static const struct tensor *golden(const struct tensors *t, int pair, const char *what)
{
	char name[32];

	snprintf(name, sizeof name, "p%d.%s", pair, what);
	const struct tensor *found = tensors_find(t, name);
	must(found);
	return found;
}

static void check_pillow(const struct tensors *t, int pair, enum filter filter, const char *name)
{
	const struct tensor *in = golden(t, pair, "in"), *want = golden(t, pair, name);
	uint8_t *got = mem_new((size_t)want->count, 1);

	resize_u8(in->data, (int)in->shape[0], (int)in->shape[1], got, (int)want->shape[0],
		  (int)want->shape[1], 3, filter);
	ok(!memcmp(got, want->data, (size_t)want->count), "Pillow's %s, %dx%d to %dx%d", name,
	   (int)in->shape[0], (int)in->shape[1], (int)want->shape[0], (int)want->shape[1]);
	free(got);
}

/* What the filters of floats are called in the golden file, with what they were given: bytes, or
 * the formula tensor "resize/f/N". */
static const struct { const char *name; enum filter filter; bool planar; } plain[] = {
	{ "float_bilinear", FILTER_TRIANGLE, false }, { "float_bicubic", FILTER_CUBIC, false },
	{ "bicubic_ac0", TORCH_CUBIC, true }, { "bicubic_ac1", TORCH_CUBIC_ALIGNED, true },
	{ "bilinear_ac0", TORCH_LINEAR, true }, { "bilinear_ac1", TORCH_LINEAR_ALIGNED, true },
	{ "tf1_bilinear", TF_LINEAR, true },
};

/* The picture [h][w][3] as floats: the bytes, or planes [3][h][w] of the formula. */
static float *floats_of(const struct tensor *in, int pair, bool planar)
{
	int64_t pixels = in->shape[0] * in->shape[1];
	float *x = mem_new((size_t)pixels * 3, sizeof *x), *sym;
	char name[16];

	snprintf(name, sizeof name, "resize/f/%d", pair);
	sym = formula_sym(name, pixels * 3, 1);
	for (int64_t i = 0; i < pixels * 3; i++)
		x[i] = planar ? sym[i % 3 * pixels + i / 3] : ((const uint8_t *)in->data)[i];
	free(sym);
	return x;
}

/* Pillow exactly, PyTorch within 1e-6 of numbers below 1. */
static void check_floats(const struct tensors *t, int pair, size_t k)
{
	const struct tensor *in = golden(t, pair, "in"), *want = golden(t, pair, plain[k].name);
	bool planar = plain[k].planar;
	int h0 = (int)in->shape[0], w0 = (int)in->shape[1];
	int h1 = (int)want->shape[planar ? 1 : 0], w1 = (int)want->shape[planar ? 2 : 1];
	int64_t pixels = (int64_t)h1 * w1;
	float *from = floats_of(in, pair, planar), *got = mem_new((size_t)pixels * 3, sizeof *got);
	double worst = 0;

	resize_f32(from, h0, w0, got, h1, w1, 3, plain[k].filter);
	for (int64_t i = 0; i < pixels * 3; i++) {
		double value;
		int64_t at = i % 3 * pixels + i / 3;
		if (planar) memcpy(&value, (const double *)want->data + at, 8);
		else value = ((const float *)want->data)[i];
		worst = fmax(worst, fabs(got[i] - value));
	}
	ok(planar ? worst < 1e-6 : worst == 0, "%s, %dx%d to %dx%d: off by %.1e", plain[k].name,
		h0, w0, h1, w1, worst);
	free(from), free(got);
}

static void check_crop(void)
{
	/* of excess 0..8, halves to the even side */
	static const int half[] = { 0, 0, 1, 2, 2, 2, 3, 4, 4 };

	for (int excess = 0; excess <= 8; excess++) {
		int top, left, side;
		crop_square(10, 10 + excess, &top, &left, &side);
		ok(top == 0 && left == half[excess] && side == 10, "crop of an excess of %d",
		   excess);
	}
}

int main(void)
{
	static const char *const filters[] = { "box", "bilinear", "bicubic", "lanczos" };
	static const int exif[] = { 1, 3, 6, 8 };
	struct tensors t;

	check_files();
	check_foreign();
	check_cuts("j_420_q60_prog.jpg");
	check_cuts("j_own_420.jpg");
	check_cuts("p_rgba8.png");
	check_cuts("p_pal4i.png");
	check_alpha("p_rgba8.png");
	check_alpha("p_la8.png");
	check_opaque();
	for (size_t i = 0; i < LEN(exif); i++) check_orientation(exif[i]);
	check_png_writer();
	must(!weights_open(&t, "tests/golden/resize.npz"));
	for (int pair = 0; pair < 6; pair++)
		for (int f = 0; f < 4; f++) check_pillow(&t, pair, (enum filter)f, filters[f]);
	for (int pair = 0; pair < 6; pair++)
		for (size_t k = 0; k < LEN(plain); k++) check_floats(&t, pair, k);
	tensors_close(&t);
	check_crop();
	return done_testing();
}
