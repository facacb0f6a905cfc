# ic-fid: the distance from the command line; refusals.
. tests/tap.sh
cd "$TMP" || exit 1

# text ROWS WIDTH SEED SHIFT: feature rows as text.
text()
{
	awk -v n="$1" -v w="$2" -v seed="$3" -v shift="$4" 'BEGIN {
		srand(seed)
		printf "#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t%d\n#meta\tnet=a\n#meta\tprotocol=b\n#key\tvalues\n", w
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

text 900 7 1 0 >f.txt
text 1100 7 2 0.1 >g.txt
ok "features" ic-store load f.txt -o f.mdb
ok "other features" ic-store load g.txt -o g.mdb
ok "either way" near "$(field fd ic-fid f.mdb g.mdb)" "$(field fd ic-fid g.mdb f.mdb)" 1e-12
check_same "one thread and three" "ic-fid -t 1 f.mdb g.mdb" "ic-fid -t 3 f.mdb g.mdb"
check_same "streams are the same as stores" "ic-fid f.mdb g.mdb | cut -f 3-" "ic-store cat g.mdb | ic-fid f.mdb - | cut -f 3-"
check_same "a missing operand is standard input" "ic-store cat g.mdb | ic-fid f.mdb" "ic-store cat g.mdb | ic-fid f.mdb -"
check_same "the first one, too" "ic-fid f.mdb g.mdb | cut -f 3-" "ic-store cat f.mdb | ic-fid - g.mdb | cut -f 3-"
check_same "the order of rows does not matter much" "ic-fid f.mdb g.mdb | cut -f 3 | cut -c 1-12" \
	"{ grep '^#[^e]' g.txt; grep -v '^#' g.txt | sort; echo '#end'; } | ic-store load | ic-fid f.mdb | cut -f 3 | cut -c 1-12"
sed 's/f32/f16/' f.txt | ic-store load - -o half.mdb 2>/dev/null
ok "half precision" near "$(field fd ic-fid f.mdb half.mdb)" 0 1e-4
ok "as JSON" sh -c 'ic-fid --json f.mdb g.mdb | grep -q "^{\"real\":\"f.mdb\",\"fake\":\"g.mdb\",\"fd\":[0-9.]*,\"n_real\":900,\"n_fake\":1100,.*,\"rank_fake\":7}$"'
head -n 12 f.txt | cat - <(echo '#end') | ic-store load - -o five.mdb 2>/dev/null
ok "fewer rows than columns" sh -c 'ic-fid f.mdb five.mdb 2>warned'
ok "with a warning" grep -q "five.mdb: 5 rows of 7" warned
ok "and the rank" test "$(field rank_fake ic-fid f.mdb five.mdb)" = 4

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
sed 's/^31\t[^\t]*/31\t0x7f800000/' f.txt | ic-store load - -o inf.mdb 2>/dev/null
fails_with "inf.mdb: key 31:" "an infinity" ic-fid f.mdb inf.mdb
ok "and no line is printed" sh -c 'test -z "$(ic-fid f.mdb inf.mdb)"'
head -n 8 f.txt | cat - <(echo '#end') | ic-store load - -o single.mdb 2>/dev/null
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
