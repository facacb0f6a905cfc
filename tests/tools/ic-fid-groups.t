# ic-fid: scores apart by classes, by how many rows a class has, and by lists of keys; labels and
# keys of instances that come down one pipe.
. tests/tap.sh
cd "$TMP" || exit 1

# text ROWS SEED SHIFT: rows of three features; classes 0, 1, 2, 3 with 1/2, 1/4, 1/8, 1/8 of them.
text()
{
	awk -v n="$1" -v seed="$2" -v shift="$3" 'BEGIN {
		srand(seed)
		printf "#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t3\n#root\t00000000000000aa\n"
		printf "#meta\tnet=a\n#meta\tlayer=logits\n#key\tlabel\tvalues\n"
		for (i = 0; i < n; i++) {
			class = i % 2 ? 0 : i % 4 ? 1 : i % 8 ? 2 : 3
			printf "%d\t%d", 100 + i, class
			for (j = 0; j < 3; j++) printf "\t%.5f", rand() * (1 + class) + shift
			printf "\n"
		}
		print "#end"
	}'
}

# only LABELS...: the rows of these classes, from text on stdin to a store's stream.
only()
{
	awk -F '\t' -v labels=" $* " '/^#/ || index(labels, " " $2 " ")' | ic-store load
}

# column NAME FILE: that field of each record.
column()
{
	awk -F '\t' -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name || $i == "#" name) at = i }
		NR > 1 { print $at }' "$2"
}

text 240 1 0 >f.txt
text 160 2 0.3 >g.txt
ok "features" eval 'ic-store load f.txt -o f.mdb && ic-store load g.txt -o g.mdb'
all=fd,se,half,inf,kid,prdc,mind,is

# A group is scored as its rows alone are: classes of 120, 60, 30 and 30 rows.
ok "groups by counts" eval "ic-fid --metrics $all --groups many:100-,medium:31-99,few:-30,all:0- f.mdb g.mdb >groups"
check_same "their names, in order" "column group groups" "printf '%s\n' many medium few all"
check_same "their rows" "column n_real groups | tr '\n' ' '" "printf '120 60 60 240 '"
check_same "on both sides" "column n_fake groups | tr '\n' ' '" "printf '80 40 40 160 '"
n=1
for classes in 0 1 "2 3" "0 1 2 3"; do
	n=$((n + 1))
	only $classes <f.txt >x.rows
	only $classes <g.txt >y.rows
	check_same "the scores of group $((n - 1)) are those of its rows" "sed -n ${n}p groups | cut -f 4-" \
		"ic-fid --metrics $all x.rows y.rows | tail -n 1 | cut -f 3-"
done
check_same "a group of everything is everything" "sed -n 5p groups | cut -f 2-" \
	"ic-fid --metrics $all f.mdb g.mdb | tail -n 1"
check_same "one thread and three" "ic-fid -t 1 --metrics $all --groups few:-30 f.mdb g.mdb" \
	"ic-fid -t 3 --metrics $all --groups few:-30 f.mdb g.mdb"
ok "each class" eval "ic-fid --groups class f.mdb g.mdb >each"
check_same "by its label" "column group each" "seq 0 3"
check_same "class 0 is the group of large classes" "sed -n 2p each | cut -f 4" "sed -n 2p groups | cut -f 4"
ok "as JSON" eval "ic-fid --json --groups class f.mdb g.mdb | sed -n 2p | grep -q '^{\"group\":\"1\",\"real\":'"
check_same "the score of one set's classes" "ic-fid --metrics is --groups many:100-,few:-30 f.mdb | cut -f 3 | tr '\n' ' '" \
	"printf 'n_fake 120 60 '"

# Counted elsewhere: where class 3 is the large one.
awk -F '\t' -v OFS='\t' '/^[0-9]/ { $2 = 3 - $2 } { print }' f.txt | ic-store load - -o turned.mdb 2>/dev/null
check_same "counts of another set" "ic-fid --groups large:100- --counts turned.mdb f.mdb g.mdb | tail -n 1 | cut -f 4-" \
	"sed -n 5p each | cut -f 4-"
check_same "from a stream" "ic-store cat turned.mdb | ic-fid --groups large:100- --counts - f.mdb g.mdb" \
	"ic-fid --groups large:100- --counts turned.mdb f.mdb g.mdb"

# Lists of keys; rows of the second set with keys of instances, as ic-embed --by-instance writes.
awk 'BEGIN { for (i = 100; i < 340; i += 2) print i }' >even
awk 'BEGIN { for (i = 339; i > 100; i -= 2) print i "\tand more" }' >odd
ok "two lists of keys" eval "ic-fid --metrics fd,kid --keys seen:even,unseen:odd f.mdb g.mdb >lists"
check_same "their names" "column group lists" "printf 'seen\nunseen\n'"
for of in even:2 odd:3; do
	for set in f g; do
		{ grep '^#[^e]' $set.txt; awk 'NR == FNR { in_list[$1]; next } ($1 in in_list)' ${of%:*} $set.txt; echo '#end'; } |
			ic-store load >$set.rows
	done
	check_same "the scores of the ${of%:*} keys" "sed -n ${of#*:}p lists | cut -f 4-" \
		"ic-fid --metrics fd,kid f.rows g.rows | tail -n 1 | cut -f 3-"
done
check_same "a list from a pipe" "ic-fid --keys seen:- f.mdb g.mdb <even | tail -n 1" "ic-fid --keys seen:even f.mdb g.mdb | tail -n 1"

# Refusals; nothing is printed when a later group cannot be scored.
: >none
fails_with "f.mdb, group none: 0 rows, expected at least two" "an empty list" ic-fid --keys none:none f.mdb g.mdb
awk -F '\t' '/^#/ || $2 != 3' g.txt | ic-store load - -o g3.mdb 2>/dev/null
fails_with "g3.mdb, group 3: 0 rows, expected at least two" "a class that one set does not have" ic-fid --groups class f.mdb g3.mdb
ok "nothing is printed" test -z "$(ic-fid --groups class f.mdb g3.mdb 2>/dev/null)"
fails_with "f.mdb, group few: 0 rows" "no class of that size" ic-fid --groups few:-3 f.mdb g.mdb
fails_with "group 2: 20 rows, expected more than 25" "a group too small for balls" ic-fid --metrics prdc -k 25 --groups class f.mdb g.mdb
sed 's/^\([0-9]*\t\)[0-9]*\t/\1/; s/label\t//' f.txt | ic-store load - -o plain.mdb 2>/dev/null
fails_with "plain.mdb: rows without labels" "no labels" ic-fid --groups class plain.mdb g.mdb
fails_with "plain.mdb: rows without labels" "nor on the other side" ic-fid --groups class f.mdb plain.mdb
fails_with "plain.mdb: rows without labels" "nothing to count" ic-fid --groups a:1- --counts plain.mdb f.mdb g.mdb
ic-fid --save-stats f.npz f.mdb
fails_with "f.npz: found statistics, expected rows for --groups" "statistics have no classes" ic-fid --groups class f.npz g.mdb
fails_with "f.npz: found statistics, expected rows for --keys" "nor keys" ic-fid --keys a:even f.npz g.mdb
sed 's/00aa/00ab/' g.txt | ic-store load - -o other.mdb 2>/dev/null
fails_with "other.mdb: keys that count in 00000000000000ab, expected 00000000000000aa as in f.mdb" "keys of another place" \
	ic-fid --keys a:even f.mdb other.mdb
echo 5x >bad
fails_with "bad: found '5x', expected a key" "a list of something else" ic-fid --keys a:bad f.mdb g.mdb
fails_with "missing:" "a list that is not there" ic-fid --keys a:missing f.mdb g.mdb
fails_with "--groups: found 'few:many'" "no range" ic-fid --groups few:many f.mdb g.mdb
exits 2 "a name twice" ic-fid --groups a:1-,a:2- f.mdb g.mdb
exits 2 "both kinds" ic-fid --groups class --keys a:even f.mdb g.mdb
exits 2 "counts of nothing" ic-fid --counts f.mdb f.mdb g.mdb
exits 2 "counts for single classes" ic-fid --groups class --counts f.mdb f.mdb g.mdb
exits 2 "statistics of groups" ic-fid --groups class --save-stats x.npz f.mdb
exits 2 "standard input for a list and a set" ic-fid --keys a:- f.mdb -
# Few rows in a group: computed, with one warning for all of them.
ok "groups of few rows" eval "ic-fid --groups some:100-,class:-30 f.mdb g.mdb 2>warned && test ! -s warned"
awk 'NR <= 31 || /^#end/' f.txt | ic-store load - -o few.mdb 2>/dev/null
ok "of no more than columns" eval "ic-fid --groups class few.mdb few.mdb >few 2>warned"
ok "one warning" eval '[ "$(wc -l <warned)" -eq 1 ] && grep -q "2 of 4 groups have no more rows than the 3 columns" warned'

# One pipe: pictures of two classes, a generator that never sees their labels, scores by class.
pictures()
{
	awk 'BEGIN {
		for (i = 0; i < 16; i++) {
			printf "P6\n# ic key=%d label=%d\n32 32\n255\n", i, i % 4 == 0
			for (p = 0; p < 1024; p++)
				printf "%c%c%c", 20 + (p * i) % 90, 30 + i, 40 + p % (i % 4 ? 80 : 50)
		}
	}'
}
fixture()
{
	pictures | ic-pack --size 32 - -o a.mdb && ic-embed a.mdb -o f.mdb -f && ic-knn -k 3 f.mdb -o n.mdb &&
	ic-train a.mdb f.mdb n.mdb -o m.st --ch 2 -b 4 --minutes 0
}
ok "a model" fixture
ok "samples, features and scores by class counts in one pipe" eval \
	"ic-sample --each 3 m.st f.mdb | ic-embed - | ic-fid -q --groups many:5-,few:-4 f.mdb - >pipe"
check_same "each sample is in the class of its instance" "column n_fake pipe | tr '\n' ' '" "printf '36 12 '"
check_same "and the real rows" "column n_real pipe | tr '\n' ' '" "printf '12 4 '"
seq 0 5 >seen
seq 6 15 >unseen
ok "and by keys of instances" eval \
	"ic-sample --each 3 m.st f.mdb | ic-embed --by-instance - | ic-fid -q --keys seen:seen,unseen:unseen f.mdb - >pipe"
check_same "samples of both lists" "column n_fake pipe | tr '\n' ' '" "printf '18 30 '"
fails_with "see ic-embed --by-instance" "keys of samples are no keys of pictures" \
	eval "ic-sample --each 3 m.st f.mdb | ic-embed - | ic-fid --keys seen:seen f.mdb -"
done_testing
