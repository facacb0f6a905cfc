# ic-pack: every kind of source, bad pictures, interruption, threads.

. tests/tap.sh

top=$PWD
golden=$top/tests/golden/images
cd "$TMP" || exit 1
mkdir -p pictures/bags pictures/shoes/high pictures/.hidden flat empty
cp "$golden"/p_rgb*.png pictures/bags
cp "$golden"/j_42*.jpg pictures/shoes
cp "$golden"/n_p6.ppm pictures/shoes/high
cp "$golden"/p_pillow.png pictures/.hidden
cp "$golden"/p_pillow.png "$golden"/j_gray.jpg flat
echo "not a picture" >pictures/README

contents() { ic-store dump "$1" | grep -v '^#'; }          # keys, labels, pixels
same() { test "$(contents "$1")" = "$(contents "$2")"; }
has_labels() { test "$(contents "$1" | cut -f2 | tr '\n' ' ')" = "$2"; }
packs() { ok "$@"; cp .err said; }                         # as ok, and keeps what was said for:
says() { grep -qF -- "$1" said; }

# Sources

mkdir loop
cp "$golden"/p_pillow.png loop
ln -s .. loop/up
ln -s ../loop flat/loop
fails_with "flat/loop/up/flat: found a link back to flat" "a folder that a link leads back to" ic-pack flat -o loop.mdb
fails_with "loop/up/loop: found a link back to loop/" "or that is named with a slash" ic-pack loop/ -o loop.mdb
rm -r loop flat/loop

packs "a folder" ic-pack pictures -o tree.mdb --size 16
ok "the count is announced" says "15 pictures, 0.0 MB at 16 x 16"
ok "classes are sub-folders in byte order, nested folders belong to the first" \
	has_labels tree.mdb "0 0 0 0 0 0 0 0 0 1 1 1 1 1 1 "
fails_with "exists (-f overwrites)" "an existing store is kept" ic-pack pictures -o tree.mdb --size 16
fails_with "exists (-f overwrites)" "before a pipe is read" \
	bash -c 'exec ic-pack - -o tree.mdb --size 16 < <(sleep 5)'
ok "and overwritten with -f" ic-pack pictures -f -o tree.mdb --size 16
packs "pictures directly in the folder: no labels" ic-pack flat -o flat.mdb --size 16
ok "nothing is said of folders where there are none" sh -c '! grep -q sub-folder said'
ok "nor of names of classes, which it keeps" sh -c '! grep -q names said && ic-store ls tree.mdb | grep -q classes='
for i in $(seq 100 299); do mkdir -p "many/class-of-$i" && ln -s ../../flat/j_gray.jpg "many/class-of-$i/1.jpg"; done
packs "two hundred classes" ic-pack many -o many.mdb --size 16
ok "names that it does not keep" says "the store keeps numbers of classes, not their names"
mkdir mixed
cp -r pictures/bags mixed
cp flat/j_gray.jpg mixed
packs "a picture beside the sub-folders" ic-pack mixed -o mixed.mdb --size 16
ok "takes their labels, with a warning" says "mixed: pictures lie beside its sub-folders, which are no classes then: no labels"
ok "indeed none" sh -c "ic-store dump flat.mdb | grep -q '^#key	values'"
ok "one picture" ic-pack flat/j_gray.jpg -o one.mdb --size 16
printf "%s\n" pictures/bags/* pictures/shoes/*.jpg pictures/shoes/high/* | sed '1,9s/$/	0/; 10,$s/$/	1/' >list.txt
ok "a list with labels" ic-pack --list list.txt -o list.mdb --size 16
ok "holds what the folder holds" same tree.mdb list.mdb
check_same "a list on standard input" "ic-pack --size 16 - <list.txt | contents -" "contents list.mdb"
check_same "a list through a pipe" "cat list.txt | ic-pack --size 16 - | contents -" "contents list.mdb"
check_same "another spelling of the folder" "ic-pack --size 16 pictures/ | ic-store dump -" \
	"ic-pack --size 16 $TMP/pictures | ic-store dump -"

check_same "pictures as they are, packed later" "ic-pack --size 0 pictures | ic-pack --size 16 - | contents -" \
	"contents tree.mdb"
exits 2 "as they are, not to a store" ic-pack --size 0 pictures -o x.mdb
exits 2 "as they are, not squashed" ic-pack --size 0 --squash pictures
fails_with "ends" "a stream of a known number cut between two pictures" sh -c 'ic-pack --size 0 --strict flat |
	head -c "$(ic-pack --size 0 --strict flat/j_gray.jpg | wc -c)" | ic-pack --size 16 -o x.mdb -'

tar cf folders.tar --exclude=.hidden --sort=name pictures
tar cf inner.tar --exclude=.hidden --sort=name -C pictures .
tar cf pax.tar --format=pax --exclude=.hidden --sort=name pictures
ok "a tar of folders" ic-pack folders.tar -o tar.mdb --size 16
ok "has the classes of the folder" has_labels tar.mdb "0 0 0 0 0 0 0 0 0 1 1 1 1 1 1 "
check_same "with and without the folder around" "ic-pack --size 16 folders.tar | contents -" \
	"ic-pack --size 16 inner.tar | contents -"
# A file on standard input of which a part has been read is what is left of it.
(echo a line && cat inner.tar) >behind.tar
check_same "a tar behind a line on standard input" "{ read -r; ic-pack --size 16 -; } <behind.tar | contents -" \
	"ic-pack --size 16 inner.tar | contents -"
check_same "a PAX tar through a pipe" "cat pax.tar | ic-pack --size 16 - | contents -" \
	"ic-pack --size 16 folders.tar | contents -"
mkdir samples
long=a-name-longer-than-a-tar-header-holds-$(printf %090d 1)
for i in 1 2 3; do
	cp "$golden/p_pillow.png" samples/$i.png
	echo "$((i * 7))" >samples/$i.cls
	echo '{}' >samples/$i.json
done
cp samples/1.png "samples/$long.png"
echo 5 >"samples/$long.cls"
tar cf samples.tar --format=gnu --sort=name -C samples .
ok "a WebDataset tar" ic-pack samples.tar -o samples.mdb --size 16
ok "takes labels from .cls" has_labels samples.mdb "7 14 21 5 "
rm samples/2.cls
tar cf short.tar --sort=name -C samples .
fails_with "labels of 3 pictures, expected 4" "a sample without label" ic-pack short.tar -o x.mdb

# Four grey pictures of 2 x 3 and four labels.
printf '\0\0\10\3\0\0\0\4\0\0\0\2\0\0\0\3abcdefghijklmnopqrstuvwx' >grey.idx
printf '\0\0\10\1\0\0\0\4\3\1\2\0' >grey.lab
gzip -nk grey.idx
ok "IDX pictures" ic-pack grey.idx --labels grey.lab -o idx.mdb --size 2 --squash
ok "have their labels" has_labels idx.mdb "3 1 2 0 "
check_same "gzipped they are the same" "ic-pack --size 2 grey.idx | contents -" \
	"cat grey.idx.gz | ic-pack --size 2 - | contents -"
printf '\0\0\10\1\0\0\0\3\3\1\2' >three.lab
fails_with "found 3 labels, expected 4" "too few labels" ic-pack grey.idx --labels three.lab -o x.mdb
fails_with "found no IDX file" "labels without IDX" ic-pack flat/j_gray.jpg --labels grey.lab -o x.mdb
exits 2 "labels for two sources" ic-pack grey.idx grey.idx --labels grey.lab -o x.mdb

ic-store pam tree.mdb >tree.pam
check_same "a PAM stream gives the store back" "cat tree.pam | ic-pack --size 16 - | contents -" \
	"contents tree.mdb"
head -c 3000 tree.pam >cut.pam
fails_with "cut.pam" "a PAM stream that ends early" ic-pack cut.pam -o x.mdb
fails_with "flat: found no labels, the sources before it have classes" "sources must agree on labels" \
	ic-pack pictures flat -o x.mdb

exits 2 "standard input twice" sh -c 'ic-pack - - -o x.mdb <folders.tar'
exits 2 "a list on it, and a source" sh -c 'ic-pack --list - - -o x.mdb <list.txt'
gzip -nk folders.tar
fails_with "gzip -dc unpacks other files first" "a gzipped tar" ic-pack folders.tar.gz -o x.mdb
# 16 bits, 0x0100 and 0xffff: no stream, but a picture.
printf 'P5\n2 1\n65535\n\1\0\377\377' >deep.pgm
check_same "a 16-bit PGM by itself" "ic-pack deep.pgm --size 2 --squash | contents - | cut -f 2-7" \
	"printf '1\t1\t1\t255\t255\t255\n'"

# A font of outlines and one picture: table directory, then a CBDT table that holds a PNG between other bytes.
{
	printf '\0\1\0\0\0\1\0\0\0\0\0\0CBDT\0\0\0\0\0\0\0\34\0\0\377\0\0\3\0\0'
	cat "$golden/p_rgba8.png"
	head -c 65536 /dev/zero
} | head -c 65308 >one.ttf
ok "a font of colour bitmaps" ic-pack one.ttf -o font.mdb --size 8
ok "the same picture on white" ic-pack "$golden/p_rgba8.png" --alpha 255 -o white.mdb --size 8
ok "is what the font gave" same font.mdb white.mdb
printf '\0\1\0\0\0\1\0\0\0\0\0\0glyf\0\0\0\0\0\0\0\34\0\0\0\1' >outline.ttf
fails_with "expected one of colour bitmaps" "a font without pictures" ic-pack outline.ttf -o x.mdb

# Pixels and choice

ok "the whole picture, not its middle" ic-pack flat --squash -o squash.mdb --size 16
exits 1 "gives other pixels" same flat.mdb squash.mdb
ok "a picture as stored" ic-pack "$golden/j_exif6.jpg" --squash --size 16 -o stored.mdb
ok "and as its EXIF orientation says" ic-pack "$golden/j_exif6.jpg" --squash --size 16 --orient -o turned.mdb
exits 1 "are different" same stored.mdb turned.mdb
ok "-n takes an even spread" ic-pack grey.idx --labels grey.lab -n 2 -o two.mdb --size 2
ok "the first and the third of four" has_labels two.mdb "3 2 "

# Bad pictures

mkdir bad
cp "$golden"/j_bad_trunc60.jpg "$golden"/p_bad_zlib.png "$golden"/p_rgb8.png bad
echo hello >bad/text.jpg
mkfifo bad/pipe.png
: >bad/empty.png
cp "$golden/b_24.bmp" bad 2>/dev/null || printf 'BM\0\0\0\0' >bad/b_24.bmp
packs "bad pictures are skipped" timeout 60 ic-pack bad -o bad.mdb --size 16
ok "and named" says "skipped: bad/text.jpg: found text, expected JPEG, PNG or PNM"
ok "and named" says "skipped: bad/b_24.bmp: found BMP, expected JPEG, PNG or PNM"
ok "and named" says "skipped: bad/j_bad_trunc60.jpg: damaged JPEG: Premature end"
ok "and named" says "skipped: bad/empty.png: found an empty file"
ok "and named" says "skipped: bad/pipe.png: found no regular file"
ok "and counted" says "6 of 7 pictures skipped"
# A folder whose name, with those above it, is longer than the system takes.
deep=$(printf '%0250d' 0)
(
	mkdir deep && cp "$golden/p_rgb8.png" deep && cd deep
	for i in $(seq 16); do mkdir $deep && cd $deep || exit; done
	mkdir ${deep:150} && cp "$golden/p_rgb8.png" ${deep:150}
)
fails_with "/${deep:150}: File name too long" "no folder is left out" ic-pack deep -o deep.mdb --size 16
mkdir loop loop/a hidden
cp "$golden/p_rgb8.png" loop/a
ln -s ../../loop loop/a/again
fails_with "loop/a/again: found a link back to loop" "a loop of links" ic-pack loop -o x.mdb
rm loop/a/again
cp "$golden/p_rgb8.png" hidden/1.png
ln hidden/1.png hidden/2.png
ln -s 1.png hidden/3.png
tar cf hidden.tar --sort=name hidden
packs "a tar of links" ic-pack hidden.tar -o hidden.mdb --size 16
ok "names them" says "skipped: hidden.tar: hidden/3.png: found a link, expected a file"
ok "all" says "2 of 3 pictures skipped"
tar chf hidden.tar --hard-dereference --sort=name hidden
check_same "as the message says they are files" "ic-pack --size 16 hidden.tar | contents - | wc -l" "echo 3"
{ cat "$golden/n_p6.ppm" && echo && cat "$golden/n_p6.ppm"; } >loop/a/two.ppm
packs "a stream in a folder" ic-pack loop -o stream.mdb --size 16
ok "is not cut to its first picture" says "loop/a/two.ppm: found a second picture behind the first"
fails_with "bad/b_24.bmp" "with --strict the first one ends it" ic-pack bad --strict -o strict.mdb
printf '%s\n' flat/p_pillow.png bad/text.jpg >late.txt
fails_with "bad/text.jpg" "also after good ones" ic-pack --list late.txt --strict -o strict.mdb
ok "with nothing left" sh -c '! ls strict.mdb*'
rm bad/p_rgb8.png
fails_with "none of 6 pictures could be read" "nothing but bad pictures" ic-pack bad -o none.mdb
ok "leaves nothing behind" sh -c '! ls | grep -q none.mdb'
fails_with "empty: no pictures found, expected .jpg" "an empty folder" ic-pack empty -o x.mdb
fails_with "absent: No such file" "a source that is not there" ic-pack absent -o x.mdb
fails_with "font of colour bitmaps (names of pictures: --list)" "a text file" ic-pack pictures/README -o x.mdb
fails_with "tree.mdb: found a row store, expected a folder" "what it has made before" ic-pack tree.mdb -o x.mdb
fails_with "empty: found a folder" "a folder as output" ic-pack pictures -f -o empty
printf '%s\n' flat/p_pillow.png absent.png >missing.txt
packs "a list with a missing file" ic-pack --list missing.txt -o missing.mdb --size 16
ok "names it" says "skipped: absent.png: No such file or directory"
fails_with "absent.png: No such file" "or fails with --strict" ic-pack --strict --list missing.txt -o strict2.mdb
printf 'a.png\t1\nb.png\n' >mixed.txt
fails_with "mixed.txt:2: found a line without a label" "labels on some lines" ic-pack --list mixed.txt -o x.mdb
printf 'a.png\tcat\n' >word.txt
printf 'a.png\t4294967295\n' >large.txt
fails_with "expected a number below 4294967295" "a label too large" ic-pack --list large.txt -o x.mdb
fails_with "word.txt:1: found label 'cat', expected a number" "a word for a label" ic-pack --list word.txt -o x.mdb
exits 2 "an unknown option" ic-pack --frobnicate pictures
exits 1 "a full device" ic-pack pictures -o /dev/full
exits 1 "a full device as stdout" sh -c 'exec ic-pack pictures >/dev/full'

# never_zero NAME FILE STEP: no beginning of FILE packs as if it were whole.
never_zero()
{
	local size cut passed=0
	size=$(stat -c %s "$2")
	for ((cut = 0; cut < size; cut += $3)); do
		head -c $cut "$2" >cut.bin
		ic-pack -q cut.bin --size 2 >/dev/null 2>&1 && passed=$((passed + 1))
	done
	[ $passed -eq 0 ]
}
ok "IDX cut anywhere" never_zero idx grey.idx 3
ok "gzipped IDX cut anywhere" never_zero gz grey.idx.gz 3
tar cf small.tar -b 1 -C flat .
ok "a tar cut anywhere" never_zero tar small.tar 97

# Interruption: a store taken up again is the store made in one go.

for i in $(seq 60); do cat list.txt; done >many.txt
sed -i "300s/.*/late.png	1/; 500s/.*/absent.png	1/" many.txt
cp flat/p_pillow.png late.png
ok "in one go" ic-pack --list many.txt -o whole.mdb
mv late.png away.png
fails_with "late.png" "ended by a bad picture" ic-pack --list many.txt -o again.mdb --strict
ok "an unfinished store stays" test -f again.mdb.part
mv away.png late.png
first=$(head -n 1 many.txt | cut -f 1)
cp "$first" first
cp flat/p_pillow.png "$first"
fails_with "again.mdb.part: left by a command on other rows" "not with another first picture" ic-pack --list many.txt -o again.mdb
cp first "$first"
packs "is taken up" ic-pack --list many.txt -o again.mdb
ok "says so" says "packed already; going on"
ok "and is the same file" cmp whole.mdb again.mdb
ok "nothing else stays" sh -c '! ls | grep -q again.mdb.part'

# Skipped pictures before and after the interruption: absent.png is number 499, the last name fails at the end.
for i in 1 2 3 4 5 6 7 8; do cat many.txt; done >long.txt
ic-pack -q --list long.txt -o long.mdb >/dev/null 2>&1
interrupted()
{
	ic-pack -q --list long.txt -o killed.mdb >/dev/null 2>killed.err &
	local pid=$! i
	for ((i = 0; i < 400; i++)); do
		[ "$(stat -c %s killed.mdb.part 2>/dev/null || echo 0)" -gt 8000000 ] && break
		sleep 0.02
	done
	kill -TERM $pid
	wait $pid
	[ $? -eq 75 ] && [ -f killed.mdb.part ]
}
ok "SIGTERM ends with status 75" interrupted
packs "and what is there is taken up" ic-pack --list long.txt -o killed.mdb
ok "says so" says "packed already; going on"
ok "skipped pictures are counted over both runs" says "8 of 7200 pictures skipped"
ok "the same file" cmp long.mdb killed.mdb

check_same "one thread or two" "ic-pack -t 1 pictures --size 24" "ic-pack -t 2 pictures --size 24"

done_testing
