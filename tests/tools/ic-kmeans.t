# ic-kmeans: prototypes, centres and pseudo-labels from the command line; refusals.
. tests/tap.sh
. tests/rows.sh
cd "$TMP" || exit 1

# text ROWS WIDTH SEED: labelled feature rows as text, in four clusters.
text() { clusters "$1" "$2" "$3" 4 0.25; }

text 400 8 1 >f.txt
ok "features" ic-store load f.txt -o f.mdb
ok "four prototypes" sh -c 'ic-kmeans -q -k 4 f.mdb -o p.mdb --centres c.mdb --assign a.mdb >rounds.tsv'

# Four clusters far apart: every centre is one of them, so its nearest row has their label.
ok "one of each cluster" test "$(ic-store dump p.mdb | grep -v '^#' | cut -f 2 | sort | tr '\n' ' ')" = "0 1 2 3 "
ok "the rows are as they were" test "$(comm -12 <(ic-store dump p.mdb | sort) <(ic-store dump f.mdb | sort) | grep -vc '^#')" = 4
pseudo()
{
	ic-store dump a.mdb | grep -v '^#' | cut -f 1,2 | sort >a.txt
	grep -v '^#' f.txt | cut -f 1,2 | sort | join -t "$(printf '\t')" - a.txt | cut -f 2,3 | sort -u | wc -l
}
ok "clusters are the labels" test "$(pseudo)" = 4
ok "each row is assigned" test "$(ic-store ls a.mdb | awk 'END { print $2, $3, $4, $5 }')" = "labels u32 400x1 yes"
ok "label and value agree" sh -c "ic-store dump a.mdb | awk '!/^#/ && \$2 != \$3 { exit 1 }'"
ok "centres" test "$(ic-store ls c.mdb | awk 'END { print $2, $3, $4 }')" = "centres f32 4x8"
id=$(ic-store ls f.mdb | awk 'END { print $6 }')
ok "lineage" test "$(ic-store ls p.mdb | awk 'END { print $2, $7, $8 }')" = "features $id 000000000000004d"
ok "the recipe is kept" sh -c 'ic-store ls p.mdb | grep -q "net=test;kmeans=4;seed=1234;iterations=100;"'
ok "the objective falls" awk 'NR > 2 && !($3 <= last) { exit 1 } NR > 1 { last = $3 } END { exit NR < 3 }' rounds.tsv
ok "prototypes are features" ic-kmeans -q -k 2 p.mdb -o two.mdb

# The mean of one cluster, by the definition.
mean()
{
	awk -F '\t' '/^#/ { next } {
		s = 0
		for (j = 3; j <= NF; j++) s += $j ^ 2
		for (j = 3; j <= NF; j++) m[j] += $j / sqrt(s)
		n++
	} END { for (j = 3; j < 11; j++) printf "%.4f ", m[j] / n }' f.txt
}
ok "one centre" ic-kmeans -q -k 1 --per-centre 0 f.mdb -o one.mdb --centres onec.mdb
ok "is the mean of the unit rows" test "$(ic-store dump onec.mdb | awk '!/^#/ { for (j = 2; j < 10; j++) printf "%.4f ", $j }')" = "$(mean)"

check_same "one thread and three" "ic-kmeans -t 1 -k 7 f.mdb" "ic-kmeans -t 3 -k 7 f.mdb"
check_same "a stream is the same as the store" "ic-kmeans -k 7 f.mdb" "ic-store cat f.mdb | ic-kmeans -k 7"
check_same "sub-sampled, too" "ic-kmeans -k 7 --per-centre 10 f.mdb" "ic-store cat f.mdb | ic-kmeans -k 7 --per-centre 10"
check_same "as JSON" "ic-kmeans -q --json -k 4 f.mdb -f -o p.mdb | tail -n 1" \
	"tail -n 1 rounds.tsv | awk '{ printf \"{\\\"run\\\":%s,\\\"iteration\\\":%s,\\\"objective\\\":%s,\\\"objective_per_row\\\":%s,\\\"imbalance\\\":%s,\\\"changed\\\":%s,\\\"splits\\\":%s,\\\"shift\\\":%s}\\n\", \$1, \$2, \$3, \$4, \$5, \$6, \$7, \$8 }'"
ok "all rows get a centre in the first round, none another one in the last" \
	awk 'NR == 2 && $6 != 400 { exit 1 } { last = $6 } END { exit last != 0 }' rounds.tsv
ok "at rest the centres stay" test "$(awk 'END { print $8 }' rounds.tsv)" = 0
imbalance()
{
	ic-store dump a.mdb | awk -v told="$(awk 'END { print $5 }' rounds.tsv)" '!/^#/ { n[$2]++ }
		END { for (c in n) s += 4 * (n[c] / 400) ^ 2; exit !((s - told) ^ 2 < 1e-18) }'
}
ok "imbalance of the clusters" imbalance

# Rows that no clustering has chosen.
picked()
{
	ic-kmeans -q -k "$1" --method "$2" f.mdb | ic-store dump - | grep -v '^#'
}
ok "random rows are different rows" test "$(picked 200 random | cut -f 1 | sort -u | wc -l)" = 200
ok "of the features" test "$(picked 200 random | sort | comm -12 - <(ic-store dump f.mdb | sort) | wc -l)" = 200
check_same "all rows, at random" "picked 400 random | cut -f 1 | sort -n" "ic-store dump f.mdb | grep -v '^#' | cut -f 1"
ok "of each label as many" test "$(picked 40 balanced | cut -f 2 | sort | uniq -c | awk '{ print $1 }' | tr '\n' ' ')" = "10 10 10 10 "
ok "or one more" test "$(picked 6 balanced | cut -f 2 | sort | uniq -c | awk '{ print $1 }' | sort | tr '\n' ' ')" = "1 1 2 2 "
check_same "until there are no more" "picked 400 balanced | cut -f 1 | sort -n" "picked 400 random | cut -f 1 | sort -n"
check_same "again the same" "picked 40 balanced" "picked 40 balanced"
fails_with "--restarts needs --method kmeans, found random" "nor what k-means alone does" \
	ic-kmeans -k 4 --method random --restarts 3 f.mdb
exits 2 "random rows have no centres" ic-kmeans -k 4 --method random --centres x.mdb f.mdb
cp f.mdb kept.mdb
for o in centres assign; do
	fails_with "--$o: found f.mdb, which is read" "--$o on its input" ic-kmeans -k 4 f.mdb -o x.mdb --$o f.mdb -f
done
fails_with "which is --centres" "two outputs of one name" ic-kmeans -k 4 f.mdb -o x.mdb --centres x.mdb -f
ok "its input is as it was" cmp f.mdb kept.mdb
grep -v '^#' f.txt | cut -f 1,3- | { sed -n '1,/^#meta/p' f.txt; printf '#key\tvalues\n'; cat; echo '#end'; } |
	ic-store load - -o plain.mdb 2>/dev/null
fails_with "plain.mdb: rows without labels" "balanced without labels" ic-kmeans -k 4 --method balanced plain.mdb
different()
{
	! cmp -s <(eval "$1") <(eval "$2")
}
ok "another seed, other prototypes" different "ic-kmeans -q -k 40 f.mdb" "ic-kmeans -q -k 40 -s 5 f.mdb"
ok "three runs, each from other rows" test \
	"$(ic-kmeans -q -k 9 --iterations 5 --restarts 3 f.mdb -o r.mdb | awk 'NR > 1 && $2 == 0 { print $3 }' | sort -u | wc -l)" = 3
ok "spherical" ic-kmeans -q --spherical -k 4 f.mdb -o s.mdb --centres sc.mdb
ok "has centres of length 1" awk '!/^#/ { s = 0; for (j = 2; j < 10; j++) s += $j ^ 2; if ((s - 1) ^ 2 > 1e-12) exit 1 }' <(ic-store dump sc.mdb)

# Copies: as many centres as rows have only so many different nearest rows.
{ sed -n '1,/^#key/p' f.txt; for i in 1 2 3 4 5 6; do printf '%d\t0' $i; printf '\t1%.0s' 1 2 3 4 5 6 7; printf '\t%d\n' $((i / 4)); done; echo '#end'; } |
	ic-store load - -o same.mdb 2>/dev/null
ok "copies among the prototypes" test "$(ic-kmeans -q -k 5 same.mdb | ic-store dump - | grep -v '^#' | cut -f 1 | sort -u | wc -l)" -lt 5
ok "not when they must differ" test "$(ic-kmeans -q -k 5 --distinct same.mdb | ic-store dump - | grep -v '^#' | cut -f 1 | sort -u | wc -l)" = 5

# What is refused.
fails_with "400 rows, expected at least 401" "more centres than rows" ic-kmeans -k 401 f.mdb -o x.mdb
ok "as many are the rows themselves" test "$(ic-kmeans -q -k 400 f.mdb | ic-store dump - | grep -v '^#' | cut -f 1 | sort -un | wc -l)" = 400
exits 2 "no centres" ic-kmeans -k 0 f.mdb
exits 2 "an unknown option" ic-kmeans --centers 3 f.mdb
exits 2 "two operands" ic-kmeans f.mdb f.mdb
fails_with "p.mdb: exists" "an output that exists" ic-kmeans -k 4 f.mdb -o p.mdb
fails_with "f.mdb, which is read" "labels over the rows" ic-kmeans -k 4 f.mdb -o y.mdb -f --assign ./f.mdb
fails_with "y.mdb, which is --centres" "two outputs of one name" ic-kmeans -k 4 f.mdb -o y.mdb --centres y.mdb
fails_with "a.mdb: exists" "labels that exist" ic-kmeans -k 4 f.mdb -o y.mdb --assign a.mdb
ok "before anything is written" test ! -e y.mdb -a ! -e y.mdb.part
# A kill between two outputs leaves the second under the name of an unfinished one.
both="f.mdb -o both.mdb --assign both-a.mdb"
ok "two outputs" ic-kmeans -k 4 $both
cp both.mdb once.mdb && cp both-a.mdb once-a.mdb && mv both.mdb both.mdb.part
fails_with "both-a.mdb: exists" "the labels of a finished one are not another command's" ic-kmeans -k 5 $both
ok "the same command ends what it began" ic-kmeans -k 4 $both
ok "with the same bytes" eval 'cmp both.mdb once.mdb && cmp both-a.mdb once-a.mdb && [ ! -e both.mdb.part ]'
fails_with "expected features" "labels are no features" ic-kmeans -k 4 a.mdb
sed 's/^31\t\([0-9]\)\t[^\t]*/31\t\1\t0x7fc00000/' f.txt | ic-store load - -o nan.mdb 2>/dev/null
fails_with "nan.mdb: key 31:" "a row with NaN" ic-kmeans -k 4 nan.mdb -o x.mdb
ok "nothing is left" test ! -e x.mdb -a ! -e x.mdb.part
awk -F '\t' -v OFS='\t' '$1 == "61" { for (i = 3; i <= NF; i++) $i = 0 } { print }' f.txt | ic-store load - -o zero.mdb 2>/dev/null
fails_with "zero.mdb: key 61:" "a row of zeros" ic-kmeans -k 4 zero.mdb
fails_with "/dev/full" "a full disk" ic-kmeans -k 4 f.mdb -o /dev/full
exits 1 "a cut stream" sh -c 'ic-store cat f.mdb | head -c 5000 | ic-kmeans -k 4'

# A run taken up again is the same run: stopped while it trains, as told by its progress.
awk 'BEGIN {
	srand(8)
	printf "#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t48\n#key\tvalues\n"
	for (i = 0; i < 6000; i++) {
		printf "%d", i
		for (j = 0; j < 48; j++) printf "\t%.3f", rand() - 0.5
		printf "\n"
	}
	print "#end"
}' | ic-store load - -o l.mdb 2>/dev/null
long="ic-kmeans -t 1 -k 500 --restarts 10 --per-centre 0 l.mdb --centres"
ok "a longer run" sh -c "$long wc.mdb -o w.mdb >w.tsv"
IC_PROGRESS=1 $long pc.mdb -o part.mdb >part.tsv 2>stopped &
pid=$!
while kill -0 $pid 2>/dev/null && ! grep -q 'iterations [1-9]' stopped; do sleep 0.02; done
kill -TERM $pid 2>/dev/null
wait $pid
ok "stopped by a signal: status 75" test $? = 75
ok "and says that the same command goes on" grep -q "stopped by SIG[A-Z]*; the same command goes on from here" stopped
ok "its rounds stay" test -s part.mdb.part-rounds -a ! -e part.mdb
cp part.mdb.part-rounds q.mdb.part-rounds
fails_with "q.mdb.part-rounds: left by another command" "another command leaves them" ic-kmeans -k 4 l.mdb -o q.mdb
ok "as they are" cmp part.mdb.part-rounds q.mdb.part-rounds
ok "unless it is told to start afresh" sh -c "ic-kmeans -f -k 4 l.mdb -o q.mdb 2>q.err && ! grep -q 'going on' q.err"
ok "and its own are gone" test ! -e q.mdb.part-rounds
cp part.mdb.part-rounds saved
printf '\1' | dd of=part.mdb.part-rounds bs=1 seek=$(($(wc -c <saved) - 9)) conv=notrunc 2>/dev/null
fails_with "part.mdb.part-rounds: damaged" "rounds with another byte" $long pc.mdb -o part.mdb
fails_with "; remove it to begin anew" "and what to do is told" $long pc.mdb -o part.mdb
head -c 70000 saved >part.mdb.part-rounds
fails_with "; remove it to begin anew" "rounds cut short" $long pc.mdb -o part.mdb
mv saved part.mdb.part-rounds
ok "going on" sh -c "$long pc.mdb -o part.mdb >part.tsv 2>resumed"
ok "it went on, and did not begin anew" grep -q "going on after [1-9]" resumed
ok "the prototypes are the same, byte for byte" cmp w.mdb part.mdb
ok "and the centres" cmp wc.mdb pc.mdb
ok "and the rounds" cmp w.tsv part.tsv
ok "nothing else is left" sh -c '! ls *.part*'
exits 2 "one file for two results" ic-kmeans -k 3 f.mdb -o two.mdb --assign two.mdb
exits 2 "nor standard output" ic-kmeans -k 3 f.mdb -o - --assign -
# On a terminal results begin their lines: what is left of a progress line is erased first.
if command -v script >/dev/null; then
	ok "rounds on a terminal" script -qec "IC_PROGRESS=1 ic-kmeans -k 40 f.mdb -o tty.mdb" tty.txt
	ok "progress is shown" grep -qF $'\x1b[K' tty.txt
	check_same "and erased before each of them" "tr -s '\r' '\n' <tty.txt | grep -P '^\x1b\[K[#0-9]|^[#0-9]' | sed 's/^\x1b\[K//'" \
		"ic-kmeans -q -k 40 f.mdb -o again.mdb"
else
	tap_result 0 "rounds on a terminal # skip no script"
fi
done_testing
