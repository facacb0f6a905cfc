# classes: labels of another store, how classes and instances of samples and scores are drawn, and the faults that --compat
# restores.
. tests/tap.sh
. tests/pictures.sh
cd "$TMP" || exit 1

# store NAME PHASE: forty discs and bars, their features and neighbours.
store()
{
	shapes 40 "$2" | ic-pack --size 32 - -o "$1.mdb" && ic-embed "$1.mdb" -o "$1.feats.mdb" &&
		ic-knn -k 4 "$1.feats.mdb" -o "$1.near.mdb"
}
ok "fixture" eval 'store a 0 && store b 5 && ic-embed a.mdb -o p.mdb --flipped q.mdb'
A="a.mdb a.feats.mdb a.near.mdb"
small="--ch 2 -b 8 --ema-start 2"

ok "clusters as classes" eval 'ic-kmeans -k 3 --assign cl.mdb a.feats.mdb -o three.mdb &&
	ic-train a.mdb --class --labels cl.mdb -o cl.st $small --steps 1'
check_same "samples have classes as frequent as the clusters, within a tenth" "ic-sample cl.st cl.mdb -n 2000 |
	grep -ao 'label=[0-9]*' | sort | uniq -c | awk '{ print \$2, int(\$1 / 200 + 0.5) }'" \
	"ic-store dump cl.mdb | awk '!/^#/ { n[\$2]++ } END { for (c in n) print \"label=\" c, int(n[c] / 4 + 0.5) }' | sort"
fails_with "made from images" "labels of other images" eval 'ic-kmeans -k 3 --assign bl.mdb b.feats.mdb -o b3.mdb &&
	ic-train a.mdb --class --labels bl.mdb -o x.st $small --steps 1'
exits 2 "--labels without --class" ic-train a.mdb --labels cl.mdb -o x.st --steps 1
exits 2 "--class-temperature where neighbours have the labels" ic-train $A --class --class-temperature 2 -o x.st --steps 1
ok "tempered classes" ic-train a.mdb --class --labels cl.mdb --class-temperature 0 -o even.st $small --steps 1

# The score is that of the pipe; taking it changes nothing, except with --compat.
sample_score()
{
	ic-sample -n 20 --seed 0 "$@" | ic-embed - | ic-fid -q a.feats.mdb - | awk -F'\t' 'END { printf "%.5g\n", $3 }'
}
last_score()
{
	sed -n 's/.*"fd":\([^,]*\),.*/\1/p' "$1" | tail -n 1 | awk '{ printf "%.5g\n", $1 }'
}
few="$small --steps 2 --score a.feats.mdb --score-samples 20"
ok "a score on instances" ic-train $A -o whole.st $few --log whole.jsonl
check_same "the score on instances is that of ic-sample's" "last_score whole.jsonl" "sample_score whole.st a.feats.mdb"
ok "a score of clusters" ic-train a.mdb --class --labels cl.mdb -f -o cl.st $few --log cl.jsonl
check_same "that of ic-sample's with the clusters" "last_score cl.jsonl" "sample_score cl.st cl.mdb"
ok "on instances with clusters as classes" ic-train $A --class --labels cl.mdb --instances three.mdb -o in.st $few
ok "no score" ic-train a.mdb --class --labels cl.mdb -o plain.st $small --steps 2
check_same "a score changes no sample" "ic-sample plain.st cl.mdb -n 9" "ic-sample cl.st cl.mdb -n 9"

faults="--ch 2 -b 4 --every 16 --compat --flipped q.mdb --d-steps 2 --score a.feats.mdb --score-samples 10"
ok "faults of the published code" ic-train $A -o faults.st $faults --steps 8
ok "the same in two parts" eval 'ic-train $A -o r2.st $faults --steps 4 && mv r2.st r2.st.part &&
	ic-train $A -o r2.st $faults --steps 8'
check_same "the same bytes" "cat r2.st" "cat faults.st"
ok "with these faults a score is not without effect" eval 'ic-train $A -o r3.st ${faults%--score a*} --steps 8 &&
	! cmp -s <(ic-sample r3.st a.feats.mdb -n 9) <(ic-sample faults.st a.feats.mdb -n 9)'
done_testing
