# transfer: a model trained on one set of pictures, shown the instances of another it has never seen.
# The distance to the other set must be smaller with its own instances than with those of the training set.
MINUTES ?= 30
OUT     ?= out/transfer
OTHER   ?= emoji
include pipelines/demo.mk

.DEFAULT_GOAL := transfer
.PHONY: transfer
transfer: $(OUT)/transfer.fid.tsv $(OUT)/stay.fid.tsv $(OUT)/transfer.png
	@pipelines/summary $(OUT) 'transfer=on instances of $(OTHER)' 'stay=on instances of $(DATA)'
	@echo 'pictures: $(OUT)/transfer.png'

other   = $(or $(source.$(OTHER)),$(OTHER))
other_n = $(shell expr $(IMAGES) / 4)
$(OUT)/other.mdb: $(other)
	$(call timed,ic-pack -f --size $(SIZE) -n $(other_n) $(other) -o $@)
$(OUT)/other.inst.mdb: $(OUT)/other.feats.mdb
	$(call timed,ic-kmeans -f -k $(call fewer,$<) $< -o $@)

measure = ic-sample -n $(other_n) $(wordlist 1,2,$^) | ic-embed - | ic-fid $(OUT)/other.feats.mdb - $(whole)
$(OUT)/transfer.fid.tsv: $(OUT)/run.safetensors $(OUT)/other.inst.mdb $(OUT)/other.feats.mdb
	$(call timed,$(measure))
$(OUT)/stay.fid.tsv: $(OUT)/run.safetensors $(OUT)/inst.mdb $(OUT)/other.feats.mdb
	$(call timed,$(measure))
$(OUT)/transfer.png: $(OUT)/run.safetensors $(OUT)/other.inst.mdb
	ic-sample -n 144 $^ | ic-grid -f --columns 12 -o $@ -
