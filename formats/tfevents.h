/* tfevents: event files of TensorBoard, written and taken up again.
 *
 * A file is a row of frames (TFRecord):
 *   u64  n, little-endian
 *   u32  check of these 8 bytes
 *   n bytes of an Event
 *   u32  check of these
 * where check is CRC-32C rotated right by 15 bits, plus 0xa282ead8.  An Event is a protobuf message
 * (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto) of the fields
 *   1 wall_time double   2 step int64   3 file_version string   5 summary: Summary
 *   10 source_metadata: SourceMetadata      SourceMetadata: 1 writer string
 *   Summary: repeated 1 Value     Value: 1 tag   2 simple_value float   4 image: Image
 *   Image: 1 height   2 width   3 colorspace (3: RGB)   4 an encoded picture
 * of which the first Event of a file has only a version, "brain.Event:2", and a writer; it is
 * written with the next. */
#ifndef IC_TFEVENTS_H
#define IC_TFEVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct tfevents {
	FILE *f;                             /* NULL: none */
	char *path, *first;                  /* first: the frame that a file of the writer's */
	size_t first_bytes;                  /* begins with */
	FILE *summary;                       /* the event begun, in memory */
	char *text;
	size_t n;
};

char *tfevents_path(const char *folder);     /* the file in a folder; to be freed */
char *tfevents_first(const char *writer, size_t *n);   /* how a writer's begins; to be freed */
/* The file in a folder, which is made when it is not there.  fresh: empties it.  0, or -1 after
 * fail(). */
int tfevents_open(struct tfevents *, const char *folder, const char *writer, bool fresh);
/* Cuts off what is beyond the last whole event in order with steps up to this one, and all of
 * another writer's. */
int tfevents_rewind(struct tfevents *, int64_t step);
int tfevents_close(struct tfevents *);       /* always frees; accepts a zeroed struct */

/* Values of one event, then the event; all steps are to come in order.  0, or -1 after fail(). */
void tfevents_scalar(struct tfevents *, const char *tag, double value);
int tfevents_picture(struct tfevents *, const char *tag, const uint8_t *rgb, int height, int width);
int tfevents_put(struct tfevents *, int64_t step, double wall_time);

/* Where the last of those events ends, from the beginning of f; 0: f begins with none; -1 after
 * fail() when it cannot be read. */
int64_t tfevents_end(FILE *f, const char *path, int64_t step);

#endif
