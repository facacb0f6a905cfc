# ic-grid: layout, defaults, and streams that do not fit together.

. tests/tap.sh

top=$PWD
cd "$TMP" || exit 1
# picture GREY SIDE [COMMENT]: one PAM picture of one colour.
picture()
{
	printf 'P7\n%sWIDTH %d\nHEIGHT %d\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n' "${3:+# ic $3
}" $2 $2
	head -c $(($2 * $2 * 3)) /dev/zero | tr '\0' "\\$(printf %o $1)"
}
for grey in 10 20 30; do picture $grey 4; done >three.pam
for grey in 40 50 60 70 80 90; do picture $grey 4; done >six.pam
for grey in 1 2; do picture $grey 4 "label=$grey"; done >labelled.pam
{ picture 100 4; picture 200 8; } >mixed.pam

# side FIELD: a number ic-grid reports.  at X Y SHEET: the first level of a pixel.
size() { ic-grid -f -o size.png "$@" | tail -n 1 | cut -f2,4,5 | tr '\t' ' '; }
is_size() { local want=$1; shift; [ "$(size "$@")" = "$want" ]; }
at() { ic-pack --squash --size "$4" "$3" | ic-store dump - | grep -v '^#' | cut -f$((2 + ($2 * $4 + $1) * 3)); }
is_at() { [ "$(at "$2" "$3" "$4" "$5")" = "$1" ]; }

ok "a sheet is written" ic-grid six.pam -o six.png
ok "square: 3 columns and 2 rows of 64 pixels" is_size "2 200 134" six.pam
ok "columns" is_size "1 398 68" --columns 6 six.pam
ok "columns of one stream" is_size "3 134 200" six.pam:2
ok "rows" is_size "2 134 134" --rows 2 six.pam:2
ok "rows alone set the columns" is_size "1 398 68" --rows 1 six.pam
ok "scale and gap" is_size "2 12 8" --scale 1 --gap 0 six.pam
ok "a last row that is not full" is_size "2 266 134" six.pam:4
check_same "standard input" "ic-grid <six.pam" "ic-grid six.pam"
check_same "columns said twice" "ic-grid --columns 2 six.pam" "ic-grid six.pam:2"

# Streams side by side: 1 + 2 columns of 4 pixels, gap 0, one rule between: 4 + 1 + 8.
ok "two streams" is_size "3 13 12" --scale 1 --gap 0 three.pam six.pam:2
ok "a sheet to look into" ic-grid --scale 1 --gap 0 three.pam six.pam:2 --rows 3 -o two.png
ok "an even smaller one" ic-grid --scale 1 --gap 0 six.pam:2 --rows 2 -o square.png
ok "first picture first" is_at 40 0 0 square.png 8
ok "then its neighbour" is_at 50 7 0 square.png 8
ok "then the next row" is_at 60 3 7 square.png 8
ok "small pictures are enlarged to the largest" is_size "1 16 8" --scale 1 --gap 0 --columns 2 mixed.pam
ok "by nearest neighbour" ic-grid --scale 1 --gap 0 --columns 1 mixed.pam -o column.png
ok "so that they keep their colour" is_at 100 7 7 column.png 16
ok "titles take a line above" is_size "3 141 210" --titles dark,bright three.pam six.pam:1 --rows 3
ok "labels take a line below" is_size "1 134 77" --columns 2 --labels labelled.pam
ok "a picture of a letter" ic-grid --gap 0 --scale 8 --titles i three.pam:1 --rows 1 -o title.png
ok "has black pixels" sh -c 'ic-pack --squash --size 64 title.png | ic-store dump - | grep -q "	0	0	0	"'

fails_with "found 6 rows of 1, expected 3 rows as in three.pam" "rows that differ" ic-grid three.pam six.pam -o x.png
fails_with "found 3 pictures, expected a multiple of 2" "a group cut in two" ic-grid six.pam three.pam:2 -o x.png
: >none.pam
fails_with "none.pam" "an empty stream" ic-grid none.pam -o x.png
head -c 500 six.pam >cut.pam
fails_with "cut.pam" "a stream cut short" ic-grid cut.pam -o x.png
fails_with "absent.pam: No such file" "a file that is not there" ic-grid absent.pam -o x.png
fails_with "picture 0 has no label" "labels that are not there" ic-grid --labels three.pam -o x.png
fails_with "more titles than streams (1)" "too many titles" ic-grid --titles a,b three.pam -o x.png
fails_with "title 'closest training image' needs" "a title too long" \
	ic-grid --titles 'closest training image' three.pam:1 -o x.png
fails_with "six.png: exists" "an existing sheet is kept" ic-grid six.pam -o six.png
fails_with "expected at most" "a sheet too large" ic-grid --scale 64 --gap 256 --columns 10000 three.pam -o x.png
exits 2 "no columns" ic-grid six.pam:0 -o x.png
exits 2 "standard input twice" ic-grid - - -o x.png
exits 2 "an unknown option" ic-grid --frobnicate
exits 1 "a full device" ic-grid six.pam -o /dev/full
fails_with "ic-grid: standard output: " "a full standard output" sh -c 'exec ic-grid six.pam >/dev/full'
ok "failures leave nothing behind" sh -c '! ls | grep -q "^x.png"'
fails_with ".: found a folder, expected a PAM stream" "a folder" ic-grid . -o x.png
fails_with "standard input: found no pictures" "an empty stream" ic-grid -o x.png
done_testing
