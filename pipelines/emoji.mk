# emoji: the demo in colour, at 64 by 64.
DATA    ?= emoji
SIZE    ?= 64
MINUTES ?= 60
OUT     ?= out/emoji
include pipelines/demo.mk
