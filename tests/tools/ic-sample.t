# ic-sample: a sample depends on its number or seed alone; lists of seeds and noises and the ways
# between; streams end early with a failure; refusals.
. tests/tap.sh
. tests/pictures.sh
. tests/rows.sh
root=$PWD
cd "$TMP" || exit 1

fixture()
{
	model 2 && ic-train a.mdb -o u.st --ch 2 -b 4 --steps 1 &&
		ic-store head -n 3 f.mdb | ic-store load -o i.mdb
}
ok "fixture" fixture

ok "forty samples" eval 'ic-sample m.st f.mdb -n 40 >all.pam'
for b in 1 7 32; do
	check_same "the same in batches of $b" "ic-sample m.st f.mdb -n 40 -b $b" "cat all.pam"
done
check_same "1 thread as 2" "ic-sample m.st f.mdb -n 40 -t 1" "cat all.pam"
check_same "the first ten do not depend on how many follow" \
	"ic-sample m.st f.mdb -n 10 | sed 's/of=10/of=40/'" \
	"head -c \$(ic-sample m.st f.mdb -n 10 | wc -c) all.pam"
# Pictures without their heads, whose eight lines differ in any case.
pixels() { sed '1,8d'; }
ok "another seed is another picture" eval \
	'! cmp -s <(ic-sample m.st i.mdb -n 1 -s 1 | pixels) <(ic-sample m.st i.mdb -n 1 | pixels)'
check_same "--each: instances in order" \
	"ic-sample m.st i.mdb --each 2 | grep -a '^# ic' | sed 's/.*instance=\([0-9]*\).*/\1/'" \
	"printf '0\n0\n1\n1\n2\n2\n'"
check_same "instances from a pipe" "ic-store cat i.mdb | ic-sample m.st - --each 2" \
	"ic-sample m.st i.mdb --each 2"
check_same "published instances" "ic-sample m.st $root/tests/golden/instances.npy --each 2" \
	"ic-store load $root/tests/golden/instances.npy | ic-sample m.st - --each 2"
fails_with "found keys of rows" "a k-means is no instances" \
	ic-sample m.st "$root/tests/golden/centres.npy" -n 1
ok "a model without instances" eval \
	'ic-sample u.st -n 3 >u.pam && [ "$(grep -ao ENDHDR u.pam | wc -l)" -eq 3 ]'
ok "whose samples have no labels" eval '! grep -aq "label=" u.pam'
fails_with "u.st: conditioned on nothing, takes no instances: found i.mdb" "and that takes none" \
	ic-sample u.st i.mdb -n 1
# Samples say which model they are of, known by what its metadata say.
origin() { ic-sample "$@" | sed -n 's/^# ic.* from=\([0-9a-f]*\).*/\1/p'; }
check_same "samples name their model" "origin m.st i.mdb -n 1" \
	"ic-store ls --json m.st | sed -n 's/.*\"id\":\"\([^\"]*\)\".*format=.*/\1/p'"
ok "and another by another id" eval 'model_2() { ic-train a.mdb f.mdb n.mdb -o two.st --ch 2 -b 4 --steps 1; }
	model_2 && [ "$(origin m.st i.mdb -n 1)" != "$(origin two.st i.mdb -n 1)" ]'
check_same "samples, features and score in one pipe" \
	"ic-sample m.st f.mdb -n 20 | ic-embed - | ic-fid f.mdb - | wc -l" "echo 2"

# Without what depends on the place in the series.
bare() { sed '/^# ic/s/ key=[0-9]*//; /^# ic/s/ at=[0-9]* of=[0-9]*//'; }
# Pictures FIRST to LAST, counted from 1, of a stream; fails when they are not there.
some()
{
	bare | awk -v a="$1" -v z="$2" 'BEGIN { RS = "P7\n"; ORS = "" }
		NR > a && NR <= z + 1 { print RS $0; n++ } END { exit n != z - a + 1 }'
}
heads() { grep -a '^# ic' | sed 's/.* root=[0-9a-f]*//'; }
# Rows of noise: for each operand A:B one of A, B and zeros, 120 numbers as this model takes.
noise()
{
	local key=0 pair
	printf '#ic-rows\t1\n#kind\tnoise\n#type\tf32\n#width\t120\n#key\tvalues\n'
	for pair; do
		printf '%d\t%s\t%s' $((key++)) "${pair%:*}" "${pair#*:}"
		printf '\t0%.0s' $(seq 118)
		echo
	done
	echo '#end'
}

ok "seeds" eval 'ic-sample m.st i.mdb --seeds 5-6,90 >seeds.pam'
check_same "every instance with every seed, in order" "heads <seeds.pam" \
	"for i in 0 1 2; do for s in 5 6 90; do echo \" instance=\$i seed=\$s\"; done; done"
check_same "a seed alone gives the same pictures" "ic-sample m.st i.mdb --seeds 90 | some 2 2" \
	"some 6 6 <seeds.pam"
only() { ic-store dump i.mdb | grep "^[#$1]" | ic-store load -; }
check_same "and so it does with one instance of them" \
	"only 1 | ic-sample m.st --seeds 6 | some 1 1" "some 5 5 <seeds.pam"
check_same "a seed is the first sample of --seed" "only 0 | ic-sample m.st --each 1 -s 90" \
	"only 0 | ic-sample m.st --seeds 90"
check_same "seeds of a model without instances" "ic-sample u.st --seeds 0-2 | some 3 3" \
	"ic-sample u.st --seeds 2 | some 1 1"

check_same "a wide truncation changes nothing" "ic-sample m.st f.mdb -n 4 --truncation 50" \
	"ic-sample m.st f.mdb -n 4"
ok "a narrow one does" eval \
	'! cmp -s <(ic-sample m.st f.mdb -n 4 --truncation 0.5) <(ic-sample m.st f.mdb -n 4)'
check_same "truncated samples do not depend on batches" \
	"ic-sample m.st f.mdb -n 40 --truncation 1 -b 7" "ic-sample m.st f.mdb -n 40 --truncation 1"

ok "clamped noise is another" eval \
	'! cmp -s <(ic-sample m.st f.mdb -n 4 --truncation 0.5) \
	<(ic-sample m.st f.mdb -n 4 --truncation 0.5 --clamp)'
check_same "clamped wide nothing changes" "ic-sample m.st f.mdb -n 4 --truncation 50 --clamp" \
	"ic-sample m.st f.mdb -n 4"
check_same "-m names the model" "ic-sample -m m.st f.mdb -n 4" "ic-sample m.st f.mdb -n 4"
check_same "and the operand is the instances" "ic-store cat f.mdb | ic-sample -n 4 -m m.st" \
	"ic-sample m.st f.mdb -n 4"

# A published file, by class and truncated.
published="ic-sample $root/tests/golden/generator.pth --truncation 0.7"
ok "a published generator" eval '$published -n 9 >published.pam'
for how in "-b 1" "-b 4" "-t 1"; do
	check_same "the same with $how" "$published -n 9 $how" "cat published.pam"
	check_same "the same of one class with $how" "$published -n 9 --class 2 --clamp $how" \
		"$published -n 9 --class 2 --clamp"
done
check_same "the first five do not depend on the others" "$published -n 5 | sed 's/of=5/of=9/'" \
	"head -c \$($published -n 5 | wc -c) published.pam"

# The closest of many: by another way, ic-knn of all their features.
only1() { ic-store head -n 1 f.mdb | ic-store load -; }
ok "the closest of forty" eval 'only1 | ic-sample m.st - --each 4 --closest 10 >closest.pam'
keys() { sed -n 's/^# ic key=\([0-9]*\) .*/\1/p'; }
check_same "are those that ic-knn finds" "keys <closest.pam" \
	"only1 >one.ic; ic-sample m.st one.ic --each 40 | ic-embed - | ic-knn -k 4 - one.ic |
		ic-store dump - | grep -v '^#' | cut -f 2-5 | tr '\t' '\n' | sort -n"
check_same "each as it is without the choice" "some 2 2 <closest.pam" \
	"at=\$((\$(keys <closest.pam | sed -n 2p) + 1))
	ic-sample m.st one.ic --each 40 | some \$at \$at"
ok "of three instances" eval 'ic-sample m.st i.mdb --each 4 --closest 5 >three.pam'
check_same "four of each" "heads <three.pam" "ic-sample m.st i.mdb --each 4 | heads"
for how in "-b 1" "-b 7" "-t 1"; do
	check_same "the same with $how" "ic-sample m.st i.mdb --each 4 --closest 5 $how" \
		"cat three.pam"
done
check_same "the closest are pictures to go on with" \
	"ic-embed three.pam | ic-store dump - | grep -vc '^#'" "echo 12"
fails_with 'made by network ""' "instances that say no network" \
	ic-sample m.st "$root/tests/golden/instances.npy" --each 1 --closest 2
fails_with "takes no instances" "the closest of a model without instances" \
	ic-sample u.st f.mdb --each 1 --closest 2

ok "noise rows" eval 'noise 3:0 0:3 -1:2 | ic-store load -o z.mdb &&
	ic-sample m.st i.mdb --noise z.mdb >noise.pam'
check_same "every instance with every row of noise" "heads <noise.pam" \
	"for i in 0 1 2; do for s in 1 2 3; do echo \" instance=\$i\"; done; done"
noise | sed '/^0/d' | ic-store load -o none.mdb
fails_with "none.mdb: no rows, expected noise" "no rows of noise" ic-sample m.st i.mdb --noise none.mdb
given() { noise "$1" | ic-store load - | ic-sample m.st i.mdb --noise -; }
check_same "a row alone gives the same pictures" "given -1:2 | some 2 2" "some 6 6 <noise.pam"
check_same "half way between two noises" \
	"ic-sample m.st i.mdb --noise z.mdb --between-noises 1 | some 2 2" \
	"given 2.12132034:2.12132034 | some 1 1"

ok "between instances and seeds" eval \
	'ic-sample m.st i.mdb --seeds 5-6,90 --between 3 --between-noises 1 >way.pam'
check_same "as many as said" "grep -ac '^ENDHDR' way.pam" "echo $((9 * 5))"
ends() { some 1 1 <"$1" && some "$2" "$2" <"$1" && some "$3" "$3" <"$1"; }
check_same "at the ends nothing changes" "ends way.pam 3 45" "ends seeds.pam 2 9"
check_same "between them there is no instance, or no seed" "heads <way.pam | sed -n '1,6p'" \
	"printf ' instance=0%s\n' ' seed=5' '' ' seed=6' '' ' seed=90'; echo ' seed=5'"
ok "and pictures differ from step to step" eval \
	'! cmp -s <(some 1 1 <way.pam | pixels) <(some 6 6 <way.pam | pixels)'
opposite()
{
	ic-store head -n 1 i.mdb | awk -F'\t' -v OFS='\t' '/^#end/ { print row } { print }
		!/^#/ { for (i = 2; i <= NF; i++) $i = -$i; $1 = 77; row = $0 }' |
		ic-store load -o o.mdb
}
ok "opposite instances" opposite
fails_with "o.mdb: the rows of keys 0 and 77 are opposite" "no way between opposite instances" \
	ic-sample m.st o.mdb --seeds 1 --between 1

one_line()
{
	ic-pack --size 32 "$1" | ic-embed - | ic-sample m.st - -n 8 | ic-grid -o "$2"
}
ok "as the page has it" eval 'cp "$root/tests/golden/images/j_420_q95.jpg" cat.jpg &&
	ic-pack cat.jpg | ic-embed - | ic-sample -m m.st - -n 8 | ic-grid -o cats.png'
ok "any picture in one line" one_line "$root/tests/golden/images/j_420_q95.jpg" cat.png
ok "another picture gives others" eval \
	'one_line "$root/tests/golden/images/p_rgb8.png" dog.png && ! cmp -s cat.png dog.png'

ok "a model with classes" eval 'ic-store dump a.mdb | labelled 2 | ic-store load -o l.mdb &&
	ic-train l.mdb --class -o c.st --ch 2 -b 4 --steps 1'
labels() { sed -n 's/^# ic.* label=\([0-9]*\) .*/\1/p' | tr -d '\n'; }
check_same "its class is the one said" "ic-sample c.st -n 6 --class 1 | labels" "printf 111111"
fails_with "m.st: knows no classes" "a class for a model without" ic-sample m.st f.mdb -n 1 --class 1
check_same "or the instance's; between two, of the nearer" \
	"ic-embed l.mdb | ic-sample c.st - --seeds 1 --between 3 | labels | cut -c 1-13" \
	"echo 0001111000011"
# Nine instances of class 0, three of class 1: their share as drawn, and drawn evenly.
ok "uneven classes" eval 'ic-store dump l.mdb | awk -F"\t" -v OFS="\t" "!/^#/ { \$2 = \$1 > 8 } { print }" |
	ic-store load -o l93.mdb && ic-embed l93.mdb -o f93.mdb'
share() { labels | awk '{ n = length($0); print int(10 * gsub(1, "") / n + 0.5) }'; }
for on in f93.mdb l93.mdb; do
	check_same "classes as frequent as in $on" "ic-sample c.st $on -n 1000 | share" "echo 3"
	check_same "classes of $on evenly" "ic-sample c.st $on -n 1000 --class-temperature 0 | share" "echo 5"
done
# 3^(1/0.5) = 9 against 1
check_same "classes of l93.mdb by counts squared" "ic-sample c.st l93.mdb -n 1000 --class-temperature 0.5 | share" "echo 1"
check_same "instances of classes drawn evenly" "ic-sample m.st f93.mdb -n 1000 --class-temperature 0 |
	sed -n 's/^# ic.* instance=\([0-9]*\).*/\1/p' | awk '{ n += \$1 > 8 } END { print int(n / 100 + 0.5) }'" "echo 5"
exits 2 "--class-temperature without -n" ic-sample m.st f93.mdb --each 1 --class-temperature 0
fails_with "no labels" "--class-temperature without labels" ic-sample m.st f.mdb -n 1 --class-temperature 0
fails_with "has no labels" "classes of rows without labels" ic-sample c.st f.mdb -n 1

# A row gives the class, evenly or as it comes; one of its three neighbours, all alike, the features.
ok "a model of classes and instances" eval 'ic-knn -k 3 f93.mdb -o n93.mdb &&
	ic-train --class l93.mdb f93.mdb n93.mdb -o cc.st --ch 2 -b 4 --steps 1'
# shares T: whether each instance came with each class about as often as its definition says.
shares()
{
	ic-sample cc.st f93.mdb -n 2000 -b 50 --neighbours n93.mdb --class-temperature "$1" |
		sed -n 's/^# ic.* label=\([0-9]*\) .*instance=\([0-9]*\) .*/\1 \2/p' |
		awk -v t="$1" 'NR == FNR {
				p = t == 1 ? 1 / 12 : $1 ? 1 / 6 : 1 / 18
				for (i = 2; i <= 4; i++) want[$1 " " $i] += p / 3
				next
			}
			!($0 in want) { print "class and instance", $0 }
			{ got[$0]++; n++ }
			END {
				for (k in want) if ((got[k] / n - want[k]) ^ 2 > 0.03 ^ 2) print k, got[k] / n, want[k]
				print n
			}' <(ic-store dump n93.mdb | grep -v '^#' | cut -f 2-5) -
}
check_same "classes evenly, and neighbours of their rows" "shares 0" "echo 2000"
check_same "rows evenly, and their neighbours" "shares 1" "echo 2000"
check_same "the same in any batches" "ic-sample cc.st f93.mdb -n 9 --neighbours n93.mdb -b 2" \
	"ic-sample cc.st f93.mdb -n 9 --neighbours n93.mdb"
fails_with "neighbours by features" "neighbours by other features" ic-sample cc.st f93.mdb -n 1 --neighbours n.mdb
fails_with "expected a store of neighbours" "rows that are no neighbours" ic-sample cc.st f93.mdb -n 1 --neighbours f93.mdb
fails_with "no labels" "neighbours without labels" ic-sample cc.st f.mdb -n 1 --neighbours n.mdb
fails_with "not of classes and instances" "a model without classes" ic-sample m.st f93.mdb -n 1 --neighbours n93.mdb
exits 2 "--neighbours without -n" ic-sample cc.st f93.mdb --each 1 --neighbours n93.mdb
bytes() { ic-pack --size 32 - | ic-store dump - | awk '!/^#/ { for (i = 2; i <= NF; i++) print $i }'; }
check_same "--compat cuts bytes off: equal or one less, about as often" \
	"paste <(ic-sample m.st f.mdb -n 20 | bytes) <(ic-sample m.st f.mdb -n 20 --compat | bytes) |
		awk '\$1 - \$2 == 1 { n++ } \$1 - \$2 != 1 && \$1 != \$2 { bad++ } END { print bad + 0, int(10 * n / NR + 0.5) }'" "echo 0 5"
fails_with "expected --class" "a seed needs a class" ic-sample c.st --seeds 1

# A producer that dies makes its consumers fail.
died()
{
	! ic-sample m.st f.mdb -n 40 | head -c 60000 | ic-embed - 2>err >rows && grep -q . err &&
		! ic-fid f.mdb - <rows 2>err2 && grep -q . err2
}
ok "a producer cut short makes both consumers fail" died
fails_with "rows of 120, expected 1280" "instances of another width" ic-sample m.st z.mdb -n 1
# Rows of as many numbers, but made otherwise than those trained on.
ic-embed --protocol lite-crop a.mdb -o crop.mdb
fails_with "crop.mdb: made by another extractor: protocol lite-crop, expected lite as in m.st" "features of another protocol" \
	ic-sample m.st crop.mdb -n 1
ok "the generator alone knows it too" ic-store export --net G_ema m.st -o gen.safetensors
fails_with "crop.mdb: made by another extractor: protocol lite-crop, expected lite as in gen.safetensors" "as does what is exported" \
	ic-sample gen.safetensors crop.mdb -n 1
fails_with "crop.mdb: made by another extractor: protocol lite-crop, expected lite as in f.mdb" "nor do they condition a score" \
	ic-train a.mdb f.mdb n.mdb --instances crop.mdb -o x.st --ch 2 -b 4 --steps 1
# A row of zeros has no direction to condition on.
ic-store dump f.mdb | awk -F '\t' -v OFS='\t' '$1 == 1 { for (i = 2; i <= NF; i++) $i = 0 } { print }' | ic-store load -o flat.mdb
fails_with "flat.mdb: the row of key 1 is all zero" "an instance of zeros" ic-sample m.st flat.mdb --each 1
fails_with "flat.mdb: the row of key 1 is all zero" "nor is it shown or scored" \
	ic-train a.mdb f.mdb n.mdb --instances flat.mdb --pictures flat.pam -o x.st --ch 2 -b 4 --steps 1
ok "mirrored features of another protocol" ic-embed --protocol lite-crop a.mdb -o crop2.mdb --flipped pcrop.mdb
fails_with "pcrop.mdb: made by another extractor: protocol lite-crop, expected lite as in f.mdb" "nor mirrored pictures" \
	ic-train a.mdb f.mdb n.mdb --flipped pcrop.mdb -o x.st --ch 2 -b 4 --steps 1
fails_with "f.mdb: features of pictures as they are, expected those of ic-embed --flipped" "plain features are not mirrored" \
	ic-train a.mdb f.mdb n.mdb --flipped f.mdb -o x.st --ch 2 -b 4 --steps 1
ic-store dump f.mdb | sed '/^#meta\tnet\|^#meta\tprotocol/d' | ic-store load -o bare.mdb
check_same "rows that do not say are taken" "ic-sample m.st bare.mdb -n 2 | pixels" "ic-sample m.st f.mdb -n 2 | pixels"
ok "pictures handled otherwise are warned of" eval \
	'ic-store dump f.mdb | sed "s/side=32/side=64/" | ic-sample m.st <(ic-store load) -n 1 >one.pam 2>err &&
		grep -q "of pictures handled in another way: side 64, expected 32 as in m.st" err'
fails_with "knows no classes" "a class it does not know" ic-sample u.st -n 1 --class 5
exits 2 "neither -n nor --each" ic-sample m.st f.mdb
exits 2 "both" ic-sample m.st f.mdb -n 1 --each 1
for list in '' , 1, 3-1 a -1 1-2-3 '1 2' 0-9000000000000001 99999999999999999999 0-1000000; do
	exits 2 "--seeds '$list'" ic-sample m.st f.mdb --seeds "$list"
done
exits 2 "--seeds with --seed" ic-sample m.st f.mdb --seeds 1 -s 2
exits 2 "--between without a list" ic-sample m.st f.mdb --each 1 --between 2
exits 2 "--truncation of rows" ic-sample m.st f.mdb --noise z.mdb --truncation 1
exits 2 "--clamp without --truncation" ic-sample m.st f.mdb -n 1 --clamp
exits 2 "--closest without --each" ic-sample m.st f.mdb -n 1 --closest 2
exits 2 "too many to choose from" ic-sample m.st f.mdb --each 10000 --closest 10000
exits 2 "--weights without --closest" ic-sample m.st f.mdb -n 1 -w x
exits 2 "two operands after -m" ic-sample -m m.st f.mdb f.mdb -n 1
exits 2 "--truncation 0" ic-sample m.st f.mdb -n 1 --truncation 0
exits 2 "standard input twice" ic-sample m.st - --noise -
exits 2 "--between without instances" ic-sample u.st --seeds 1 --between 2
fails_with "found 1 noises, expected at least 2" "one seed has no next" \
	ic-sample m.st f.mdb --seeds 1 --between-noises 2
fails_with "rows of 1280, expected 120" "noise of another width" ic-sample m.st i.mdb --noise f.mdb
fails_with "is not finite" "noise that is no number" eval \
	'noise 0x7fc00000:0 | ic-store load -o nan.mdb && ic-sample m.st i.mdb --noise nan.mdb'
exits 2 "no model" ic-sample -n 1
fails_with "No such file" "no such model" ic-sample none.st f.mdb -n 1
fails_with "" "not a model" ic-sample f.mdb f.mdb -n 1
ok "a full disk" eval '! ic-sample m.st f.mdb -n 1 >/dev/full 2>err && grep -q "No space" err'
done_testing
