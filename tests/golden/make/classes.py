"""pipelines/weights/imagenet-classes.txt: the names torchvision 0.29.2 has for the classes of its ImageNet classifiers, a line each, in
their order.  Usage: classes.py OUT"""
import sys

from torchvision.models._meta import _IMAGENET_CATEGORIES as names

assert len(names) == 1000
open(sys.argv[1], "w").write("".join(name + "\n" for name in names))
