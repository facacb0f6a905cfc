/* sources: the pictures of folders, lists, archives and streams as one numbered sequence; decoding
 * one of them is safe in any thread. */
#ifndef IC_SOURCES_H
#define IC_SOURCES_H

#include "formats/image.h"
#include "formats/map.h"

struct source_entry {
	char *name;                          /* for messages; the path when bytes is NULL */
	/* bytes of name that say where, not what: not part of sources_hash */
	uint32_t skip;
	uint32_t label;
	const uint8_t *bytes;                /* inside an archive; NULL: the file called name */
	size_t size;
	bool link;                           /* of a tar, to what is somewhere else */
	/* raw grey pixels of an IDX file; 0: an encoded picture */
	int height, width;
	/* transparent pixels have no colour of their own (fonts) */
	bool on_white;
};

enum labels { LABELS_UNDECIDED, LABELS_NONE, LABELS_NUMBERS, LABELS_CLASSES };

struct sources {
	int64_t n;
	struct source_entry *entry;
	enum labels labels;
	/* a folder without labels, having pictures beside its sub-folders; NULL: none; borrowed */
	const char *mixed;
	/* LABELS_CLASSES: labels index class_name, sorted by bytes */
	int classes;
	char **class_name;
	int files;
	struct { struct map map; uint8_t *owned; } *file;   /* what entries point into */
};

/* Appends the pictures of path, told by its content: a folder (sub-folder = class), a picture, a
 * PAM stream, a tar (folder = class, or NAME.cls beside NAME.jpg), an IDX file, a font of colour
 * bitmaps, or "-": standard input, any of these or lines "path<TAB>label".  idx_labels: the IDX
 * file with the labels of an IDX source, or NULL.  0 or -1. */
int sources_add(struct sources *, const char *path, const char *idx_labels);
int sources_add_list(struct sources *, const char *path);   /* lines "path<TAB>label" */
/* after the last add: merges equal names, numbers them */
void sources_sort_classes(struct sources *);

uint64_t sources_hash(const struct sources *);              /* of names and labels in order */
/* Picture i as RGB8; alpha_on and orient as in image_decode.  0 or -1 after fail(). */
int sources_decode(const struct sources *, int64_t i, struct image *, int alpha_on, bool orient);
void sources_close(struct sources *);                       /* accepts a zeroed struct */

#endif
