# ic-store: text there and back, joining, export, pictures; cut, damaged and misused.
. tests/tap.sh
cd "$TMP" || exit 1

# text TYPE WIDTH ROWS FIRST [LABELLED]: rows as text; keys FIRST, FIRST+1 ...
text()
{
	awk -v type="$1" -v w="$2" -v n="$3" -v first="$4" -v labelled="$5" 'BEGIN {
		printf "#ic-rows\t1\n#kind\tfeatures\n#type\t%s\n#width\t%d\n#from\t%016x\n#meta\tnet=test\n", type, w, 77
		printf "#key\t%svalues\n", labelled ? "label\t" : ""
		for (i = first; i < first + n; i++) {
			printf labelled ? "%d\t%d" : "%d", i, i % 5
			for (j = 0; j < w; j++) printf "\t%d", (i * 7 + j * 3) % 200
			for (j = 0; j < w && type == "near"; j++) printf "\t%d", j
			printf "\n"
		}
		print "#end"
	}'
}

# Text
for type in u8 f32 f16 u32 near; do
	text $type 3 40 5 yes >$type.txt
	ok "$type: load" ic-store load $type.txt -f -o $type.mdb
	check_same "$type: dump gives the text back" "ic-store dump $type.mdb" "cat $type.txt"
	check_same "$type: by a stream" "ic-store load $type.txt | ic-store dump -" "cat $type.txt"
	check_same "$type: one id" "ic-store ls $type.mdb | cut -f 2-" "ic-store cat $type.mdb | ic-store ls - | cut -f 2-"
done
ok "-n 4" test "$(ic-store head -n 4 u8.mdb | grep -vc '^#')" = 4
check_same "the first rows are a text too" "ic-store head -n 4 u8.mdb | ic-store load | ic-store dump -" \
	"ic-store head -n 4 u8.mdb"
check_same "--json has the same fields" "ic-store ls u8.mdb | head -n 1 | tr -d '#' | tr '\t' '\n'" \
	"ic-store ls --json u8.mdb | grep -o '\"[a-z]*\":' | tr -d '\":'"
ok "a comment is passed over" eval 'sed "s/^5	/# words\n&/" u8.txt | ic-store load >/dev/null'

bad_text()
{
	eval "$2" >bad.txt
	fails_with "$3" "$1" ic-store load bad.txt -o bad.mdb
	ok "$1: nothing is left" test ! -e bad.mdb -a ! -e bad.mdb.part
}
bad_text "a value too many" "sed '8s/\$/	1/' u8.txt" "line 8: found more than 3 values"
bad_text "a value too few" "sed '8s/	[0-9]*\$//' u8.txt" "line 8: found 2 values, expected 3"
bad_text "a value out of range" "sed '8s/	[0-9]*\$/	256/' u8.txt" "line 8: found '256', expected u8"
bad_text "a word for a number" "sed '8s/	[0-9]*\$/	many/' f32.txt" "line 8: found 'many', expected f32"
bad_text "a float out of range" "sed '8s/	[0-9]*\$/	1e39/' f32.txt" "found '1e39'"
bad_text "a key that is none" "sed '8s/^/-/' f32.txt" "expected a key"
bad_text "an unknown type" "sed 's/^#type.*/#type	f64/' f32.txt" "line 3"
bad_text "more after the end" "cat u8.txt u8.txt" "says #end"
bad_text "no text of rows" "echo hello" "expected #ic-rows"
bad_text "an empty text" "true" "#end"

cuts()                  # cuts NAME STEP COMMAND: COMMAND, which reads "cut", fails for each beginning of NAME
{
	local n passed=0 size
	size=$(stat -c %s "$1")
	for ((n = 0; n < size; n += $2)); do
		head -c $n "$1" >cut
		if eval "$3" >/dev/null 2>&1; then echo "$n bytes pass" >&2; passed=1; fi
	done
	return $passed
}
text u8 3 8 0 >short.txt
ok "a text cut at any byte is refused" cuts short.txt 3 "ic-store load cut"
ic-store load short.txt >short.icr
ok "a stream cut at any byte is refused" cuts short.icr 5 "ic-store ls cut"
ok "a store cut at any byte is refused" cuts u8.mdb 997 "ic-store ls cut"
fails_with "ends after row 0 without its seal" "a producer that dies is noticed" \
	bash -c 'ic-store cat u8.mdb | head -c 100 | ic-store ls -'

# Verify
ok "verify" ic-store verify u8.mdb f32.mdb short.icr
text u32 30000 40 0 | ic-store load -o large.mdb
size=$(stat -c %s large.mdb)
cp large.mdb hurt.mdb
printf 'X' | dd of=hurt.mdb bs=1 seek=$((size * 3 / 4)) conv=notrunc 2>/dev/null
fails_with "is damaged" "a damaged store is named with its block" ic-store verify hurt.mdb
ok "it opens, though" ic-store ls hurt.mdb
fails_with "damaged: page" "damaged pages are refused at once" \
	bash -c 'cp u8.mdb page.mdb
	for p in 2 3 4 5 6 7 8; do printf "\377\377" | dd of=page.mdb bs=1 seek=$((p * 4096 + 10)) conv=notrunc 2>/dev/null; done
	ic-store ls page.mdb'
fails_with "u8.txt: found text, expected a row stream or row store" "a text is no store" ic-store ls u8.txt

# Joining
text f32 500 900 0 yes | ic-store load -o whole.mdb
text f32 500 400 0 yes | ic-store load -o a.mdb
text f32 500 500 400 yes | ic-store load >b.icr
ok "shards are joined" ic-store cat a.mdb b.icr -o joined.mdb
ok "to the file that was never in parts" cmp whole.mdb joined.mdb
fails_with "exists" "an existing output is refused" ic-store cat a.mdb b.icr -o joined.mdb
ok "-f overwrites it" ic-store cat a.mdb -f -o joined.mdb
fails_with "in the order of their keys" "shards in the wrong order" ic-store cat b.icr a.mdb -o c.mdb
fails_with "as in the first file" "shards of different width" ic-store cat f32.mdb whole.mdb -o c.mdb
text f32 500 9 900 | ic-store load -o plain.mdb
fails_with "found features rows of f32 500, expected features rows of f32 500 with labels" "shards without labels" \
	ic-store cat whole.mdb plain.mdb -o c.mdb
fails_with "meta lines" "shards of different meta" \
	bash -c 'sed s/net=test/net=best/ f32.txt | ic-store load -o best.mdb; ic-store cat f32.mdb best.mdb -o c.mdb'
ok "nothing is left of these" test ! -e c.mdb -a ! -e c.mdb.part

# Interruption: what is there already are rows of this input.
text f32 500 2000 0 >mine.txt
ic-store load mine.txt -o all.mdb
rows() { head -n $1 mine.txt; }
ic-store load <(rows 1800) -o mine.mdb 2>/dev/null
ok "rows of an input that was cut stay" test -f mine.mdb.part
other="mine.mdb.part: left by a command on other rows, remove it to begin anew"
at=$(grep -n '^#key' mine.txt | cut -d : -f 1)
for row in 1 300; do
	sed "$((at + row))s/\t[^\t]*$/\t77/" mine.txt >changed.txt
	fails_with "$other" "an input of another row $row does not go on from them" ic-store load changed.txt -o mine.mdb
	ic-store load changed.txt -o changed.mdb -f
	fails_with "$other" "nor do such rows joined" ic-store cat changed.mdb -o mine.mdb
done
{ rows $((at + 300)); echo '#end'; } >changed.txt
fails_with "$other" "nor one of fewer rows" ic-store load changed.txt -o mine.mdb
ok "the same input does" ic-store load mine.txt -o mine.mdb
ok "to the same file" cmp all.mdb mine.mdb

# Export
ok "npy" ic-store export f32.mdb -o f32.npy
printf '\223NUMPY\1\0v\0%-117s\n\1\2' "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2), }" >u8.npy
fails_with "u8.npy: found elements of type U8, expected floats" "bytes are no features" ic-store load u8.npy
ok "npy has header and rows" test "$(stat -c %s f32.npy)" = $((128 + 40 * 3 * 4))
check_same "npy has the values" "tail -c +129 f32.npy | od -An -v -w12 -tf4 | awk '{ print \$1 + 0, \$2 + 0, \$3 + 0 }'" \
	"grep -v '^#' f32.txt | awk '{ print \$3, \$4, \$5 }'"
fails_with "two arrays" "neighbours are no npy" ic-store export near.mdb -o near.npy
ok "safetensors" ic-store export near.mdb -o near.safetensors
ok "ids, distances, keys and labels" test "$(ic-store ls near.safetensors | cut -f 2-4 | tail -n 4 | sort | tr '\t\n' ' ;')" = \
	"distances F32 40x3;ids U32 40x3;keys U64 40;labels U32 40;"
exits 2 "export needs a name it knows" ic-store export f32.mdb -o f32.csv
fails_with "found no tensor G_ema.*" "a net that is not there" ic-store export --net G_ema near.safetensors -o g.safetensors
two_nets()              # a checkpoint of two nets, by hand
{
	local head='{"__metadata__":{"step":"3"},"G.w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"G_ema.w":{"dtype":"U8","shape":[3],"data_offsets":[2,5]}}'
	printf "\\x$(printf %x ${#head})\0\0\0\0\0\0\0%sabxyz" "$head"
}
two_nets >run.safetensors
fails_with "run.safetensors: found a checkpoint, expected --net" "all nets of a checkpoint" \
	ic-store export run.safetensors -o g.safetensors
ok "one net of a checkpoint" ic-store export --net G_ema run.safetensors -o g.safetensors
ok "without its prefix, with its data" test "$(ic-store ls g.safetensors | awk 'END { print $2, $3, $4 }') $(tail -c 3 g.safetensors)" = \
	"w U8 3 xyz"
quotes()                # nothing but an entry of metadata that is N quotes
{
	local head n
	head='{"__metadata__":{"long":"'$(printf '\\"%.0s' $(seq $1))'"}}'
	n=${#head}
	printf "\\x$(printf %x $((n % 256)))\\x$(printf %x $((n / 256)))\0\0\0\0\0\0%s" "$head"
}
quotes 9000 >long.safetensors
ok "metadata is listed whole" test "$(ic-store ls long.safetensors | tail -n 1 | tr -dc '"' | wc -c)" = 9000
ok "as JSON too" test "$(ic-store ls --json long.safetensors | grep -o 'u0022' | wc -l)" = 9000

# Pictures
{
	printf '#ic-rows\t1\n#kind\timages\n#type\tu8\n#width\t12\n#shape\t2\t2\t3\n#key\tlabel\tvalues\n'
	for i in 3 5 9; do printf '%d\t%d' $i $((i + 1)); printf '\t%d' $(seq 64 75); printf '\n'; done
	echo '#end'
} | ic-store load -o images.mdb
id=$(ic-store ls images.mdb | awk 'END { print $6 }')
ok "pictures in order" test "$(ic-store pam images.mdb | grep -ac "^# ic key=[359] label=[0-9]* at=[0-2] of=3 from=$id root=$id")" = 3
check_same "pictures by key" "printf '9\n# 3\n5 x\n' | ic-store pam --keys - images.mdb | grep -a '^# ic' | cut -d ' ' -f 3-6" \
	"printf 'key=9 label=10 at=0 of=2\nkey=5 label=6 at=1 of=2\n'"
check_same "rows as text are keys" "ic-store dump images.mdb | ic-store pam images.mdb --keys -" "ic-store pam images.mdb"
fails_with "no row has key 4" "a picture that is not there" bash -c 'echo 4 | ic-store pam images.mdb --keys - | cat; exit ${PIPESTATUS[1]}'
fails_with "expected a key" "a key that is none" bash -c 'echo four | ic-store pam images.mdb --keys - | cat; exit ${PIPESTATUS[1]}'
fails_with "images.mdb: found a row store, expected lines that begin with a key" "a store is no list of keys" \
	bash -c 'ic-store pam --keys images.mdb images.mdb | cat; exit ${PIPESTATUS[0]}'
fails_with "standard input: found a row stream, expected a store for --keys" "nor a stream a store" \
	bash -c 'ic-store cat images.mdb | ic-store pam - --keys /dev/null | cat; exit ${PIPESTATUS[1]}'
check_same "a stream of unknown length has the same pictures" "ic-store cat images.mdb | ic-store pam -" \
	"ic-store pam images.mdb | sed 's/ at=.*//'"
counted() { ic-store cat images.mdb | { head -c 16 && printf '\3\0\0\0\0\0\0\0' && tail -c +9; }; }
check_same "one that says its length numbers them" "counted | ic-store pam -" "ic-store pam images.mdb | sed 's/ from=.*//'"
fails_with "ends after row" "a stream cut short gives fewer pictures, and fails" \
	bash -c 'ic-store cat images.mdb | head -c 200 | ic-store pam - | cat; exit ${PIPESTATUS[2]}'
fails_with "f32.mdb: found a row store, expected text as ic-store dump writes" "a store is no text" ic-store load f32.mdb
fails_with "expected pictures" "features are no pictures" bash -c 'ic-store pam f32.mdb | cat; exit ${PIPESTATUS[0]}'

# Full disks, wrong command lines
for what in "dump whole.mdb" "load f32.txt" "cat whole.mdb" "pam images.mdb" "ls whole.mdb" "verify whole.mdb"; do
	fails_with "No space left" "$what to a full disk" bash -c "ic-store $what >/dev/full"
done
fails_with "No space left" "-o /dev/full" ic-store load f32.txt -o /dev/full
exits 2 "no command" ic-store
exits 2 "an unknown command" ic-store frobnicate f32.mdb
exits 2 "an unknown option" ic-store ls --frobnicate f32.mdb
exits 2 "an option of another command" ic-store dump --keys k f32.mdb
exits 2 "no file" ic-store ls
exits 2 "a file too many" ic-store dump f32.mdb u8.mdb
fails_with "No such file" "a missing file" ic-store ls none.mdb
fails_with "folder" "a folder" ic-store ls .

# Interruption: a pause in the input, a signal, and the same command again
text f32 2000 800 0 >rows.txt
ic-store load rows.txt -o whole2.mdb
mkfifo pipe
ic-store load pipe -o torn.mdb 2>stop.err &
loader=$!
{ head -n 700 rows.txt; touch fed; sleep 20; } >pipe 2>/dev/null &
feeder=$!
while [ ! -e fed ]; do sleep 0.05; done
sleep 0.3
kill -TERM $loader
wait $loader
status=$?
kill $feeder 2>/dev/null
ok "SIGTERM ends it with status 75" test $status = 75
ok "and says how to go on" grep -q "goes on from here" stop.err
ok "a part is left" test -e torn.mdb.part -a ! -e torn.mdb
fails_with "not sealed" "which is no store yet" ic-store ls torn.mdb.part
cp torn.mdb.part kept.part
sed 's/^#key/#meta\tnet=other\n&/' rows.txt >other.txt
fails_with "torn.mdb.part: left by a command with '', now 'net=other' (-f starts afresh)" "another command leaves it alone" \
	ic-store load other.txt -o torn.mdb
sed 's/^#key/#from\t00000000000000aa\n&/' rows.txt >other.txt
fails_with "torn.mdb.part: left by a command on other rows (-f starts afresh)" "as does the same one on others" \
	ic-store load other.txt -o torn.mdb
ok "byte for byte" cmp torn.mdb.part kept.part
cp kept.part forced.mdb.part
ok "unless it is told to start afresh" ic-store load -f other.txt -o forced.mdb
ic-store load pipe -o torn.mdb &
loader=$!
cat rows.txt >pipe
ok "the same command goes on" wait $loader
ok "to the same file" cmp torn.mdb whole2.mdb

done_testing
