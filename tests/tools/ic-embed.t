# ic-embed: features of real pictures against PyTorch, the same from every source; refusals; interruption.
. tests/tap.sh
golden=$PWD/tests/golden/embed
corpus=$PWD/tests/fuzz/corpus/weights
weights=$PWD/pipelines/weights/efficientnet-lite0.safetensors
cd "$TMP" || exit 1

# near GOT WANT: two npy files of rows of 1280 floats, equal within 1e-4 (relative L2, row by row).
near()
{
	od -An -v -t f4 -w5120 -j128 "$1" >got.txt
	od -An -v -t f4 -w5120 -j128 "$2" >want.txt
	paste -d ' ' got.txt want.txt | awk '{
		d = w = 0
		for (i = 1; i <= 1280; i++) { d += ($i - $(i + 1280)) ^ 2; w += $(i + 1280) ^ 2 }
		if (NF != 2560 || !(w > 0) || sqrt(d / w) > 1e-4) { print "row", NR, "is off by", sqrt(d / w) >"/dev/stderr"; bad = 1 }
	} END { exit bad || !NR }'
}

id()
{
	ic-store ls "$1" | awk 'END { print $6 }'
}

ok "pictures to a store" ic-pack -q --size 64 -o a.mdb "$golden/64.ppm"
ok "features, and those of the mirrored pictures" ic-embed a.mdb -o f.mdb --flipped g.mdb
ok "exported" ic-store export f.mdb -o f.npy
ok "PyTorch gives the same on photographs" near f.npy "$golden/64-lite.npy"
ok "exported" ic-store export g.mdb -o g.npy
ok "and when they are mirrored" near g.npy "$golden/64-flipped.npy"
ok "with the statistics of ImageNet" ic-embed --protocol icgan a.mdb -o h.mdb
ok "exported" ic-store export h.mdb -o h.npy
ok "PyTorch gives the same" near h.npy "$golden/64-icgan.npy"
ok "the features know their pictures" test "$(ic-store ls f.mdb | awk 'END { print $7, $8 }')" = "$(id a.mdb) $(id a.mdb)"
ok "and how they were made" sh -c 'ic-store ls f.mdb | grep -q "net=efficientnet-lite0;weights=[0-9a-f]*;protocol=lite;side=64"'
ok "so do the mirrored" sh -c 'ic-store ls g.mdb | grep -q "mirrored=yes"'

# Another spelling of each source, and of the threads, gives the same rows.
told="grep -vE '^#meta.(crop|filter|alpha|orient)='"
check_same "a PAM stream of the store, but for what ic-pack did" "ic-embed a.mdb | ic-store dump - | $told" \
	"ic-store pam a.mdb | ic-embed | ic-store dump -"
check_same "a pipe with a name" "ic-store pam a.mdb | ic-embed" "bash -c 'ic-embed <(ic-store pam a.mdb)'"
check_same "a row stream of the store" "ic-store dump f.mdb | grep -v '^#'" "ic-store cat a.mdb | ic-embed - | ic-store dump - | grep -v '^#'"
check_same "plain PPM" "ic-store dump f.mdb | grep -v '^#'" "ic-embed $golden/64.ppm | ic-store dump - | grep -v '^#'"
check_same "one thread and three" "ic-embed -t 1 a.mdb" "ic-embed -t 3 a.mdb"
ok "one thread, to a store" ic-embed -t 1 a.mdb -o f1.mdb
ok "the store is the same, byte for byte" cmp f.mdb f1.mdb
check_same "weights by name" "ic-embed a.mdb" "ic-embed --weights $weights a.mdb"
check_same "weights by folder" "ic-embed a.mdb" "IC_WEIGHTS=${weights%/*} ic-embed a.mdb"

# All pictures of a batch in one program.
ok "by the definition, in batches" ic-embed -d ref -b 4 a.mdb -o r.mdb --flipped rm.mdb
ok "exported" eval 'ic-store export r.mdb -o r.npy && ic-store export rm.mdb -o rm.npy'
ok "PyTorch gives the same" eval 'near r.npy "$golden/64-lite.npy" && near rm.npy "$golden/64-flipped.npy"'
ok "the rows say where they were made" eval 'ic-store ls r.mdb | grep -q "device=ref"'
check_same "a batch of one, and the rest of another" "ic-embed -d ref -b 1 a.mdb --rows 5:6 | ic-store dump - | grep -v '^#'" \
	"ic-store dump r.mdb | grep -v '^#' | tail -n 1"
check_same "classes" "ic-embed --classify -d ref -b 1 a.mdb --rows :1 | cut -f 1-3" "ic-embed --classify a.mdb --rows :1 | cut -f 1-3"
ok "told how long the network waited" eval 'ic-embed -v -d ref -b 1 a.mdb --rows :1 2>&1 >/dev/null | grep -q "% of the network.s time"'

# Shards of a store.
ok "a shard, and its mirror images" ic-embed a.mdb --rows :2 -o s1.mdb --flipped m1.mdb
cp m1.mdb once.mdb && mv m1.mdb m1.mdb.part
ok "killed between them, it is ended by the same command" ic-embed a.mdb --rows :2 -o s1.mdb --flipped m1.mdb
ok "with the same bytes" cmp m1.mdb once.mdb
ok "another" ic-embed a.mdb --rows 2:5 -o s2.mdb
ok "the rest" ic-embed a.mdb --rows 5: -o s3.mdb
fails_with "s3.mdb: found rows 5:6, expected 2: as the next ones" "a shard that was forgotten is missed" \
	ic-store cat s1.mdb s3.mdb -o gap.mdb
ok "nothing is left of it" eval '[ ! -e gap.mdb ]'
ok "the rest of the mirror images" ic-embed a.mdb --rows 2:6 -o rest.mdb --flipped m2.mdb
ok "joined" ic-store cat s1.mdb s2.mdb s3.mdb -o joined.mdb
ok "the store is that of one run, byte for byte" cmp f.mdb joined.mdb
ok "joined" ic-store cat m1.mdb m2.mdb -o joined-m.mdb
ok "so are the mirrored" cmp g.mdb joined-m.mdb
for r in 2:2 4:3 0:7 -1:2 x:2 2:x 3; do
	fails_with "--rows: found '$r', expected A:B within 0:6" "rows $r" ic-embed a.mdb --rows=$r -o x.mdb
done
fails_with "64.ppm: found a stream" "rows of a stream of pictures" ic-embed "$golden/64.ppm" --rows :2 -o x.mdb
fails_with "found a stream" "rows of a row stream" sh -c 'ic-store cat a.mdb | ic-embed --rows :2 -o x.mdb'

# Keys, labels and lineage in comments.
printf 'P7\n# ic key=70 label=3 at=0 of=2 from=00000000000000aa root=00000000000000bb\nWIDTH 2\nHEIGHT 2\nDEPTH 3\nMAXVAL 255\n' >two.pam
printf 'TUPLTYPE RGB\nENDHDR\nabcdefghijkl' >>two.pam
cp two.pam one.pam
sed 's/key=70 label=3 at=0/key=90 label=5 at=1/' one.pam >>two.pam
ok "a labelled stream" ic-embed two.pam -o two.mdb
ok "keys and labels are kept" test "$(ic-store dump two.mdb | grep -v '^#' | cut -f 1,2 | tr '\t\n' '  ')" = "70 3 90 5 "
ok "and where they come from" test "$(ic-store ls two.mdb | awk 'END { print $7, $8 }')" = "00000000000000aa 00000000000000bb"
fails_with "picture 0 names no instance" "keys of instances that are not named" ic-embed --by-instance two.pam
fails_with "a.mdb: found a store" "keys of instances of a store" ic-embed --by-instance a.mdb
sed 's/^# ic/& instance=7/' two.pam >made.pam
check_same "keys of instances" "ic-embed --by-instance made.pam | ic-store dump - | grep -v '^#' | cut -f 1,2 | tr '\t\n' '  '" \
	"printf '7 3 7 5 '"
check_same "count in their image store, else in what generated the pictures" \
	"for by in --by-instance -q; do ic-embed \$by made.pam | ic-store ls - | awk 'END { print \$7, \$8 }'; done" \
	"echo 00000000000000aa 00000000000000bb; echo 00000000000000aa 00000000000000aa"
handling() { ic-store dump "$1" | grep -E '^#meta.(crop|filter|alpha|orient)='; }
check_same "what ic-pack did is told" "handling f.mdb" "handling a.mdb"
fails_with "ends" "a stream with fewer pictures than announced" ic-embed one.pam -o one.mdb
ok "nothing is left of it" test ! -e one.mdb
sed 's/from=00000000000000aa/from=00000000000000ac/' one.pam | cat one.pam - | sed 's/at=. of=2/at=0 of=1/' >mixed.pam
fails_with "comes from another place" "pictures of two places" ic-embed mixed.pam -o mixed.mdb

# Classes: photographs of 64 pixels are enough; a probability is that of a softmax.
ok "classes of photographs" sh -c 'ic-embed --classify a.mdb >classes.tsv'
ok "a cat and a coffee among them" sh -c 'grep -q "Egyptian cat" classes.tsv && grep -q "espresso" classes.tsv'
check_same "the fields" "head -n 1 classes.tsv" "printf '#key\trank\tclass\tprobability\tname\n'"
ok "five of each, the likeliest first" awk -F '\t' '!/^#/ { n++; good += $2 == (n - 1) % 5 + 1 && ($2 == 1 || $4 <= p); p = $4 }
	END { exit !(n == 30 && good == 30) }' classes.tsv
ok "scores of classes" ic-embed --layer logits a.mdb -o scores.mdb
ok "a thousand, and said to be scores" sh -c 'ic-store ls scores.mdb | grep -q "layer=logits" && ic-store dump scores.mdb |
	awk "!/^#/ { bad += NF != 1001 } END { exit bad }"'
check_same "the class is that of the largest score" "awk -F '\t' '\$2 == 1 { print \$3 }' classes.tsv" \
	"ic-store dump scores.mdb | awk '!/^#/ { m = 2; for (i = 3; i <= NF; i++) if (\$i > \$m) m = i; print m - 2 }'"
check_same "the largest key is no number below zero" \
	"ic-store pam a.mdb | LC_ALL=C sed 's/ key=0 / key=18446744073709551615 /' | ic-embed --classify - | cut -f 1 | sed -n 2p" \
	"echo 18446744073709551615"
exits 2 "--classify with --output" ic-embed --classify a.mdb -o x.mdb
exits 2 "--classify with --layer" ic-embed --classify --layer logits a.mdb
ok "pictures of any size and shape" sh -c "cat '$golden/32.ppm' '$golden/64.ppm' >all.ppm; printf 'P6\n3 2\n255\nabcdefghijklmnopqr' >>all.ppm
	ic-embed --protocol torchvision all.ppm -o all.mdb"
check_same "one row each" "ic-store dump all.mdb | grep -vc '^#'" "echo 10"
printf 'P6\n40000 1\n255\n%0120000d' 0 >narrow.ppm
fails_with "picture 0: a picture of 40000x1 is too narrow" "a picture that cropping would make too large" \
	ic-embed --protocol torchvision narrow.ppm -o x.mdb
check_same "what of the file was left out, when asked for" "ic-embed -v a.mdb 2>&1 >/dev/null | grep 'left out' | cut -d ' ' -f 2-" \
	"printf 'efficientnet-lite0: left out: _fc.weight\nefficientnet-lite0: left out: _fc.bias\n'"

# Refusals.
fails_with "nothing.mdb" "no such file" ic-embed nothing.mdb -o x.mdb
fails_with "exists" "an existing output" ic-embed a.mdb -o f.mdb
fails_with "a.mdb, which is read" "mirrored features over the pictures" ic-embed a.mdb -o g.mdb --flipped a.mdb -f
ok "replaced by force" ic-embed -f a.mdb -o f.mdb
echo "no pictures here" >text
fails_with "text" "a text file" ic-embed text -o x.mdb
: >empty
fails_with "empty" "an empty file" ic-embed empty -o x.mdb
fails_with "folder" "a folder" ic-embed . -o x.mdb
fails_with "features" "features are no pictures" ic-embed f.mdb -o x.mdb
printf 'P6\n3 2\n255\nabcdefghijklmnopqr' >wide.ppm
fails_with "3x2" "a picture that is not square" ic-embed wide.ppm -o x.mdb
(cat "$golden/32.ppm" "$golden/64.ppm") >sizes.ppm
fails_with "picture 3: found 64x64" "pictures of two sizes" ic-embed sizes.ppm -o x.mdb
exits 2 "an unknown net" ic-embed --net lenet a.mdb -o x.mdb
exits 2 "an unknown option" ic-embed --fast a.mdb
exits 2 "two sources" ic-embed a.mdb a.mdb -o x.mdb
exits 2 "--flipped without --output" ic-embed a.mdb --flipped y.mdb
exits 2 "--flipped over --output" ic-embed a.mdb -o y.mdb --flipped y.mdb
fails_with "found a picture file, expected pictures as ic-pack makes them" "a picture that was not packed" \
	ic-embed "${golden%/*}/images/j_420_q95.jpg" -o x.mdb
fails_with "give its path (-w FILE; pipelines/fetch.mk knows" "weights that do not come along" ic-embed -n resnet50 a.mdb -o x.mdb
check_same "an empty IC_WEIGHTS says nothing" "IC_WEIGHTS= ic-embed a.mdb" "ic-embed a.mdb"
fails_with "--flipped: found x.mdb.part, which --output makes in between" "an output on the way of another" \
	ic-embed a.mdb -o x.mdb --flipped x.mdb.part
fails_with "nowhere/efficientnet-lite0.safetensors" "no weights where IC_WEIGHTS says" env IC_WEIGHTS=nowhere ic-embed a.mdb -o x.mdb
fails_with "visual.conv1.weight: found [2,3,2,2], expected [768,3,32,32]" "a small archive of CLIP as weights" \
	ic-embed -n clip-vitb32 -w "$corpus/script_clip.pt" a.mdb -o x.mdb
head -c 1000000 "$weights" >cut.safetensors
fails_with "cut.safetensors" "weights cut short" ic-embed -w cut.safetensors a.mdb -o x.mdb
fails_with "_conv_stem.weight is missing" "features as weights" sh -c 'ic-store export f.mdb -o w.safetensors && ic-embed -w w.safetensors a.mdb -o x.mdb'
exits 1 "a full disk" ic-embed a.mdb -o /dev/full
ok "no output was left by any of these" test ! -e x.mdb -a ! -e x.mdb.part

# Cut anywhere, a stream of pictures never passes for a whole one.
ic-store cat a.mdb | head -c 30000 >whole
bad=0
for n in 1 40 63 64 200 12500 29999; do
	head -c $n whole >part
	ic-embed part -o x.mdb 2>/dev/null && bad=1
done
ok "a cut row stream is never accepted" test $bad = 0 -a ! -e x.mdb

# Stopped after its first commit (408 rows), waiting for more of a pipe that stays open; then run again and killed, at
# whatever it is doing then: reading what is there, computing, writing the last rows, sealing.
for i in $(seq 75); do cat "$golden/64.ppm"; done >many.ppm
ok "450 pictures" ic-embed many.ppm -o whole.mdb
mkfifo pipe
sleep 900 >pipe &
open=$!
head -c "$(($(stat -c %s many.ppm) - 5000))" many.ppm >pipe &
ic-embed -q pipe -o many.mdb 2>said &
embed=$!
for i in $(seq 6000); do
	[ "$(stat -c %s many.mdb.part 2>/dev/null || echo 0)" -gt 1000000 ] && break
	sleep 0.1
done
ok "while it runs it has its name" test "$(cat /proc/$embed/comm)" = ic-embed
kill -TERM $embed
wait $embed
ok "stopped, to be run again" test $? = 75
kill $open
ok "the output is not there yet" test ! -e many.mdb -a -e many.mdb.part
cp many.ppm other.ppm
head -c 6000 /dev/zero | dd of=other.ppm bs=1 seek=1000 conv=notrunc 2>/dev/null
fails_with "many.mdb.part: left by a command on other rows" "not with another first picture" ic-embed other.ppm -o many.mdb
fails_with "many.mdb.part: left by a command on other rows" "nor with fewer" ic-embed "$golden/64.ppm" -o many.mdb
kills=0
for ms in 10 20 30 40 50 60 70 80 100 120 140 160 180 200 250 300 350 400; do
	[ -e many.mdb ] && break
	timeout -s KILL "0.$(printf %03d $ms)" ic-embed many.ppm -o many.mdb 2>/dev/null
	[ $? -eq 137 ] && kills=$((kills + 1))
done
ok "killed, $kills times" test $kills -gt 3
ok "run again" eval '[ -e many.mdb ] || ic-embed many.ppm -o many.mdb'
ok "the store is that of one run, byte for byte" cmp whole.mdb many.mdb
ok "the rows are those of the six pictures" eval 'ic-store dump f.mdb | grep -v "^#" | cut -f 2- >six.txt
	for i in $(seq 75); do cat six.txt; done >rows.txt; ic-store dump many.mdb | grep -v "^#" | cut -f 2- | cmp - rows.txt'
done_testing
