/* tfevents: frames, their checks, and the few protobuf fields of an event. */
#include "formats/tfevents.h"
#include "formats/image.h"
#include "formats/part.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };    /* protobuf wire types */

/* CRC-32C (Castagnoli, reflected: polynomial 0x82f63b78) by half bytes, rotated. */
static uint32_t check(const void *bytes, size_t n)
{
	static const uint32_t half[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
		0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	const unsigned char *p = bytes;
	uint32_t c = ~0u;

	for (size_t i = 0; i < n; i++) {
		c ^= p[i];
		c = c >> 4 ^ half[c & 15];
		c = c >> 4 ^ half[c & 15];
	}
	c = ~c;
	return (c >> 15 | c << 17) + 0xa282ead8u;
}

static void put_varint(FILE *f, uint64_t v)
{
	for (; v > 127; v >>= 7) fputc((int)(v & 127) | 128, f);
	fputc((int)v, f);
}

static void put_key(FILE *f, int field, int wire)
{
	put_varint(f, (uint64_t)(field << 3 | wire));
}

static void put_number(FILE *f, int field, uint64_t v)
{
	put_key(f, field, VARINT);
	put_varint(f, v);
}

static void put_bytes(FILE *f, int field, const void *p, size_t n)
{
	put_key(f, field, BYTES);
	put_varint(f, n);
	fwrite(p, 1, n, f);
}

/* A message in memory; ending it puts it into another as a field. */
struct message { FILE *f; char *text; size_t n; };

static void begin(struct message *m)
{
	m->f = mem_stream(&m->text, &m->n);
}

static void end(struct message *m, FILE *into, int field)
{
	mem_stream_close(m->f);
	put_bytes(into, field, m->text, m->n);
	free(m->text);
}

static void put_frame(FILE *f, const char *event, size_t n)
{
	uint64_t length = n;
	uint32_t checks[2] = { check(&length, 8), check(event, n) };

	fwrite(&length, 8, 1, f);
	fwrite(&checks[0], 4, 1, f);
	fwrite(event, 1, n, f);
	fwrite(&checks[1], 4, 1, f);
}

char *tfevents_first(const char *writer, size_t *n)
{
	struct message m, source;
	char *text;
	FILE *f = mem_stream(&text, n);

	begin(&m);
	put_bytes(m.f, 3, "brain.Event:2", 13);
	begin(&source);
	put_bytes(source.f, 1, writer, strlen(writer));
	end(&source, m.f, 10);
	mem_stream_close(m.f);
	put_frame(f, m.text, m.n);
	mem_stream_close(f);
	free(m.text);
	return text;
}

static void begin_event(struct tfevents *t)
{
	t->summary = mem_stream(&t->text, &t->n);
}

char *tfevents_path(const char *folder)
{
	return mem_text("%s/events.out.tfevents.ic-train", folder);
}

int tfevents_open(struct tfevents *t, const char *folder, const char *writer, bool fresh)
{
	*t = (struct tfevents){ 0 };
	if (mkdir(folder, 0777) && errno != EEXIST) return fail("%s:", folder);
	t->path = tfevents_path(folder);
	t->first = tfevents_first(writer, &t->first_bytes);
	begin_event(t);
	if ((t->f = fopen(t->path, fresh ? "w+b" : "a+b"))) return 0;
	fail("%s:", t->path);
	tfevents_close(t);
	return -1;
}

int tfevents_close(struct tfevents *t)
{
	int bad = t->f && fclose(t->f) ? fail("%s:", t->path) : 0;

	if (t->summary) fclose(t->summary);
	free(t->text);
	free(t->first);
	free(t->path);
	*t = (struct tfevents){ 0 };
	return bad;
}

void tfevents_scalar(struct tfevents *t, const char *tag, double value)
{
	struct message m;
	float v = (float)value;

	begin(&m);
	put_bytes(m.f, 1, tag, strlen(tag));
	put_key(m.f, 2, FIXED32);
	fwrite(&v, 4, 1, m.f);
	end(&m, t->summary, 1);
}

int tfevents_picture(struct tfevents *t, const char *tag, const uint8_t *rgb, int height, int width)
{
	struct message value, picture, png;

	begin(&png);
	int bad = image_put_png(png.f, t->path, rgb, height, width);
	begin(&picture);
	put_number(picture.f, 1, (uint64_t)height);
	put_number(picture.f, 2, (uint64_t)width);
	put_number(picture.f, 3, 3);
	end(&png, picture.f, 4);
	begin(&value);
	put_bytes(value.f, 1, tag, strlen(tag));
	end(&picture, value.f, 4);
	end(&value, t->summary, 1);
	return bad;
}

int tfevents_put(struct tfevents *t, int64_t step, double wall_time)
{
	struct message m;

	mem_stream_close(t->summary);
	begin(&m);
	put_key(m.f, 1, FIXED64);
	fwrite(&wall_time, 8, 1, m.f);
	put_number(m.f, 2, (uint64_t)step);
	put_bytes(m.f, 5, t->text, t->n);
	mem_stream_close(m.f);
	free(t->text);
	begin_event(t);
	if (!ftell(t->f)) fwrite(t->first, 1, t->first_bytes, t->f);
	put_frame(t->f, m.text, m.n);
	free(m.text);
	return fflush(t->f) || ferror(t->f) ? fail("%s:", t->path) : 0;
}

/* A varint at *p, which moves behind it; false when there is none. */
static bool take_varint(const unsigned char **p, const unsigned char *last, uint64_t *v)
{
	*v = 0;
	for (int shift = 0; *p < last && shift < 64; shift += 7) {
		unsigned char c = *(*p)++;
		*v |= (uint64_t)(c & 127) << shift;
		if (c < 128) return true;
	}
	return false;
}

/* The step of an event, 0 when it has none; -1 when it is no message. */
static int64_t step_of(const unsigned char *p, size_t n)
{
	const unsigned char *last = p + n;
	uint64_t key, v, step = 0;

	while (p < last) {
		if (!take_varint(&p, last, &key)) return -1;
		switch (key & 7) {
		case VARINT:
			if (!take_varint(&p, last, &v)) return -1;
			if (key >> 3 == 2) step = v;
			continue;
		case FIXED64: v = 8; break;
		case FIXED32: v = 4; break;
		case BYTES:
			if (!take_varint(&p, last, &v)) return -1;
			break;
		default: return -1;
		}
		if (v > (uint64_t)(last - p)) return -1;
		p += v;
	}
	return step > INT64_MAX ? -1 : (int64_t)step;
}

/* The step of the event at the present place of f, which has `left` bytes from there on; -1 when no
 * whole event is there.  *n: bytes of its frame. */
static int64_t next_step(FILE *f, int64_t left, int64_t *n)
{
	struct { uint64_t length; uint32_t check; } head;
	uint32_t tail;

	if (left < 16 || fread(&head, 12, 1, f) != 1 || check(&head.length, 8) != head.check)
		return -1;
	if (head.length > (uint64_t)left - 16) return -1;
	unsigned char *event = mem_new(head.length, 1);
	bool whole = fread(event, 1, head.length, f) == head.length &&
		     fread(&tail, 4, 1, f) == 1 && check(event, head.length) == tail;
	int64_t step = whole ? step_of(event, head.length) : -1;
	free(event);
	*n = 16 + (int64_t)head.length;
	return step;
}

int64_t tfevents_end(FILE *f, const char *path, int64_t step)
{
	int64_t at = 0, n = 0, before = 0, now;
	struct stat st;

	if (fflush(f) || fstat(fileno(f), &st) || fseek(f, 0, SEEK_SET)) return fail("%s:", path);
	while ((now = next_step(f, st.st_size - at, &n)) >= before && now <= step) {
		at += n;
		before = now;
	}
	return ferror(f) ? fail("%s:", path) : at;
}

int tfevents_rewind(struct tfevents *t, int64_t step)
{
	bool ours = part_begins(t->f, t->first, t->first_bytes);
	int64_t at = ours ? tfevents_end(t->f, t->path, step) : 0;

	if (at < 0) return -1;
	if (ferror(t->f)) return fail("%s:", t->path);
	if (ftruncate(fileno(t->f), at) || fseek(t->f, at, SEEK_SET)) return fail("%s:", t->path);
	return 0;
}
