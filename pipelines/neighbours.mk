# neighbours: neighbourhoods of 5 against 50 images, all else equal: fewer are closer to their instance, more are
# more diverse.
MINUTES ?= 30
OUT     ?= out/neighbours
SIZES   ?= 5 50
include pipelines/demo.mk

.DEFAULT_GOAL := neighbours
.PHONY: neighbours
neighbours: $(SIZES:%=$(OUT)/k%.fid.tsv) $(OUT)/held.fid.tsv
	@pipelines/summary $(OUT) $(SIZES:%=k%) 'held=real, held out'

$(OUT)/near-%.mdb: $(OUT)/images.feats.mdb
	$(call timed,ic-knn -f -k $* $< -o $@)
$(OUT)/k%.safetensors: $(OUT)/images.mdb $(OUT)/images.feats.mdb $(OUT)/near-%.mdb $(OUT)/inst.mdb \
		$(OUT)/init.opts $(OUT)/train.opts
	$(call timed,ic-train -f $(wordlist 1,3,$^) --instances $(OUT)/inst.mdb $(init) $(train) --log $(@:.safetensors=.jsonl) -o $@)
