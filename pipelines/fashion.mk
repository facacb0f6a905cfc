# fashion: instance-, class-, class- and instance-conditional, and unconditional generators at equal time.
MINUTES ?= 30
OUT     ?= out/fashion
KINDS   ?= instance class both none
include pipelines/demo.mk

.DEFAULT_GOAL := fashion
.PHONY: fashion
fashion: $(KINDS:%=$(OUT)/%.fid.tsv) $(OUT)/held.fid.tsv
	@pipelines/summary $(OUT) $(KINDS) 'held=real, held out'

near      = $(OUT)/images.feats.mdb $(OUT)/images.near.mdb
on.instance = $(near)
on.class  = --class
on.both   = --class $(near)
on.none   =
$(KINDS:%=$(OUT)/%.safetensors): $(OUT)/%.safetensors: $(TRAIN_ON) $(OUT)/init.opts $(OUT)/train.opts
	$(call timed,ic-train -f $(OUT)/images.mdb $(on.$*) $(init) $(train) --log $(OUT)/$*.jsonl -o $@)

# Without instances there is nothing to condition on, or classes drawn at random.
$(OUT)/class.fid.tsv $(OUT)/none.fid.tsv: $(OUT)/%.fid.tsv: $(OUT)/%.safetensors $(OUT)/held.mdb $(OUT)/images.feats.mdb
	$(call timed,ic-sample -n $$($(call count,$(OUT)/held.mdb)) $< | ic-embed - | ic-fid $(OUT)/images.feats.mdb - $(whole))
