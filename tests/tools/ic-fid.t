# ic-fid: the distance from the command line; refusals.
. tests/tap.sh
cd "$TMP" || exit 1

# text ROWS WIDTH SEED SHIFT: feature rows as text.
text()
{
	awk -v n="$1" -v w="$2" -v seed="$3" -v shift="$4" 'BEGIN {
		srand(seed)
		printf "#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t%d\n#meta\tnet=a\n#meta\tprotocol=b\n#meta\tlayer=logits\n#key\tvalues\n", w
		for (i = 0; i < n; i++) {
			printf "%d", i
			for (j = 0; j < w; j++) printf "\t%.5f", (rand() - 0.5) * (j + 1) + shift
			printf "\n"
		}
		print "#end"
	}'
}

# field NAME COMMAND...: that field of the record.
field()
{
	local name=$1
	shift
	"$@" | awk -F '\t' -v name="$name" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name || $i == "#" name) at = i } END { print $at }'
}

near()
{
	awk -v a="$1" -v b="$2" -v tol="$3" 'BEGIN { if (a == "" || !((a - b) ^ 2 <= tol ^ 2)) { print "found " a ", expected " b >"/dev/stderr"; exit 1 } }'
}

# Diagonal covariances: the sum of (m1 - m2)^2 + (s1 - s2)^2 over the columns; two columns made so that they do not correlate.
square()
{
	printf '#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t2\n#meta\tnet=a\n#key\tvalues\n'
	printf '0\t%s\t%s\n1\t%s\t-%s\n2\t-%s\t%s\n3\t-%s\t-%s\n' "$1" "$2" "$1" "$2" "$1" "$2" "$1" "$2" |
		awk -F '\t' -v OFS='\t' -v m="$3" '{ $2 += m; print } END { print "#end" }'
}
square 3 1 0 | ic-store load - -o a.mdb 2>/dev/null
square 6 2 5 | ic-store load - -o b.mdb 2>/dev/null
# covariances diag(12, 4/3) and diag(48, 16/3): 25 + 12 (2 - 1)^2 + 4/3 (2 - 1)^2
ok "a distance by hand" near "$(field fd ic-fid a.mdb b.mdb)" 38.333333333333333 1e-12
ok "its terms" near "$(field mean_term ic-fid a.mdb b.mdb)" 25 1e-12
ok "counts" test "$(field n_real ic-fid a.mdb b.mdb)/$(field n_fake ic-fid a.mdb b.mdb)" = 4/4
ok "ranks" test "$(field rank_real ic-fid a.mdb b.mdb)/$(field rank_fake ic-fid a.mdb b.mdb)" = 2/2
ok "of a set to itself" near "$(field fd ic-fid a.mdb a.mdb)" 0 1e-12

text 900 7 1 0 | sed '4a#from\t00000000000000aa' >f.txt
text 1100 7 2 0.1 >g.txt
ok "features" ic-store load f.txt -o f.mdb
ok "other features" ic-store load g.txt -o g.mdb
ok "either way" near "$(field fd ic-fid f.mdb g.mdb)" "$(field fd ic-fid g.mdb f.mdb)" 1e-12
check_same "one thread and three" "ic-fid -t 1 f.mdb g.mdb" "ic-fid -t 3 f.mdb g.mdb"
check_same "streams are the same as stores" "ic-fid f.mdb g.mdb | cut -f 3-" "ic-store cat g.mdb | ic-fid f.mdb - | cut -f 3-"
check_same "a missing operand is standard input" "ic-store cat g.mdb | ic-fid f.mdb" "ic-store cat g.mdb | ic-fid f.mdb -"
check_same "the first one, too" "ic-fid f.mdb g.mdb | cut -f 3-" "ic-store cat f.mdb | ic-fid - g.mdb | cut -f 3-"
check_same "two streams" "ic-fid <(ic-store cat f.mdb) <(ic-store cat g.mdb) | cut -f 3-" "ic-fid f.mdb g.mdb | cut -f 3-"
check_same "the order of rows does not matter much" "ic-fid f.mdb g.mdb | cut -f 3 | cut -c 1-12" \
	"{ grep '^#[^e]' g.txt; grep -v '^#' g.txt | sort; echo '#end'; } | ic-store load | ic-fid f.mdb | cut -f 3 | cut -c 1-12"
sed 's/f32/f16/' f.txt | ic-store load - -o half.mdb 2>/dev/null
ok "half precision" near "$(field fd ic-fid f.mdb half.mdb)" 0 1e-4
ok "as JSON" sh -c 'ic-fid --json f.mdb g.mdb | grep -q "^{\"real\":\"f.mdb\",\"fake\":\"g.mdb\",\"fd\":[0-9.]*,\"n_real\":900,\"n_fake\":1100,.*,\"rank_fake\":7}$"'
head -n 14 f.txt | cat - <(echo '#end') | ic-store load - -o five.mdb 2>/dev/null
ok "fewer rows than columns" sh -c 'ic-fid f.mdb five.mdb 2>warned'
ok "with a warning" grep -q "five.mdb: 5 rows of 7" warned
ok "and the rank" test "$(field rank_fake ic-fid f.mdb five.mdb)" = 4

# Files of statistics: A against B of the reference values of tests/golden/make/stat.py, whatever way A is written.
npz=$OLDPWD/tests/fuzz/corpus/npz
for how in stored be fortran extra; do
	ok "statistics, $how" near "$(field fd ic-fid -q $npz/A_$how.npz $npz/B_deflated.npz)" 2.0263634878622155 1e-12
done
ok "statistics, f32" near "$(field fd ic-fid -q $npz/A_f32.npz $npz/B_deflated.npz)" 2.0263634878622155 1e-7
ok "their rows are not known" test "$(field n_real ic-fid -q $npz/A_be.npz $npz/B_deflated.npz)" = -1
ok "nor what they are of" sh -c "ic-fid $npz/A_be.npz $npz/B_deflated.npz 2>&1 >/dev/null | grep -q 'A_be.npz: says nothing of the network'"
for bad in bad_nan:sigma.npy bad_nomu:mu.npy bad_shape:63 bad_size:square any_asym:symmetric npz_bomb: npz_crc: npz_cut: npz_object:; do
	fails_with "${bad#*:}" "statistics, ${bad%:*}" ic-fid "$npz/${bad%:*}.npz" $npz/B_deflated.npz
done
ok "statistics saved" ic-fid --save-stats f.npz f.mdb
ok "of a stream" sh -c 'ic-store cat g.mdb | ic-fid --save-stats g.npz'
check_same "the same as of the rows" "ic-fid f.npz g.npz | cut -f 3-" "ic-fid f.mdb g.mdb | cut -f 3-"
ok "nothing is said of them" test -z "$(ic-fid f.npz g.mdb 2>&1 >/dev/null)"
ok "nothing is printed" test -z "$(ic-fid -f --save-stats again.npz f.mdb)"
ok "the same bytes" cmp f.npz again.npz
fails_with "g.mdb, which is read" "statistics over their rows" ic-fid --save-stats g.mdb g.mdb -f
fails_with "f.npz: exists" "an existing file is kept" ic-fid --save-stats f.npz g.mdb
fails_with "f.npz: found statistics" "statistics of statistics" ic-fid --save-stats h.npz f.npz
exits 2 "statistics of two sets" ic-fid --save-stats h.npz f.mdb g.mdb
ok "and nothing written" test ! -e h.npz
ok "on a pipe" sh -c 'ic-fid --save-stats - f.mdb | cmp - f.npz'
for at in $(seq 0 41 "$(wc -c <f.npz)" | head -n -1); do
	head -c "$at" f.npz >cut.npz
	ic-fid -q cut.npz g.mdb >/dev/null 2>&1 && echo "$at"
done >cuts
ok "no cut statistics pass" test ! -s cuts
id=$(ic-store ls --json f.mdb | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
ok "the receipt" test "$(grep -aE '^(rows|id|from|root|net|protocol)=' f.npz | tr '\n' ' ')" = \
	"rows=900 id=$id from=00000000000000aa root=$id net=a protocol=b "
for field in net=a protocol=b layer=logits; do
	sed "s/$field/${field%=*}=other/" g.txt | ic-store load - -o other.mdb -f 2>/dev/null
	ic-fid -f --save-stats other.npz other.mdb
	fails_with "other.npz: made by another extractor: ${field%=*} other, expected ${field#*=} as in f.npz" \
		"statistics of another ${field%=*}" ic-fid f.npz other.npz
	check_same "unless they are wanted" "ic-fid --any f.npz other.npz | cut -f 3-" "ic-fid f.npz g.npz | cut -f 3-"
done
fails_with "f.npz: found statistics, expected rows for kid" "statistics have no rows" ic-fid --metrics kid f.npz g.mdb
fails_with "f.npz: found statistics, expected rows for mind" "nor to be moved" ic-fid --metrics mind f.npz g.mdb
fails_with "g.npz: found statistics, expected rows for half" "to be halved" ic-fid --metrics half f.mdb g.npz
fails_with "g.npz: found statistics, expected rows for se" "or to vary" ic-fid --metrics se f.npz g.npz

# PEER is a python with numpy: it reads what is saved, and saves it again stored and deflated.
PEER=${PEER:-python3}
if "$PEER" -c 'import numpy' 2>/dev/null; then
	ok "numpy reads statistics" "$PEER" -c 'import numpy
z = numpy.load("f.npz")
assert z["mu"].shape == (7,) and z["sigma"].shape == (7, 7) and z["sigma"].dtype == "f8"
assert bytes(z["ic"]).startswith(b"rows=900\n")
numpy.savez("stored.npz", mu=z["mu"], sigma=z["sigma"])
numpy.savez_compressed("deflated.npz", mu=z["mu"], sigma=z["sigma"])'
	for how in stored deflated; do
		check_same "what numpy saves, $how" "ic-fid -q $how.npz g.npz | cut -f 3,6-" "ic-fid f.npz g.npz | cut -f 3,6-"
	done
else
	tap_result 0 "statistics of numpy # skip no numpy for $PEER"
fi

# The other metrics.
all=fd,se,half,inf,kid,prdc,mind
check_same "all metrics, any number of threads" "ic-fid --metrics $all -t 1 f.mdb g.mdb" "ic-fid --metrics $all -t 3 f.mdb g.mdb"
check_same "in any order" "ic-fid --metrics $all f.mdb g.mdb" "ic-fid --metrics mind,prdc,inf,kid,half,se,fd f.mdb g.mdb"
ok "their names" test "$(ic-fid --metrics $all,is f.mdb g.mdb | head -n 1 | cut -f 12-)" = \
	"$(echo fd_se fd_half fd_inf kid kid_se precision recall density coverage mind is is_std | tr ' ' '\t')"
check_same "the distance is that alone" "ic-fid --metrics $all f.mdb g.mdb | cut -f 1-11" "ic-fid f.mdb g.mdb"
variance()
{
	field fd_se ic-fid --metrics se "$1" "$2" | awk '{ printf "%.9g\n", $1 ^ 2 }'
}
ok "the variances of both sides add up" near "$(variance f.mdb g.mdb)" \
	"$(echo "$(variance f.mdb g.npz) $(variance f.npz g.mdb)" | awk '{ printf "%.17g", $1 + $2 }')" 1e-8
ok "another seed, other directions" test "$(field mind ic-fid -s 1 --metrics mind f.mdb g.mdb)" != "$(field mind ic-fid --metrics mind f.mdb g.mdb)"
check_same "the sliced distance of a set to itself" "field mind ic-fid --metrics mind f.mdb f.mdb" "echo 0"
ok "another seed, other halves" test "$(field fd_half ic-fid -s 1 --metrics half f.mdb g.mdb)" != "$(field fd_half ic-fid --metrics half f.mdb g.mdb)"
ok "prdc alone has no distance" test "$(ic-fid --metrics prdc f.mdb g.mdb | head -n 1)" = \
	"$(echo '#real fake n_real n_fake precision recall density coverage' | tr ' ' '\t')"
ok "a set in its own balls" test "$(ic-fid --metrics prdc f.mdb f.mdb | tail -n 1 | cut -f 5,6,8)" = "$(printf '1\t1\t1')"
# On the line: 0 1 3 and 2 8, balls of k = 1: of 0 and 1 to 1, of 3 to 2; both of 2 and 8 to 6.
line()
{
	printf '#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t1\n#key\tvalues\n'
	printf '%s\n' "$@" | awk -v OFS='\t' '{ print NR, $1 } END { print "#end" }'
}
line 0 1 3 | ic-store load - -o x.mdb 2>/dev/null
line 2 8 | ic-store load - -o y.mdb 2>/dev/null
ok "open balls by hand" test "$(ic-fid --metrics prdc -k 1 x.mdb y.mdb | tail -n 1 | cut -f 5-)" = \
	"$(printf '0.5\t1\t0.5\t0.3333333333333333')"
ok "closed balls by hand" test "$(ic-fid --metrics prdc -k 1 --closed x.mdb y.mdb | tail -n 1 | cut -f 5-)" = \
	"$(printf '0.5\t1\t1\t0.6666666666666666')"
fails_with "y.mdb: 2 rows, expected more than 5" "fewer rows than neighbours" ic-fid --metrics prdc x.mdb y.mdb
# Logits so far apart that each row is of one of two classes; parts of two rows.
logits()
{
	line "$@" | awk -v OFS='\t' '/^#width/ { $2 = 2 } /^[0-9]/ { $3 = 450 } { print }' | ic-store load 2>/dev/null
}
one=$(printf '900 %.0s' $(seq 10)) two=$(printf '0 %.0s' $(seq 10))
logits $one $two >pure.rows
ok "an Inception Score of pure parts" test "$(ic-fid --metrics is pure.rows | tail -n 1 | cut -f 2-)" = "$(printf '20\t1\t0')"
logits $(paste -d ' ' <(printf '%s\n' $one) <(printf '%s\n' $two)) >mixed.rows
ok "and of mixed ones" near "$(field is ic-fid --metrics is - <mixed.rows)" 2 1e-12
sed '/^#meta\tlayer/d' g.txt | ic-store load -o pool.mdb 2>/dev/null
fails_with "pool.mdb: found features of a at its last pooling, expected scores of classes for is" "features are no scores" \
	ic-fid --metrics is pool.mdb
ok "unless it is wanted" ic-fid --any --metrics is pool.mdb
fails_with "y.mdb: 2 rows, expected at least one for each of 10 parts" "too few for parts" ic-fid --metrics is y.mdb
exits 2 "a metric that is none" ic-fid --metrics fd,fid f.mdb g.mdb
exits 2 "no metric" ic-fid --metrics "" f.mdb g.mdb
sed 's/^\([0-9]*\)\t[^\t]*/\1\t4/' g.txt | ic-store load - -o constant.mdb 2>/dev/null
ok "a constant column" sh -c 'ic-fid --metrics fd,se,half,kid,prdc f.mdb constant.mdb 2>warned | tail -n 1 | grep -v nan'
ok "with a warning" grep -q "constant.mdb: the covariance has rank 6 of 7" warned

# What is refused.
exits 2 "no operands" ic-fid
exits 2 "three operands" ic-fid f.mdb g.mdb g.mdb
exits 2 "standard input twice" ic-fid - -
exits 2 "an unknown option" ic-fid --kid f.mdb g.mdb
fails_with "a.mdb: rows of 2, expected 7 as in f.mdb" "another width" ic-fid f.mdb a.mdb
fails_with "a.mdb: rows of 2, expected 7 as in f.mdb" "which nothing allows" ic-fid --any f.mdb a.mdb
for field in net=a protocol=b; do
	sed "s/$field/${field%=*}=other/" g.txt | ic-store load - -o other.mdb -f 2>/dev/null
	fails_with "${field%=*} other, expected ${field#*=} as in f.mdb" "another ${field%=*}" ic-fid f.mdb other.mdb
	check_same "unless it is wanted" "ic-fid --any f.mdb other.mdb | cut -f 3-" "ic-fid f.mdb g.mdb | cut -f 3-"
done
# How pictures came to their size and colours.
for field in side=32 crop=centre filter=bilinear alpha=0 orient=0; do
	for set in f g; do
		sed "s/^#key/#meta\t$field\n&/" $set.txt | ic-store load - -o handled-$set.mdb -f 2>/dev/null
	done
	ok "the same ${field%=*}" ic-fid handled-f.mdb handled-g.mdb
	ok "one that says nothing of its ${field%=*}" ic-fid f.mdb handled-g.mdb
	sed "s/^#key/#meta\t${field%=*}=7\n&/" g.txt | ic-store load - -o handled-g.mdb -f 2>/dev/null
	ic-fid -f --save-stats handled-f.npz handled-f.mdb
	fails_with "handled-g.mdb: of pictures handled in another way: ${field%=*} 7, expected ${field#*=} as in handled-f.npz" \
		"another ${field%=*}" ic-fid handled-f.npz handled-g.mdb
	check_same "unless it is wanted" "ic-fid --any handled-f.npz handled-g.mdb | cut -f 3-" "ic-fid f.mdb g.mdb | cut -f 3-"
done
sed 's/^31\t[^\t]*/31\t0x7f800000/' f.txt | ic-store load - -o inf.mdb 2>/dev/null
fails_with "inf.mdb: key 31:" "an infinity" ic-fid f.mdb inf.mdb
ok "and no line is printed" sh -c 'test -z "$(ic-fid f.mdb inf.mdb)"'
sed 's/^32\t[^\t]*/32\t0x7fc00000/' f.txt | ic-store load - -o nan.mdb 2>/dev/null
for metric in fd se half inf kid prdc mind; do
	fails_with "nan.mdb: key 32: a row that is not finite" "a NaN, for $metric" ic-fid --metrics $metric f.mdb nan.mdb
	fails_with "nan.mdb: key 32: a row that is not finite" "a NaN of the real rows, for $metric" ic-fid --metrics $metric nan.mdb f.mdb
done
fails_with "nan.mdb: key 32: a row that is not finite" "a NaN, for is" ic-fid --metrics is nan.mdb
fails_with "(key 32) is not finite" "a NaN in a stream" sh -c 'ic-store cat nan.mdb | ic-fid f.mdb -'
head -n 10 f.txt | cat - <(echo '#end') | ic-store load - -o single.mdb 2>/dev/null
fails_with "single.mdb: 1 rows, expected at least two" "one row" ic-fid f.mdb single.mdb
{ sed -n '1,/^#key/p' f.txt; echo '#end'; } | ic-store load - -o none.mdb 2>/dev/null
fails_with "none.mdb: 0 rows" "no rows" ic-fid f.mdb none.mdb
fails_with "missing.mdb" "no such file" ic-fid f.mdb missing.mdb
exits 1 "a full disk" sh -c 'ic-fid f.mdb g.mdb >/dev/full'
ic-store cat g.mdb >g.rows
survived=
for n in $(seq 0 997 "$(($(wc -c <g.rows) - 1))"); do
	head -c "$n" g.rows | ic-fid -q f.mdb >/dev/null 2>&1 && survived="$survived $n"
done
ok "no cut stream passes" test -z "$survived"
done_testing
