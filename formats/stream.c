/* stream: row streams through pipes and files. */
#include "formats/stream.h"
#include "formats/known.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"

#include <stdlib.h>
#include <string.h>

static struct stream *stream_new(FILE *f, const char *path)
{
	struct stream *s = mem_new(1, sizeof *s);

	s->f = f;
	s->path = mem_text("%s", path);
	hash_start(&s->hash);
	return s;
}

void stream_close(struct stream *s)
{
	if (!s) return;
	if (s->f && s->f != stdin && s->f != stdout) fclose(s->f);
	free(s->path);
	free(s->buf);
	free(s);
}

static int cut(struct stream *s)
{
	if (stop_check()) return -1;                 /* a signal ended the read */
	if (ferror(s->f)) return fail("%s:", s->path);
	return fail("%s: ends after row %lld without its seal: "
		"the program that wrote it did not finish", s->path, (long long)s->total);
}

static int get(struct stream *s, void *p, size_t n)
{
	return fread(p, 1, n, s->f) == n ? 0 : cut(s);
}

static int room(struct stream *s, size_t bytes)
{
	if (s->buf_bytes >= bytes) return 0;
	free(s->buf);
	s->buf_bytes = 0;
	s->buf = mem_big(bytes, 1, s->path);
	if (!s->buf) return -1;
	s->buf_bytes = bytes;
	return 0;
}

static int head_read(struct stream *s, struct rows_info *info)
{
	unsigned char head[FRAME_HEAD_MAX];
	struct frame_head h;
	size_t n = fread(head, 1, sizeof h, s->f);

	if (n < sizeof h && stop_check()) return -1;
	if (ferror(s->f)) return fail("%s:", s->path);
	if (!n) return fail("%s: empty, expected a row stream", s->path);
	if (n < 8 || memcmp(head, FRAME_MAGIC, 8))
		return fail("%s: found %s, expected a row stream%s", s->path, known_as(head, n),
			s->f == stdin ? " (a store is opened by its name)" : " or row store");
	if (n < sizeof h) return fail("%s: ends inside its head", s->path);
	memcpy(&h, head, sizeof h);
	int bytes = frame_head_bytes(s->path, &h);
	if (bytes < 0) return -1;
	if (get(s, head + sizeof h, (size_t)bytes - sizeof h)) return -1;
	return frame_head_get(info, s->path, head, (size_t)bytes);
}

int stream_open(struct stream **out, const char *path, struct rows_info *info)
{
	bool in = !strcmp(path, "-");

	*out = NULL;
	if (in && binary_stdin()) return -1;
	FILE *f = in ? stdin : fopen(path, "rb");
	if (!f) return fail("%s:", path);
	struct stream *s = stream_new(f, in ? "standard input" : path);
	if (head_read(s, info)) {
		stream_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

static int end_read(struct stream *s, struct rows_info *info, const struct frame_block *first)
{
	struct frame_end e;

	memcpy(&e, first, sizeof *first);
	if (get(s, (char *)&e + sizeof *first, sizeof e - sizeof *first)) return -1;
	if (frame_end_check(s->path, &e, s->total, hash_end(&s->hash))) return -1;
	if (info->count >= 0 && info->count != s->total)
		return fail("%s: its head announced %lld rows, found %lld", s->path,
			(long long)info->count, (long long)s->total);
	if (getc(s->f) != EOF) return fail("%s: found bytes after the sealed end", s->path);
	if (ferror(s->f)) return cut(s);
	info->count = s->total;
	info->id = e.id;
	s->ended = true;
	return 0;
}

int stream_next(struct stream *s, struct rows_info *info, struct block *b)
{
	struct frame_block h;

	if (s->ended) return 0;
	if (get(s, &h, sizeof h)) return -1;
	if (!h.n) return end_read(s, info, &h);
	if (h.n > (uint32_t)frame_rows(info) || h.zero)
		return fail("%s: found a block of %u rows after row %lld, expected at most %d",
			s->path, h.n, (long long)s->total, frame_rows(info));
	size_t bytes = frame_bytes(info, (int)h.n);
	if (room(s, bytes)) return -1;
	memcpy(s->buf, &h, sizeof h);
	if (get(s, s->buf + sizeof h, bytes - sizeof h)) return -1;
	if (frame_get(b, s->path, info, s->buf, (int)h.n)) return -1;
	frame_hash(&s->hash, info, b);
	if (hash_end(&s->hash) != h.id)
		return fail("%s: rows %lld to %lld are damaged: their id is not the one written",
			s->path, (long long)s->total, (long long)(s->total + h.n - 1));
	s->total += h.n;
	return 1;
}

static int put(struct stream *s, const void *p, size_t n)
{
	return fwrite(p, 1, n, s->f) == n ? 0 : write_failed(s->path);
}

int stream_create(struct stream **out, const char *path, const struct rows_info *info)
{
	unsigned char head[FRAME_HEAD_MAX];
	size_t bytes = frame_head_put(head, info);
	bool on_stdout = !strcmp(path, "-");

	*out = NULL;
	if (on_stdout && binary_stdout()) return -1;
	FILE *f = on_stdout ? stdout : fopen(path, "wb");
	if (!f) return fail("%s:", path);
	struct stream *s = stream_new(f, on_stdout ? "standard output" : path);
	if (put(s, head, bytes) || room(s, frame_bytes(info, frame_rows(info)))) {
		stream_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

int stream_put(struct stream *s, const struct rows_info *info, const struct block *b, uint64_t id)
{
	frame_put(s->buf, info, b, id);
	return put(s, s->buf, frame_bytes(info, b->n));
}

int stream_seal(struct stream *s, int64_t total, uint64_t id)
{
	struct frame_end e = frame_end(total, id);

	if (put(s, &e, sizeof e)) return -1;
	return fflush(s->f) ? write_failed(s->path) : 0;
}
