# memorisation: are samples copies?  The training picture nearest to each sample by its features, beside how near real
# pictures are to each other (the paper's figures 5, 8 and 9).
#   memorisation.tsv            a line a sample: its nearest picture, the share of pictures that are nearer to another
#   memorisation.quantiles.tsv  distances to the nearest picture, of samples and of real pictures to the others
#   memorisation.png            the samples that are nearest to a picture: sample, instance, nearest pictures
SAMPLES ?= 1000
SHOWN   ?= 6
include pipelines/demo.mk

.DEFAULT_GOAL := memorisation
.PHONY: memorisation
M       = $(OUT)/memorisation
copies  = -n $(SAMPLES)
$(eval $(call stamp,copies))
memorisation: $M.tsv $M.quantiles.tsv $M.png
	@cat $M.quantiles.tsv
	@echo 'samples: $M.tsv pictures: $M.png'

$M/samples.pam: $(OUT)/run.safetensors $(OUT)/inst.mdb $(OUT)/copies.opts
	@mkdir -p $(@D)
	ic-sample $(copies) $(wordlist 1,2,$^) $(whole)
$M/samples.mdb: $M/samples.pam
	ic-pack -f --size $(SIZE) -o $@ - <$<
$M/closest.mdb: $(OUT)/images.feats.mdb $M/samples.feats.mdb
	$(call timed,ic-knn -f -k $(SHOWN) $^ -o $@)

# Key and instance of each sample; key, nearest pictures and distance of the first; distances of real pictures.
$M/instances: $M/samples.pam
	LC_ALL=C sed -n 's/^# ic key=\([0-9]*\) .* instance=\([0-9]*\) .*/\1 \2/p' $< $(whole)
$M/closest: $M/closest.mdb
	ic-store dump $< | $(call values,$$(($(SHOWN) + 1))) $(whole)
$M/real: $(OUT)/images.near.mdb
	@mkdir -p $(@D)
	ic-store dump $< | $(call values,$$(($$($(call width,$<)) + 1))) | awk '{ print $$NF }' | sort -g $(whole)

$M.tsv: $M/real $M/instances $M/closest
	awk -f pipelines/memorisation.awk $^ $(whole)
quantiles = awk '{ x[NR] = $$1 } END { n = split("0 .01 .05 .25 .5 .75 .95 .99 1", q, " "); \
	for (i = 1; i <= n; i++) { at = q[i] * NR; print q[i] "\t" x[int(at) + (at > int(at)) + !at] } }'
$M.quantiles.tsv: $M.tsv $M/real
	{ printf '#quantile\tsamples\treal\n'; \
	paste <(grep -v '^#' $< | cut -f 4 | sort -g | $(quantiles)) <($(quantiles) $M/real | cut -f 2); } $(whole)

$M/shown: $M.tsv $(OUT)/sheet.opts
	grep -v '^#' $< | sort -t $$'\t' -k 4,4g -k 1,1n | awk 'NR <= $(ROWS)' $(whole)
$M/sample.pam: $M/shown $M/samples.mdb
	cut -f 1 $< | ic-store pam --keys - $M/samples.mdb $(whole)
$M/instance.pam: $M/shown $(OUT)/images.mdb
	cut -f 2 $< | ic-store pam --keys - $(OUT)/images.mdb $(whole)
$M/closest.pam: $M/shown $M/closest $(OUT)/images.mdb
	awk 'NR == FNR { row[$$1] = $$0; next } { $$0 = row[$$1]; for (i = 2; i < NF; i++) print $$i }' $M/closest $< | \
		ic-store pam --keys - $(OUT)/images.mdb $(whole)
$M.png: $M/sample.pam $M/instance.pam $M/closest.pam
	ic-grid -f --titles sample,instance,closest -o $@ $M/sample.pam:1 $M/instance.pam:1 $M/closest.pam:$(SHOWN)
