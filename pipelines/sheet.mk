# sheet: the figure of the paper: instance | six of its neighbours | eight samples | closest training image to the first.
ROWS ?= 12

$S/inst.mdb: $(OUT)/inst.mdb
	@mkdir -p $(@D)
	ic-store head -n $(ROWS) $< | ic-store load -f -o $@
$S/keys: $S/inst.mdb
	ic-store dump $< | awk '!/^#/ { print $$1 }' >$@
$S/instances.pam: $S/keys $(OUT)/images.mdb
	ic-store pam --keys $^ >$@
$S/near.keys: $S/keys $(OUT)/images.near.mdb
	ic-store dump $(OUT)/images.near.mdb | awk 'NR == FNR { at[$$1] = at[$$1] " " FNR; next } \
		!/^#/ && $$1 in at { n = split(at[$$1], row, " "); \
			for (r = 1; r <= n; r++) for (i = 1; i <= 6; i++) print row[r], i, $$(i + 1) }' $< - | \
		sort -n -k1,1 -k2,2 | cut -d ' ' -f 3 >$@
$S/neighbours.pam: $S/near.keys $(OUT)/images.mdb
	ic-store pam --keys $^ >$@
$S/samples.pam: $(OUT)/run.safetensors $S/inst.mdb
	ic-sample --each 8 $^ >$@
$S/samples.near.mdb: $S/samples.pam $(OUT)/images.feats.mdb
	ic-embed $< | ic-knn -f -k 1 $(OUT)/images.feats.mdb - -o $@
$S/closest.pam: $S/samples.near.mdb $(OUT)/images.mdb
	ic-store dump $< | awk '!/^#/ && n++ % 8 == 0 { print $$2 }' | ic-store pam --keys - $(OUT)/images.mdb >$@
$(OUT)/sheet.png: $(patsubst %,$S/%.pam,instances neighbours samples closest)
	ic-grid -f --titles instance,neighbours,samples,closest -o $@ \
		$S/instances.pam:1 $S/neighbours.pam:6 $S/samples.pam:8 $S/closest.pam:1
