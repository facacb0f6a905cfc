# instances: how few stored instances stand for all pictures, and which: those nearest to centres, random ones, or as many
# of each label, by the distance of what one trained model makes of them (the paper's table of stored instances).
MINUTES ?= 30
OUT     ?= out/instances
COUNTS  ?= 100 500 1000
METHODS ?= kmeans random balanced
include pipelines/demo.mk

.DEFAULT_GOAL := instances
.PHONY: instances
CHOICES  = $(foreach m,$(METHODS),$(COUNTS:%=$m-%))
instances: $(CHOICES:%=$(OUT)/%.fid.tsv) $(OUT)/all.fid.tsv $(OUT)/held.fid.tsv
	@pipelines/summary $(OUT) $(CHOICES) 'all=all pictures' 'held=real, held out'

define chosen
$(OUT)/$1-%.inst.mdb: $(OUT)/images.feats.mdb
	$$(call timed,ic-kmeans -f -k $$* --method $1 $$< -o $$@)
endef
$(foreach m,$(METHODS),$(eval $(call chosen,$m)))

of_all   = ic-sample -n $$($(call count,$(OUT)/held.mdb)) $(OUT)/run.safetensors $< | ic-embed - | \
	ic-fid $(OUT)/images.feats.mdb - $(whole)
$(OUT)/%.fid.tsv: $(OUT)/%.inst.mdb $(OUT)/run.safetensors $(OUT)/held.mdb $(OUT)/images.feats.mdb
	$(call timed,$(of_all))
$(OUT)/all.fid.tsv: $(OUT)/images.feats.mdb $(OUT)/run.safetensors $(OUT)/held.mdb
	$(call timed,$(of_all))
