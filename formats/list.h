/* list: names of picture files, from a folder tree (sub-folder = class) or from lines of text. */
#ifndef IC_LIST_H
#define IC_LIST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct list_entry { char *path; uint32_t label; };

struct list {
	int64_t n;
	struct list_entry *entry;            /* in packing order */
	int64_t direct;                      /* pictures of a folder that lie in itself */
	bool labelled;
	/* labels index class_name; 0: labels are numbers, or there are none */
	int classes;
	char **class_name;                   /* [classes], sorted by bytes */
};

/* Files below root that look like pictures by their ending, sorted by class, folder, name, as
 * bytes.  Labelled when no such file lies in root itself.  Hidden names are passed over; links are
 * followed, but to a folder that they lie in.  0 or -1 after fail(). */
int list_folder(struct list *, const char *root);
/* Lines "path" or "path<TAB>label", label a number; all lines have one or none has. */
int list_lines(struct list *, FILE *, const char *name);
void list_free(struct list *);               /* accepts a zeroed struct */

/* ends in .jpg .jpeg .png .ppm .pgm .pnm .pam, or a kind we refuse by name */
bool list_is_picture(const char *name);

#endif
