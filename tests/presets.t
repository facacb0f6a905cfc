# presets: each is the published run of its name (spec: the authors' configuration files), and at its full size
# a dry run counts the published numbers of trained values, quickly and without its memory.
. tests/tap.sh
root=$PWD
cd "$TMP" || exit 1

# stores SIDE: pictures with labels 0 and 999, features of 2048 and neighbours.
stores()
{
	awk -v side="$1" 'BEGIN {
		for (i = 1; i <= 4; i++) {
			file = "p" side "-" i ".pgm"
			printf "P5\n%d %d\n255\n", side, side >file
			for (p = 0; p < side * side; p++) printf "%c", 33 + (p * i + int(p / side)) % 90 >file
			close(file)
			print file "\t" (i > 2 ? 999 : 0)
		}
	}' | ic-pack --size "$1" - -o "i$1.mdb" && ic-embed "i$1.mdb" -o - | ic-store dump - |
		awk -F '\t' -v OFS='\t' '/^#width/ { $2 = 2048 } !/^#/ { for (k = 1282; k <= 2050; k++) $k = 0; NF = 2050 } 1' |
		ic-store load -o "f$1.mdb" && ic-knn -k 2 "f$1.mdb" -o "n$1.mdb"
}
ok "stores of three sides" eval 'stores 64 && stores 128 && stores 256'

# Name, class, ch, batch, accumulate, rates, d-steps, augmentation, flips; trained values of the published networks.
# Their models without labels carry 999 more rows of 128 in a table of classes, and of 768 in that of the discriminator
# where one class conditions it; nothing reads them.  Classes alone are drawn evenly for fakes, but on ImageNet-LT as
# often as they come (the files' longtail_gen).
cat >table <<'END'
coco-icgan128            false 48 64 4   1e-4 4e-4 1 translation true 22271076 23189330
coco-icgan256            false 48 16 16  1e-4 1e-4 1 translation true 25861956 26000786
coco-biggan128           false 48 64 4   1e-4 4e-4 2 translation true 18383460 22383698
coco-biggan256           false 48 16 16  1e-4 1e-4 2 translation true 21384516 25195154
imagenet-biggan64        true  64 256 1  1e-4 1e-4 1 none        true 31969540 20571842
imagenet-biggan128       true  96 64 32  1e-4 4e-4 1 none        true 70433988 87982370
imagenet-biggan256half   true  64 16 128 1e-4 4e-4 1 none        false 37240580 44445890
imagenetlt-biggan128     true  64 64 2   1e-4 1e-4 2 translation true 31978628 39448258
imagenetlt-biggan256     true  64 16 8   1e-4 1e-4 2 translation true 37240580 44445890
imagenetlt-biggan64      true  64 128 1  1e-5 1e-3 1 translation true 31969540 20571842
imagenetlt-cc_icgan128   true  64 64 2   1e-4 1e-4 2 translation true 38073988 39985346
imagenetlt-cc_icgan256   true  64 16 8   1e-4 1e-4 2 translation true 44384516 44982978
imagenetlt-cc_icgan64    true  64 128 1  1e-5 1e-3 1 translation true 37868292 21108930
imagenet-icgan128        false 96 64 32  4e-5 1e-4 1 none        true 77160132 89593634
imagenet-icgan256        false 96 16 128 4e-5 1e-4 1 none        true 90014340 100837154
imagenet-icgan256half    false 64 16 128 1e-4 1e-4 2 none        true 42860804 45520066
imagenet-icgan64         false 64 256 1  1e-4 1e-4 1 none        true 36655876 21646018
imagenet-cc_icgan128     true  96 64 32  4e-5 1e-4 1 none        true 79052484 88788002
imagenet-cc_icgan256     true  96 16 128 4e-5 1e-4 1 none        true 92299908 100031522
imagenet-cc_icgan256half true  64 16 128 1e-4 1e-4 2 none        true 44384516 44982978
imagenet-cc_icgan64      true  64 256 1  1e-4 1e-4 1 none        true 37868292 21108930
END

# value NAME: of an option in force, as the dry run printed it.
value()
{
	sed -n "s/^ic-train: $1 = //p" said
}

# published NAME CLASS CH ...: a dry run of the preset has the options and networks of its row.
published()
{
	local side on most drawn
	side=$(echo "$1" | grep -oE '(64|128|256)')
	on="i$side.mdb f$side.mdb n$side.mdb"
	case $1 in *biggan*) on="i$side.mdb" ;; esac
	drawn=1
	case $1 in imagenet-biggan*) drawn=0 ;; esac
	ic-train --preset "$1" --dry-run -v --json $on >line 2>said || { cat said >&2; return 1; }
	echo "$1 $(value class) $(value ch) $(value batch) $(value accumulate) $(value lr-g) $(value lr-d) \
$(value d-steps) $(value diffaug) $(value flip) $(value ema) $(value ema-start) $(value class-temperature)" |
		awk '{ $6 += 0; $7 += 0 } 1' >got
	echo "${@:1:10} 0.9999 20000 $drawn" | awk '{ $6 += 0; $7 += 0 } 1' >want
	cmp got want >&2 || { cat got want >&2; return 1; }
	awk -v name="$1" -v class="$2" -v g="${11}" -v d="${12}" -F '[:,]' '{
		for (i = 1; i < NF; i++) if ($i ~ /"(gener|discrimin)ator"/) n[$i] = $(i + 1) }
		END { exit n["\"generator\""] + (class == "true" ? 0 : 999 * 128) != g ||
			n["\"discriminator\""] + (name ~ /coco-biggan/ ? 999 * 768 : 0) != d }' line ||
		{ cat line >&2; return 1; }
	most=$(sed -n 's/.* \([0-9]*\) MiB at most.*/\1/p' said)
	[ "$most" -lt 1024 ] || { echo "$most MiB" >&2; return 1; }
}
while read -r row; do ok "${row%% *}" published $row; done <table

# StyleGAN2: name, images of a batch, rate, gamma of R1; trained values, of the unconditional ones by the layers they lack.
cat >styles <<'END'
coco-icgan128-stylegan2 32 2.5e-3 0.05 24260509 27294848
coco-icgan256-stylegan2 16 3e-3   0.5  24502754 27413568
coco-stylegan2-128      32 2.5e-3 0.05 22949277 23882369
coco-stylegan2-256      16 2e-3   0.2  23191522 24001089
END

style()
{
	local side on
	side=$(echo "$1" | grep -oE '(128|256)')
	on="i$side.mdb f$side.mdb n$side.mdb"
	case $1 in coco-style*) on="i$side.mdb" ;; esac
	ic-train --preset "$1" --dry-run -v --json $on >line 2>said || { cat said >&2; return 1; }
	echo "$1 $(value batch) $(value lr-g) $(value r1) $(value lr-d) $(value accumulate) $(value flip) $(value ema-start) \
$(value path) $(value path-every) $(value r1-every) $(value mixing) $(value channels)" | awk '{ $3 += 0; $5 += 0 } 1' >got
	echo "$1 $2 $3 $4 $3 2 true 0 2 4 16 0.9 16384 / side, at most 512" | awk '{ $3 += 0; $5 += 0 } 1' >want
	cmp got want >&2 || { cat got want >&2; return 1; }
	grep -q "\"generator\":$5,\"discriminator\":$6," line || { cat line >&2; return 1; }
}
while read -r row; do ok "${row%% *}" style $row; done <styles
check_same "there are no others" "ls $root/pipelines/presets | sort" \
	"awk '{ print \$1 \".conf\" }' table styles | sort"
check_same "what is given as well counts more" \
	"ic-train --preset imagenet-icgan64 --ch 8 -b 2 --dry-run -v i64.mdb f64.mdb n64.mdb 2>&1 | sed -n 's/.*: \(ch\|batch\|ema-start\) = /\1 /p'" \
	"printf 'ch 8\nbatch 2\nema-start 20000\n'"
cp i64.mdb read.mdb
fails_with "--log: found read.mdb, which is read" "a preset that would write over what is read" \
	eval 'echo "log = read.mdb" >./log.conf; ic-train -f read.mdb --preset ./log.conf --steps 1 -o x.st'
check_same "which stays" "cat read.mdb" "cat i64.mdb"
exits 2 "no such preset" ic-train i64.mdb --preset imagenet --dry-run
fails_with "--pictures: found i64.mdb, which is read" "a preset that writes over what is read" \
	eval 'echo "pictures = i64.mdb" >./over.conf; ic-train i64.mdb --preset ./over.conf --dry-run'
exits 2 "a preset with an unknown option" eval 'echo "chs = 3" >./odd.conf; ic-train i64.mdb --preset ./odd.conf --dry-run'
done_testing
