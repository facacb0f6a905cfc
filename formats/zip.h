/* zip: the entries of a zip archive held in memory, stored or deflated, zip64 included; nothing is
 * ever unpacked to a disk. */
#ifndef IC_ZIP_H
#define IC_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zip_entry {
	char *name;
	const uint8_t *packed;               /* borrowed from the archive */
	size_t packed_bytes, bytes;
	uint64_t header;                     /* place of its local header */
	uint32_t crc;
	bool deflated;
};

struct zip {
	const char *path;                    /* for messages; borrowed */
	const uint8_t *bytes;
	size_t n;
	int count;
	struct zip_entry *entry;             /* sorted by name */
};

bool zip_is(const void *bytes, size_t n);
/* Checks the directory against the file: places, lengths, overlaps, names; 0 or -1.  Refuses
 * archives whose entries together are larger than 16 MiB and 16 times the file. */
int zip_open(struct zip *, const char *path, const void *bytes, size_t n);
const struct zip_entry *zip_find(const struct zip *, const char *name);   /* NULL when absent */
/* The bytes of an entry, checked by their CRC (0 says that none was taken): borrowed from the
 * archive with *owned NULL, or unpacked into *owned, to be freed.  NULL after fail(). */
const void *zip_read(const struct zip *, const struct zip_entry *, void **owned);
void zip_close(struct zip *);                /* accepts a zeroed struct */

#endif
