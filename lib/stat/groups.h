/* groups: rows chosen by their labels or by their keys, under names. */
#ifndef IC_GROUPS_H
#define IC_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

struct group {
	char *name, *text;                   /* the parts of "NAME:TEXT"; owned */
	int64_t low, high;                   /* of groups_ranges() */
	uint64_t *value;                     /* [n] ascending: the labels or keys it has; owned */
	int64_t n;
};

struct groups { struct group *group; int n; };

/* "NAME:TEXT,NAME:TEXT,...": names are neither empty nor the same, nor is a text empty.  0, or -1
 * after fail(); so do the others. */
int groups_parse(struct groups *, const char *list);
/* Reads each text as how many rows a class has: "LOW-HIGH", "LOW-" or "-HIGH". */
int groups_ranges(struct groups *);
/* Each group gets the classes with that many of the labels[n], which are sorted here. */
void groups_by_count(struct groups *, uint32_t *labels, int64_t n);
/* One group for each of the labels[n], named by it; sorts them, too. */
void groups_by_label(struct groups *, uint32_t *labels, int64_t n);
/* value[n], which is taken over and sorted. */
void group_fill(struct group *, uint64_t *value, int64_t n);
void groups_close(struct groups *);          /* accepts a zeroed struct */

/* Positions at[] of the rows that are in a group, ascending, by keys[count] or, at NULL, by
 * labels[count]; returns their number. */
int64_t group_pick(const struct group *, const uint64_t *keys, const uint32_t *labels,
	int64_t count, uint32_t *at);

#endif
