/* check-tfevents: event files read back by other code: lengths, checks, fields; taken up again. */
#include "formats/image.h"
#include "formats/part.h"
#include "formats/tfevents.h"
#include "lib/base/fail.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITER "run 1"
enum { FIRST = 16 + 15 + 2 + 2 + 5 };        /* bytes of the first frame */

static char folder[256], path[320];
static unsigned char file[1 << 16];
static size_t size;

static void read_file(void)
{
	FILE *f = fopen(path, "rb");
	must(f);
	size = fread(file, 1, sizeof file, f);
	fclose(f);
}

/* Does the file begin as this writer's? */
static bool is_of(const char *writer)
{
	size_t n;
	char *first = tfevents_first(writer, &n);
	FILE *f = fopen(path, "rb");
	must(f);
	bool same = part_begins(f, first, n);

	fclose(f);
	free(first);
	return same;
}

/* CRC-32C by its definition: the remainder of the bits, first bit first. */
static uint32_t crc(const unsigned char *p, size_t n)
{
	uint32_t c = ~0u;

	for (size_t i = 0; i < 8 * n; i++) {
		uint32_t bit = (c ^ (uint32_t)(p[i / 8] >> i % 8)) & 1;
		c = c >> 1 ^ (bit ? 0x82f63b78u : 0);
	}
	return ~c;
}

static uint32_t masked(const unsigned char *p, size_t n)
{
	uint32_t c = crc(p, n);
	return (c >> 15 | c << 17) + 0xa282ead8u;
}

static uint64_t little(const unsigned char *p, int n)
{
	uint64_t v = 0;
	while (n--) v = v << 8 | p[n];
	return v;
}

/* Bytes of frame number k of the file, with both checks right; NULL beyond the last. */
static const unsigned char *frame(int k, size_t *n)
{
	for (size_t at = 0; at + 16 <= size; at += 16 + *n) {
		*n = little(file + at, 8);
		if (*n > size - at - 16 || masked(file + at, 8) != little(file + at + 8, 4) ||
		    masked(file + at + 12, *n) != little(file + at + 12 + *n, 4))
			return NULL;
		if (!k--) return file + at + 12;
	}
	return NULL;
}

static void add(struct tfevents *t, int64_t step)
{
	tfevents_scalar(t, "a", 0.5);
	tfevents_scalar(t, "b", -2);
	must(!tfevents_put(t, step, (double)(8 * step)));
}

static void make(void)
{
	struct tfevents t;

	must(!tfevents_open(&t, folder, WRITER, true) && !tfevents_rewind(&t, 0));
	for (int64_t step = 1; step <= 300; step += 299) add(&t, step);
	must(!tfevents_close(&t));
	read_file();
}

static void check_bytes(void)
{
	static const unsigned char version[] = "\x1a\x0d" "brain.Event:2" "\x52\x07\x0a\x05" WRITER,
		scalars[] = "\x09\0\0\0\0\0\0\x20\x40" "\x10\x01" "\x2a\x14"
			"\x0a\x08\x0a\x01" "a\x15\0\0\0\x3f" "\x0a\x08\x0a\x01" "b\x15\0\0\0\xc0";
	size_t n;
	const unsigned char *p;

	ok(crc((const unsigned char *)"123456789", 9) == 0xe3069283u, "the test's own CRC-32C");
	make();
	p = frame(0, &n);
	ok(p && n == sizeof version - 1 && !memcmp(p, version, n),
	   "the first event is a version and the writer");
	p = frame(1, &n);
	ok(p && n == sizeof scalars - 1 && !memcmp(p, scalars, n),
	   "time 8, step 1, two values a = 0.5 and b = -2");
	p = frame(2, &n);
	ok(p && p[9] == 0x10 && p[10] == 0xac && p[11] == 0x02, "step 300 in two bytes");
	ok(!frame(3, &n), "nothing else");
}

static void check_picture(void)
{
	uint8_t rgb[5 * 4 * 3];
	struct tfevents t;
	struct image back;
	size_t n;

	for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(7 * i);
	must(!tfevents_open(&t, folder, WRITER, true) && !tfevents_rewind(&t, 0));
	ok(!tfevents_picture(&t, "sheet", rgb, 5, 4) && !tfevents_put(&t, 0, 0), "a picture");
	must(!tfevents_close(&t));
	read_file();
	const unsigned char *p = frame(1, &n);
	const unsigned char *png = p ? memmem(p, n, "\x89PNG", 4) : NULL;
	ok(p && memmem(p, n, "\x0a\x05sheet\x22", 8) &&
		   memmem(p, n, "\x08\x05\x10\x04\x18\x03\x22", 7),
	   "its tag, height 5, width 4, colours 3");
	ok(png && !image_decode(&back, "png", png, n - (size_t)(png - p), -1, false) &&
		   !memcmp(back.rgb, rgb, sizeof rgb),
	   "its pixels");
	free(back.rgb);
}

/* Cut anywhere and taken up at any step, then written on: as if never interrupted. */
static void check_rewind(void)
{
	static unsigned char whole[1 << 12];
	size_t bytes;
	int same = 0, tried = 0;

	make();
	memcpy(whole, file, bytes = size);
	for (size_t left = 0; left <= bytes; left++)
		for (int64_t step = 0; step <= 300; step += 150, tried++) {
			struct tfevents t;
			must(!tfevents_open(&t, folder, WRITER, true));
			fwrite(whole, 1, left, t.f);
			must(!tfevents_close(&t) && !tfevents_open(&t, folder, WRITER, false));
			must(!tfevents_rewind(&t, step));
			read_file();
			size_t first = FIRST, second = first + (bytes - first) / 2;
			if (size < second) add(&t, 1);
			if (size < bytes) add(&t, 300);
			tfevents_close(&t);
			read_file();
			same += size == bytes && !memcmp(file, whole, size);
		}
	ok(same == tried, "cut at each byte, taken up at three steps: the same file (%d of %d)",
	   same, tried);
}

static void check_refusals(void)
{
	struct tfevents t;
	char beyond[300];

	make();
	file[FIRST + 9] ^= 1;                       /* in the event of step 1 */
	FILE *f = fopen(path, "wb");
	must(f && fwrite(file, 1, size, f) == size && !fclose(f));
	must(!tfevents_open(&t, folder, WRITER, false));
	ok(tfevents_end(t.f, t.path, 300) == FIRST, "an event that was changed is the end");
	tfevents_close(&t);
	f = fopen(path, "wb");
	must(f && fputs("Once upon a time, in a file of text", f) >= 0 && !fclose(f));
	must(!tfevents_open(&t, folder, WRITER, false));
	ok(!is_of(WRITER) && !tfevents_rewind(&t, 5) && !tfevents_close(&t) &&
		   (read_file(), !size),
	   "a file of something else is known, and emptied");
	make();
	ok(is_of(WRITER) && !is_of("run 2"), "and one of another writer");
	must(!tfevents_open(&t, folder, "run 2", false));
	ok(!tfevents_rewind(&t, 300) && !tfevents_close(&t) && (read_file(), !size),
	   "so is this");
	snprintf(beyond, sizeof beyond, "%s/no/such", folder);
	ok(tfevents_open(&t, beyond, WRITER, true) && strstr(why(), "No such file"),
	   "no such folder");
}

int main(void)
{
	snprintf(folder, sizeof folder, "%s/events", getenv("TMP") ? getenv("TMP") : "/tmp");
	snprintf(path, sizeof path, "%s/events.out.tfevents.ic-train", folder);
	check_bytes();
	check_picture();
	check_rewind();
	check_refusals();
	return done_testing();
}
