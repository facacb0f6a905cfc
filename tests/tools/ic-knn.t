# ic-knn: neighbours from the command line: shards, queries, streams, interruption; refusals.
. tests/tap.sh
. tests/rows.sh
cd "$TMP" || exit 1

# text ROWS WIDTH SEED: labelled feature rows as text, in three clusters.
text() { clusters "$1" "$2" "$3" 3 1; }

# nearest FEATURES K: the answer by the definition, from text rows: key and the keys of the k nearest by cosine.
nearest()
{
	awk -v k="$2" 'BEGIN { n = 0 } /^#/ { next } {
		key[n] = $1
		w = NF - 2
		s = 0
		for (j = 0; j < w; j++) { x[n, j] = $(j + 3); s += x[n, j] ^ 2 }
		for (j = 0; j < w; j++) x[n, j] /= sqrt(s)
		n++
	} END {
		for (i = 0; i < n; i++) {
			for (o = 0; o < n; o++) { d[o] = 0; for (j = 0; j < w; j++) d[o] += (x[i, j] - x[o, j]) ^ 2 }
			d[i] = 9
			printf "%d", key[i]
			for (c = 0; c < k; c++) {
				best = 0
				for (o = 1; o < n; o++) if (d[o] < d[best]) best = o
				printf "\t%d", key[best]
				d[best] = 9
			}
			printf "\n"
		}
	}' "$1"
}

text 300 9 1 >f.txt
text 200 9 2 >g.txt
ok "features" ic-store load f.txt -o f.mdb
ok "other features" ic-store load g.txt -o g.mdb

ok "five neighbours" ic-knn -k 5 f.mdb -o n.mdb
ok "one line of results" test "$(ic-knn -k 5 f.mdb -f -o n.mdb 2>/dev/null | wc -l)" = 2
check_same "the nearest by the definition" "ic-store dump n.mdb | grep -v '^#' | cut -f 1,3-7" "nearest f.txt 5"
check_same "labels are carried" "ic-store dump n.mdb | grep -v '^#' | cut -f 1,2" "ic-store dump f.mdb | grep -v '^#' | cut -f 1,2"
id=$(ic-store ls f.mdb | awk 'END { print $6 }')
ok "lineage" test "$(ic-store ls n.mdb | awk 'END { print $7, $8, $9 }')" = "$id 000000000000004d metric=cosine"
agreement()
{
	ic-store dump f.mdb | awk -v share="$(ic-knn -k 5 f.mdb -f -o n.mdb 2>/dev/null | awk 'END { print $NF }')" '
		FNR == NR && !/^#/ { label[$1] = $2; next }
		!/^#/ { for (i = 3; i < 8; i++) { all++; same += label[$i] == $2 } }
		END { exit !(all == 1500 && (same / all - share) ^ 2 < 1e-10) }' - <(ic-store dump n.mdb)
}
ok "label agreement" agreement
check_same "as JSON" "ic-knn -q --json -k 5 f.mdb -f -o n.mdb" \
	"ic-knn -q -k 5 f.mdb -f -o n.mdb | awk 'NR == 2 { printf \"{\\\"rows\\\":%s,\\\"neighbours\\\":%s,\\\"metric\\\":\\\"%s\\\",\\\"mean_radius\\\":%s,\\\"rows_with_copies\\\":%s,\\\"recall\\\":1,\\\"label_agreement\\\":%s}\\n\", \$1, \$2, \$3, \$4, \$5, \$7 }'"

printf '#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t2\n#key\tvalues\n1\t1\t0\n2\t0\t1\n#end\n' >bare.txt
ok "no label agreement without labels" eval 'ic-store load bare.txt -o bare.mdb &&
	ic-knn --json -k 1 bare.mdb -o bare-n.mdb | grep -q "\"label_agreement\":null}"'
check_same "one thread and three" "ic-knn -t 1 -k 5 f.mdb" "ic-knn -t 3 -k 5 f.mdb"
check_same "other kernels of OpenBLAS" "ic-knn -k 5 f.mdb" "OPENBLAS_CORETYPE=Prescott ic-knn -k 5 f.mdb"
check_same "a stream is the same as the store" "ic-knn -k 5 f.mdb" "ic-store cat f.mdb | ic-knn -k 5"
check_same "a pipe with a name" "ic-knn -k 5 f.mdb" "bash -c 'ic-knn -k 5 <(ic-store cat f.mdb)'"
check_same "lengths do not matter to cosines" "ic-knn -k 5 f.mdb | ic-store dump - | grep -v '^#' | cut -f 1-7" \
	"awk -F '\t' -v OFS='\t' '!/^#/ { for (i = 3; i <= NF; i++) \$i *= 2 ^ (NR % 7) } { print }' f.txt | ic-store load | ic-knn -k 5 | ic-store dump - | grep -v '^#' | cut -f 1-7"
ok "inner products" ic-knn --metric ip -k 5 f.mdb -o ip.mdb
ok "are stored negated" sh -c "ic-store dump ip.mdb | awk '!/^#/ && \$8 < 0 { n++ } END { exit n != 300 }'"
ok "k is N - 1" ic-knn -k 299 f.mdb -o all.mdb

ok "a shard" ic-knn -k 5 --rows :120 f.mdb -o s1.mdb
ok "another" ic-knn -k 5 --rows 120:300 f.mdb -o s2.mdb
ok "joined" ic-store cat s1.mdb s2.mdb -o s.mdb
ok "are the whole, byte for byte" cmp s.mdb n.mdb

ok "rows of another store" ic-knn -k 3 f.mdb g.mdb -o q.mdb
ok "have their own keys, labels and root" test \
	"$(ic-store dump q.mdb | grep -v '^#' | cut -f 1,2 | cksum)" = "$(ic-store dump g.mdb | grep -v '^#' | cut -f 1,2 | cksum)"
check_same "a store among itself is one set" "ic-knn -k 5 f.mdb" "ic-knn -k 5 f.mdb f.mdb"
check_same "queries by stream" "ic-knn -k 3 f.mdb g.mdb" "ic-store cat g.mdb | ic-knn -k 3 f.mdb -"

# Copies: distance exactly 0, lowest keys first.
{ sed -n '1,/^#key/p' f.txt; for i in 1 2 3 4 5 6; do printf '%d\t0\t.3\t.1\t.7\t1\t2\t3\t4\t5\t.9\n' $i; done; echo '#end'; } >same.txt
ic-store load same.txt -o same.mdb 2>/dev/null
ok "copies are at distance 0, lower keys first" test \
	"$(ic-knn -k 3 same.mdb | ic-store dump - | grep -v '^#' | cut -f 1,3- | tr '\t\n' ' ,')" = \
	"1 2 3 4 0 0 0,2 1 3 4 0 0 0,3 1 2 4 0 0 0,4 1 2 3 0 0 0,5 1 2 3 0 0 0,6 1 2 3 0 0 0,"

# What is refused.
fails_with "expected more than 300" "k of all rows" ic-knn -k 300 f.mdb -o x.mdb
exits 2 "k of 0" ic-knn -k 0 f.mdb
exits 2 "k too large" ic-knn -k 4097 f.mdb
exits 2 "an unknown option" ic-knn --nearest f.mdb
exits 2 "an unknown metric" ic-knn --metric l1 f.mdb
exits 2 "three operands" ic-knn f.mdb f.mdb f.mdb
exits 2 "standard input twice" ic-knn - -
exits 1 "an output that exists" ic-knn -k 5 f.mdb -o n.mdb
fails_with "n.mdb: exists" "and it is named" ic-knn -k 5 f.mdb -o n.mdb
cp f.mdb kept.mdb
ln -s f.mdb link.mdb
fails_with "f.mdb, which is read" "its input as output" ic-knn -k 5 link.mdb -f -o f.mdb
ok "is still there" cmp f.mdb kept.mdb
for r in 5 5:5 7:3 -1:5 0:301 a:b 1:2:3; do
	fails_with "--rows: found '$r'" "rows $r" ic-knn -k 5 --rows=$r f.mdb
done
sed 's/^31\t\([0-9]\)\t[^\t]*/31\t\1\t0x7fc00000/' f.txt >nan.txt
ok "a NaN can be stored" ic-store load nan.txt -o nan.mdb
fails_with "nan.mdb: key 31:" "a row with NaN" ic-knn -k 5 nan.mdb
ok "nothing is left" sh -c '! ic-knn -k 5 nan.mdb -o x.mdb && test ! -e x.mdb -a ! -e x.mdb.part'
fails_with "key 31" "a row with NaN in a stream" sh -c 'ic-store cat nan.mdb | ic-knn -k 5'
awk -F '\t' -v OFS='\t' '$1 == "61" { for (i = 3; i <= NF; i++) $i = 0 } { print }' f.txt | ic-store load - -o zero.mdb 2>/dev/null
fails_with "zero.mdb: key 61:" "a row of zeros has no direction" ic-knn -k 5 zero.mdb
ok "but has distances" ic-knn --metric l2 -k 5 zero.mdb -o zero.n.mdb
text 20 8 3 | ic-store load - -o w8.mdb 2>/dev/null
fails_with "w8.mdb: rows of 8, expected 9 as in f.mdb" "queries of another width" ic-knn -k 5 f.mdb w8.mdb
sed 's/net=test/net=other/' g.txt | ic-store load - -o other.mdb 2>/dev/null
fails_with "net other, expected test" "queries of another network" ic-knn -k 5 f.mdb other.mdb
fails_with "expected features" "neighbours of neighbours" ic-knn -k 2 n.mdb
sed 's/^4\t/5000000000\t/' same.txt | ic-store load - -o big.mdb 2>/dev/null
fails_with "key 5000000000" "a key that is no u32" ic-knn -k 2 big.mdb
fails_with "missing.mdb" "no such file" ic-knn missing.mdb
exits 1 "a full disk" sh -c 'ic-knn -k 5 f.mdb >/dev/full'
fails_with "/dev/full" "and it is named" ic-knn -k 5 f.mdb -o /dev/full
ic-store cat f.mdb >f.rows
survived=
for n in $(seq 0 97 "$(($(wc -c <f.rows) - 1))"); do
	head -c "$n" f.rows | ic-knn -q -k 5 >/dev/null 2>&1 && survived="$survived $n"
done
ok "no cut stream passes" test -z "$survived"

# A store taken up again is the same store.
text 12000 40 4 | ic-store load - -o l.mdb 2>/dev/null
ok "a longer search" ic-knn -k 100 l.mdb -o whole.mdb
ok "with little memory, several stretches of rows" ic-knn --memory 5M -k 100 l.mdb -o less.mdb
ok "the same, byte for byte" cmp less.mdb whole.mdb
ok "told how far the bounds reached" sh -c 'ic-knn -v --memory 5M --rows :2000 -k 100 l.mdb 2>&1 >/dev/null | grep -q "8 bits left [1-9]"'
# stopped_and_resumed BYTES OPTIONS...: a run with these options that is stopped once it has written so much, and its second half.
stopped_and_resumed()
{
	local bytes=$1 pid
	shift
	rm -f part.mdb
	ic-knn -q -t 1 --memory 5M -k 100 "$@" l.mdb -o part.mdb >/dev/null 2>stopped &
	pid=$!
	while kill -0 $pid 2>/dev/null && [ "$(stat -c %s part.mdb.part 2>/dev/null || echo 0)" -le "$bytes" ]; do
		sleep 0.02
	done
	kill -TERM $pid 2>/dev/null
	wait $pid
	ok "stopped by a signal: status 75" test $? = 75
	ok "and says how to go on" grep -q "goes on from here" stopped
	ok "what is done stays" test -s part.mdb.part -a ! -e part.mdb
	ok "going on" sh -c 'ic-knn -k 100 "$@" l.mdb -o part.mdb 2>resumed' - "$@"
	ok "it went on, and did not begin anew" grep -q "going on after [1-9]" resumed
}
stopped_and_resumed 2000000
ok "the store is the same, byte for byte" cmp whole.mdb part.mdb

# Among the rows of near cells only.
rows() { ic-store dump "$1" | grep -v '^#[rfm]'; }
ok "of all cells" sh -c 'ic-knn --json --approx 99 -k 100 l.mdb -o cells.mdb | grep -q "\"recall\":1,"'
check_same "the neighbours are the exact ones" "rows cells.mdb" "rows whole.mdb"
ok "of two cells" sh -c 'ic-knn --approx 2 -k 100 l.mdb -o two.mdb 2>told'
ok "it tells how many it found" grep -q "recall 0.[0-9]*: .* of 500 rows .* interval 0.[0-9]* to 0.[0-9]*" told
ok "the store tells how many cells" sh -c 'ic-store ls two.mdb | grep -q "approx=2"'
ok "a shard" ic-knn --approx 2 -k 100 --rows :5000 l.mdb -o a.mdb
ok "another" ic-knn --approx 2 -k 100 --rows 5000: l.mdb -o b.mdb
ok "joined" ic-store cat a.mdb b.mdb -o ab.mdb
ok "are the whole, byte for byte" cmp ab.mdb two.mdb
stopped_and_resumed 3000000 --approx 2
ok "the store is the same, byte for byte" cmp two.mdb part.mdb
exits 2 "no cells" ic-knn --approx 0 f.mdb
done_testing
