# demo: pictures to samples and their score, on data every Debian has or on a folder of yours.
#   make demo [DATA=fashion|emoji|FOLDER] [IMAGES=20000] [NEIGHBOURS=50] [MINUTES=8] [BACKBONE=biggan|stylegan2] [OUT=out/demo]
# Of few pictures, fewer NEIGHBOURS: there must be more pictures than that.
DATA       ?= fashion
IMAGES     ?= 20000
MINUTES    ?= 8
OUT        ?= out/demo
SIZE       ?= 32
NEIGHBOURS ?= 50
BACKBONE   ?= biggan
INSTANCES  ?= 1000
ROWS       ?= 20

.DEFAULT_GOAL := demo
# One picture in five is held out: real-against-real is measured on what training has not seen.
pack        = --size $(SIZE) -n $(shell expr $(IMAGES) \* 5 / 4) $(labels.$(DATA)) $(source)
embed       =
knn         = -k $(NEIGHBOURS)
kmeans      = $(INSTANCES)
init        = --seed 1 --backbone $(BACKBONE)
train       = --minutes $(MINUTES) --score-samples 512
sheet       = -n $(ROWS)
STAGES      = pack embed knn kmeans init train sheet
include pipelines/common.mk

.PHONY: demo
demo: $(addprefix $(OUT)/,untrained.fid.tsv run.fid.tsv held.fid.tsv sheet.png progress.png curves.png radii.png)
	@pipelines/summary $(OUT) untrained run=trained 'held=real, held out'
	@echo 'pictures: $(OUT)/sheet.png $(OUT)/progress.png $(OUT)/curves.png $(OUT)/radii.png'

$(OUT)/all.mdb: $(source) $(OUT)/pack.opts
	$(call timed,ic-pack -f $(pack) -o $@)
split       = $(call keys,$<) | awk $1 | ic-store pam --keys - $< | ic-pack -f --size $(SIZE) -o $@ -
$(OUT)/images.mdb: $(OUT)/all.mdb
	$(call timed,$(call split,'NR % 5'))
$(OUT)/held.mdb: $(OUT)/all.mdb
	$(call timed,$(call split,'NR % 5 == 0'))

# As many instances as asked for, but at least twenty pictures to each.
fewer       = $$($(call count,$1) | awk -v k=$(kmeans) '{ n = int($$1 / 20) + 1; print n < k ? n : k }')
$(OUT)/inst.mdb: $(OUT)/images.feats.mdb $(OUT)/kmeans.opts
	$(call timed,ic-kmeans -f -k $(call fewer,$<) $< -o $@)

TRAIN_ON    = $(OUT)/images.mdb $(OUT)/images.feats.mdb $(OUT)/images.near.mdb $(OUT)/inst.mdb
ic_train    = ic-train -f $(wordlist 1,3,$(TRAIN_ON)) --instances $(OUT)/inst.mdb $(init)
$(OUT)/untrained.safetensors: $(TRAIN_ON) $(OUT)/init.opts
	$(call timed,$(ic_train) --minutes 0 -o $@)
$(OUT)/run.safetensors: $(TRAIN_ON) $(OUT)/init.opts $(OUT)/train.opts
	$(call timed,$(ic_train) $(train) --log $(OUT)/log.jsonl --pictures $(OUT)/progress.pam --score $(word 2,$^) -o $@)

# As many samples as there are pictures held out: the distance depends on the number.
$(OUT)/%.fid.tsv: $(OUT)/%.safetensors $(OUT)/inst.mdb $(OUT)/held.mdb $(OUT)/images.feats.mdb
	$(call timed,ic-sample -n $$($(call count,$(OUT)/held.mdb)) $< $(OUT)/inst.mdb | ic-embed - | \
		ic-fid $(OUT)/images.feats.mdb - $(whole))
$(OUT)/held.fid.tsv: $(OUT)/held.feats.mdb $(OUT)/images.feats.mdb
	$(call timed,ic-fid $(OUT)/images.feats.mdb $< $(whole))

include pipelines/sheet.mk

# One row each time another --every images have been seen; fixed noise and instances.
$(OUT)/progress.png: $(OUT)/run.safetensors
	ic-grid -f --columns 16 -o $@ $(OUT)/progress.pam
$(OUT)/curves.png: $(OUT)/run.safetensors pipelines/curves.gp
	gnuplot -e 'log = "$(OUT)/log.jsonl"; out = "$@"' pipelines/curves.gp

