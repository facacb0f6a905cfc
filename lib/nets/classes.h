/* classes: the names of the thousand classes of ImageNet, in the order of published classifiers. */
#ifndef IC_CLASSES_H
#define IC_CLASSES_H

enum { CLASSES = 1000 };
struct classes { char *text; const char *name[CLASSES]; };

/* imagenet-classes.txt, a name a line, from where the weights are; 0, or -1 after fail(). */
int classes_open(struct classes *);
void classes_close(struct classes *);        /* accepts a zeroed struct */

#endif
