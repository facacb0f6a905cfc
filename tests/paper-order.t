# paper-order: the experiment end to end on a handful of pictures: a line for each kind, and a second
# seed that keeps the first.
. tests/tap.sh

out=$TMP/order
order()
{
	make --no-print-directory -s -f pipelines/paper-order.mk OUT="$out" IMAGES=120 SEEN=24 SAMPLES=24 NEIGHBOURS=5 \
		CLUSTERS=6 CH=2 BATCH=8 "$@"
}

ok "six kinds, one seed" order SEEDS=1
sed -n '/^#kind/,$p' "$TMP/.out" >"$TMP/one"
check_same "the table" "awk -F'\t' '{ print \$1, NF }' $TMP/one" \
	"printf '%s\n' '#kind 6' 'none 6' 'class 6' 'cluster 6' 'instance 6' 'flip 6' 'da 6'"
ok "two seeds" order "SEEDS=1 2"
sed -n '/^#kind/,$p' "$TMP/.out" >"$TMP/two"
check_same "the first seed's distances stay" "cut -f 1-3 $TMP/two" "cut -f 1-3 $TMP/one"
check_same "the mean, and half the difference as its error" "awk -F'\t' 'NR > 1 {
	print (\$2 + \$4) / 2 - \$6 < 0.02, (\$2 - \$4) ^ 2 / 4 - \$7 ^ 2 < 0.02 * (\$7 + 1) }' $TMP/two | sort -u" "echo 1 1"
ok "longer, a run goes on from where it ended" eval \
	'order SEEN=48 KINDS=none SEEDS=1 2>$TMP/said && grep -q "none.1.safetensors: going on after step" $TMP/said'
: >"$out/none.1.safetensors.time"
fails_with "order: none: " "no table of what is missing" order SEEN=48 KINDS=none SEEDS=1
done_testing
