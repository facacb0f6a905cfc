# common: what every experiment shares: data by name, stamps of options, timing, and the rules from file to file.
# An experiment names its STAGES, gives each its options in a variable of that name, and includes this.
SHELL       := /bin/bash
.SHELLFLAGS := -o pipefail -c
export PATH := $(PATH):$(abspath build/bin)
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: FORCE
FORCE:

# Any other DATA is a folder, tar or font of the user's own.
mnist          := /usr/share/datasets/fashion-mnist/train
source.fashion := $(mnist)-images-idx3-ubyte.gz
labels.fashion := --labels $(mnist)-labels-idx1-ubyte.gz
source.emoji   := /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf
source          = $(or $(source.$(DATA)),$(DATA))
$(foreach v,DATA OUT,$(if $(word 2,$($v)),$(error $v: found '$($v)': make takes no names with spaces, but it takes a link)))
$(if $(source),$(if $(wildcard $(source)),,$(error DATA: $(source) is not there)))

# $(OUT)/knn.opts holds the text of $(knn) and is rewritten only when that changes: what depends on it is redone
# exactly then.  Compared while the makefile is read, so that make -n tells the truth.
define stamp
ifneq ($$(strip $$(file <$$(OUT)/$1.opts)),$$(strip $$($1)))
$$(OUT)/$1.opts: FORCE
endif
endef
$(foreach s,$(STAGES),$(eval $(call stamp,$s)))
$(OUT)/%.opts:
	@mkdir -p $(@D)
	@printf '%s\n' '$(strip $($*))' >$@

timed = @pipelines/timed $@ '$(subst ','\'',$(strip $1))'
# The end of a command whose output is the target: a file that is there is whole.
whole = >$@.part && mv $@.part $@
# How many rows a store has, and their width, of neighbours -k, whatever $(knn) says; the keys of one that ic-pack made.
count = ic-store ls --json $1 | sed 's/.*"shape":"\([0-9]*\).*/\1/'
width = ic-store ls --json $1 | sed 's/.*"shape":"[0-9]*x\([0-9]*\).*/\1/'
keys  = seq 0 $$(($$($(call count,$1)) - 1))

$(OUT)/%.feats.mdb: $(OUT)/%.mdb $(OUT)/embed.opts
	$(call timed,ic-embed -f $(embed) $< -o $@)
$(OUT)/%.near.mdb: $(OUT)/%.feats.mdb $(OUT)/knn.opts
	$(call timed,ic-knn -f $(knn) $< -o $@)
