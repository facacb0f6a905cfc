# paper-order: the order of the paper's tables at equal cost: generators conditioned on nothing, on classes, on k-means
# clusters as classes, on instances, and on instances with one of two augmentations: half of the images and half of the
# instances' features mirrored (flip: DA d,i in the paper), or differentiable translations (da).
#   make -f pipelines/paper-order.mk [DATA=fashion|emoji] [SEEN=N] [SEEDS="1 2"] [THREADS=0] [OUT=out/paper-order]
# Each run is shown SEEN real images; as many samples of each are compared with the same features, those of the training
# images.  Samples are conditioned as in training: on images drawn at random, hence on classes as frequent as theirs.
DATA       ?= fashion
IMAGES     ?= 10000
SEEN       ?= 48000
SEEDS      ?= 1 2
SAMPLES    ?= 3000
SIZE       ?= 32
NEIGHBOURS ?= 50
CLUSTERS   ?= 50
THREADS    ?= 0
CH         ?= 8
BATCH      ?= 16
# For networks this small: see tests/bench/results/paper-order.txt.
D_STEPS    ?= 2
RATES      ?= --lr-g 8e-4 --lr-d 16e-4
OUT        ?= out/paper-order/$(DATA)
# A font has no labels.
KINDS      ?= none $(if $(labels.$(DATA)),class) cluster instance flip da

.DEFAULT_GOAL := paper-order
pack        = --size $(SIZE) -n $(IMAGES) $(labels.$(DATA)) $(source)
embed       =
knn         = -k $(NEIGHBOURS)
kmeans      = -k $(CLUSTERS)
train       = --ch $(CH) --batch $(BATCH) --d-steps $(D_STEPS) $(RATES) \
		--steps $$(($(SEEN) / $(BATCH) / $(D_STEPS)))
sample      = -n $(SAMPLES)
metrics     = fd,se
STAGES      = pack embed knn kmeans train sample
include pipelines/common.mk

RUNS = $(foreach s,$(SEEDS),$(KINDS:%=%.$s))
.PHONY: paper-order
paper-order: $(RUNS:%=$(OUT)/%.fid.tsv)
	@pipelines/order $(OUT) '$(KINDS)' '$(SEEDS)'

$(OUT)/images.mdb: $(source) $(OUT)/pack.opts
	$(call timed,ic-pack -f $(pack) -o $@)
$(OUT)/images.feats.mdb $(OUT)/images.flipped.mdb &: $(OUT)/images.mdb $(OUT)/embed.opts
	$(call timed,ic-embed -f $(embed) $< -o $(OUT)/images.feats.mdb --flipped $(OUT)/images.flipped.mdb)
$(OUT)/clusters.mdb: $(OUT)/images.feats.mdb $(OUT)/kmeans.opts
	$(call timed,ic-kmeans -t $(THREADS) -f $(kmeans) --assign $@ -o $(OUT)/centres.mdb $<)

F            = $(OUT)/images.feats.mdb
on.none      =
on.class     = --class
on.cluster   = --class --labels $(OUT)/clusters.mdb
on.instance  = $F $(OUT)/images.near.mdb
on.flip      = $(on.instance) --flip --flipped $(OUT)/images.flipped.mdb
on.da        = $(on.instance) --diffaug translation
from.class   = $F
from.cluster = $(OUT)/clusters.mdb
from.instance = $F
from.flip    = $F
from.da      = $F
kind         = $(basename $*)
seed         = $(subst .,,$(suffix $*))
$(OUT)/%.safetensors: $(OUT)/images.mdb $F $(OUT)/images.flipped.mdb $(OUT)/images.near.mdb $(OUT)/clusters.mdb \
		$(OUT)/train.opts
	$(call timed,ic-train -t $(THREADS) -f $< $(on.$(kind)) $(train) --seed $(seed) --log $(@:.safetensors=.jsonl) -o $@)
$(OUT)/%.fid.tsv: $(OUT)/%.safetensors $F $(OUT)/sample.opts
	$(call timed,ic-sample -t $(THREADS) $(sample) --seed $(seed) $< $(from.$(kind)) | ic-embed -t $(THREADS) - | \
		ic-fid -t $(THREADS) --metrics $(metrics) $F - $(whole))
