/* known: the first bytes of kinds of files that people mix up, ours and others'. */
#include "formats/known.h"
#include "formats/frame.h"
#include "formats/pages.h"
#include "formats/tar.h"
#include "lib/base/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct { const char *first, *name; } kinds[] = {
	{ FRAME_MAGIC, "a row stream" },
	{ "\x89PNG", "PNG" },
	{ "\xff\xd8", "JPEG" },
	{ "P1", "PNM" }, { "P2", "PNM" }, { "P3", "PNM" }, { "P4", "PNM" }, { "P5", "PNM" },
	{ "P6", "PNM" }, { "P7", "PAM" },
	{ "BM", "BMP" },
	{ "GIF8", "GIF" },
	{ "RIFF", "WebP or another RIFF file" },
	{ "II*", "TIFF" }, { "MM", "TIFF" },
	{ "<", "XML, HTML or SVG" },
	{ "%PDF", "PDF" },
	{ "PK\3\4", "zip" },
	{ "\x1f\x8b", "gzip" },
	{ "\x93NUMPY", "npy" },
	{ "\x89HDF\r\n\x1a\n", "HDF5" },
	{ "PYTORCH1", "a program of an early PyTorch" },
	{ "version https://git-lfs", "a pointer of Git LFS: fetch the file itself" },
};

int known_first(const char *path, unsigned char first[KNOWN_BYTES])
{
	struct stat st;

	if (!strcmp(path, "-")) return 0;
	if (stat(path, &st)) return fail("%s:", path);
	if (!S_ISREG(st.st_mode)) return 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : TEMP_FAILURE_RETRY(read(fd, first, KNOWN_BYTES));
	if (n < 0) fail("%s:", path);
	if (fd >= 0) close(fd);
	return (int)n;
}

bool known_text(const void *first, size_t n)
{
	const uint8_t *p = first;

	for (size_t i = 0; i < n && i < KNOWN_BYTES; i++)
		if ((p[i] < ' ' && !strchr("\t\n\r\f", p[i])) || !p[i] || p[i] == 127) return false;
	return true;
}

const char *known_as(const void *first, size_t n)
{
	static _Thread_local char other[40];
	const uint8_t *p = first;

	if (!n) return "an empty file";
	for (size_t i = 0; i < LEN(kinds); i++) {
		size_t length = strlen(kinds[i].first);
		if (n >= length && !memcmp(p, kinds[i].first, length)) return kinds[i].name;
	}
	if (n >= PAGES_SNIFF && pages_sniff(p, PAGES_SNIFF)) return "a row store";
	if (n > 11 && !memcmp(p + 4, "ftyp", 4)) return "HEIF or AVIF";
	if (n > 8 && p[8] == '{' && !p[6] && !p[7]) return "safetensors";
	if (n > 1 && *p == 0x80 && p[1] >= 1 && p[1] <= 5) return "a pickle, as of PyTorch";
	if (tar_is(p, n)) return "tar";
	if (known_text(p, n)) return "text";
	int at = snprintf(other, sizeof other, "a file beginning with");
	for (size_t i = 0; i < n && i < 4; i++)
		at += snprintf(other + at, sizeof other - (size_t)at, " %02x", p[i]);
	return other;
}
