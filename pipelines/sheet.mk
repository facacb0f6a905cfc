# sheet: the figure of the paper: instance | six of its neighbours | eight samples | closest training image to the first.
shown   = $$($(call width,$(OUT)/images.near.mdb) | awk '{ print $$1 < 6 ? $$1 : 6 }')
S       = $(OUT)/sheet
values  = awk -v n=$1 -f pipelines/values.awk

$S/inst.mdb: $(OUT)/inst.mdb $(OUT)/sheet.opts
	@mkdir -p $(@D)
	ic-store head $(sheet) $< | ic-store load -f -o $@
$S/keys: $S/inst.mdb
	ic-store dump $< | $(call values,0) $(whole)
$S/instances.pam: $S/keys $(OUT)/images.mdb
	ic-store pam --keys $^ $(whole)
$S/neighbours.pam: $S/keys $(OUT)/images.mdb $(OUT)/images.near.mdb
	ic-store dump $(OUT)/images.near.mdb | $(call values,"$(shown)") | \
		awk 'NR == FNR { row[$$1] = $$0; next } { print row[$$1] }' - $< | cut -d ' ' -f 2- | tr ' ' '\n' | \
		ic-store pam --keys - $(OUT)/images.mdb $(whole)
$S/samples.pam: $(OUT)/run.safetensors $S/inst.mdb
	ic-sample --each 8 $^ $(whole)
$S/closest.pam: $S/samples.pam $(OUT)/images.feats.mdb
	ic-embed $< | ic-knn -k 1 $(OUT)/images.feats.mdb - | ic-store dump - | $(call values,1) | \
		awk 'NR % 8 == 1 { print $$2 }' | ic-store pam --keys - $(OUT)/images.mdb $(whole)
$(OUT)/sheet.png: $(patsubst %,$S/%.pam,instances neighbours samples closest)
	ic-grid -f --titles instance,neighbours,samples,closest -o $@ \
		$S/instances.pam:1 $S/neighbours.pam:$(shown) $S/samples.pam:8 $S/closest.pam:1

# How far the first and the last neighbours are.
$(OUT)/radii: $(OUT)/images.near.mdb
	ic-store dump $< | $(call values,$$((2 * $$($(call width,$<))))) | awk '{ print $$(NF / 2 + 1.5), $$NF }' $(whole)
$(OUT)/radii.png: $(OUT)/radii pipelines/radii.gp
	gnuplot -e 'data = "$<"; out = "$@"' pipelines/radii.gp
