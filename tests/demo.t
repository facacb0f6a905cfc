# demo: the whole pipeline on a handful of pictures; then that nothing current is redone, and a changed option redoes
# exactly what depends on it.
. tests/tap.sh

out=$TMP/demo
demo()
{
	make --no-print-directory -f pipelines/demo.mk OUT="$out" IMAGES=160 NEIGHBOURS=5 \
		train="--minutes 0.02 --score-samples 32" "$@"
}

# redone VARIABLE=VALUE: the files that make would make again, one a line.
redone()
{
	demo -n "$@" | sed -n "s|^pipelines/timed $out/\([^ ]*\) .*|\1|p" | sort
}

# The training pictures nearest to samples, in the same folder.
copies()
{
	make --no-print-directory -f pipelines/memorisation.mk OUT="$out" IMAGES=160 NEIGHBOURS=5 \
		train="--minutes 0.02 --score-samples 32" SAMPLES=40 "$@"
}

# column N FILE: that field of each line but the first.
column()
{
	tail -n +2 "$2" | cut -f "$1"
}

ok "the demo runs from pictures to its table" demo
cp "$TMP/.out" "$TMP/table"
ok "the table has the three distances" grep -qE '^real, held out +[0-9.]+$' "$TMP/table"
ok "sheet" test -s "$out/sheet.png"
ok "curves" test -s "$out/curves.png"
ok "distances of neighbours" test -s "$out/radii.png"
check_same "of every picture, the first and the last" "awk '\$1 > 0 && \$2 >= \$1' $out/radii | wc -l" "echo 160"
ok "progress" test -s "$out/progress.png"
check_same "a second run redoes nothing" "redone" true
ok "samples beside the training pictures nearest to them" copies
cp "$out/memorisation.tsv" "$TMP/samples"
check_same "a line for each sample" "column 1 $TMP/samples" "seq 0 39"
check_same "a head for quantiles" "head -n 1 $out/memorisation.quantiles.tsv" "printf '#quantile\tsamples\treal\n'"
check_same "nine quantiles" "column 1 $out/memorisation.quantiles.tsv | tr '\n' ' '" "printf '0 .01 .05 .25 .5 .75 .95 .99 1 '"
ok "they grow" eval 'column 2 "$out/memorisation.quantiles.tsv" | sort -gc && column 3 "$out/memorisation.quantiles.tsv" | sort -gc'
check_same "the least and the largest distance" "sed -n '2p;\$p' $out/memorisation.quantiles.tsv | cut -f 2" \
	"column 4 $TMP/samples | sort -g | sed -n '1p;\$p'"
ok "a sheet of them" test -s "$out/memorisation.png"
check_same "the sheet has the nearest" "cut -f 4 $out/memorisation/shown" "column 4 $TMP/samples | sort -g | head -n 20"
# Copies of training pictures in place of samples are found out: the first 40, each its own instance.
seq 0 39 >"$TMP/keys"
ic-store pam --keys "$TMP/keys" "$out/images.mdb" | LC_ALL=C sed 's/^# ic key=\([0-9]*\) .*/&  instance=\1 seed=0/' \
	>"$out/memorisation/samples.pam"
ok "copies in place of samples" copies
check_same "are nearest to what they copy" "column 3 $out/memorisation.tsv" "cat $TMP/keys"
check_same "at no distance, nearer than any real picture" "column 4,5 $out/memorisation.tsv | sort -u" "printf '0\t0.000000\n'"
check_same "other training: the run and what comes from it" "redone train=--steps=2" \
	"printf '%s\n' run.fid.tsv run.safetensors"
check_same "other neighbours: not the features, not the instances" "redone NEIGHBOURS=4" \
	"printf '%s\n' images.near.mdb run.fid.tsv run.safetensors untrained.fid.tsv untrained.safetensors"
check_same "other pictures: everything" "redone IMAGES=200 | wc -l" "ls $out/*.time | wc -l"

# A stage's own options in place of those that others' variables make.
ok "neighbours by other options" demo knn='-k 4 --metric l2'
check_same "are found" "ic-store ls $out/images.near.mdb | tail -n 1 | cut -f 4,9" "printf '160x4\tmetric=l2\n'"
check_same "and shown: an instance, four of them, eight samples, the closest" \
	"ic-grid -f $out/sheet/instances.pam:1 $out/sheet/neighbours.pam:4 $out/sheet/samples.pam:8 $out/sheet/closest.pam:1 -o $TMP/s.png | awk 'NR == 2 { print \$3 / \$2 }'" \
	"echo 14"
mkdir "$TMP/my pictures"
fails_with "my pictures': make takes no names with spaces" "a folder that make cannot name" demo -n DATA="$TMP/my pictures"
fails_with "DATA: $TMP/none is not there" "a folder that is not there" demo -n DATA="$TMP/none"

# Instances chosen in three ways, for the same model.
instances()
{
	make --no-print-directory -f pipelines/instances.mk OUT="$out" IMAGES=160 NEIGHBOURS=5 \
		train="--minutes 0.02 --score-samples 32" COUNTS=20
}
ok "a model on instances chosen in three ways" instances
check_same "has a distance for each" "grep -cE '^(kmeans-20|random-20|balanced-20|all pictures|real, held out) +[0-9.]+$' $TMP/.out" "echo 5"
done_testing
