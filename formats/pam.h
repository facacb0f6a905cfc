/* pam: a stream of concatenated PAM images (P7, RGB or GRAYSCALE, maxval 255; P6 and P5 accepted
 * when reading). Our data ride in comments: "# ic key=12 label=7 at=3 of=50000
 * from=9f3c5a7712ab0042 instance=17"; see ic-image(5). */
#ifndef IC_PAM_H
#define IC_PAM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct pam_head {
	int width, height, channels;         /* channels 3 after reading, whatever the file had */
	uint64_t key;                        /* running number when the file does not say */
	bool labelled;
	uint32_t label;
	int64_t at, of;                      /* this is image `at` of `of`; of 0: unknown */
	uint64_t from, root;                 /* ids: the store or checkpoint; where keys count */
	bool instanced;
	uint64_t instance;                   /* key of the conditioning instance */
	bool in_training;
	int64_t seen;                        /* images training had seen when it made this */
	char seed[24];                       /* the sample's seed as decimal text; "" none */
};

/* at, of: as the last picture announced them. */
struct pam { FILE *f; const char *path; int64_t read, at, of; };

int pam_open(struct pam *, const char *path);     /* "-" is stdin */
/* Next image into *pixels (realloc'd RGB8, [height][width][3], owned by the caller). 1 an image,
 * 0 the end, -1 failed.  When heads announce `of`, images come as 0 to of-1, and an end before
 * or a gap is a failure; after image of-1 another such series may follow. */
int pam_read(struct pam *, struct pam_head *, uint8_t **pixels);
void pam_close(struct pam *);

/* pixels[height][width][3]; name is for messages.  0, or -1 after fail(). */
int pam_write(FILE *, const char *name, const struct pam_head *, const uint8_t *pixels);

#endif
