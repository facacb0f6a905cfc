# demo: the whole pipeline on a handful of pictures; then that nothing current is redone, and a changed option redoes
# exactly what depends on it.
. tests/tap.sh

out=$TMP/demo
demo()
{
	make --no-print-directory -f pipelines/demo.mk OUT="$out" IMAGES=160 NEIGHBOURS=5 \
		train="--minutes 0.02 --score-samples 32" "$@"
}

# redone VARIABLE=VALUE: the files that make would make again, one a line.
redone()
{
	demo -n "$@" | sed -n "s|^pipelines/timed $out/\([^ ]*\) .*|\1|p" | sort
}

ok "the demo runs from pictures to its table" demo
cp "$TMP/.out" "$TMP/table"
ok "the table has the three distances" grep -qE '^real, held out +[0-9.]+$' "$TMP/table"
ok "sheet" test -s "$out/sheet.png"
ok "curves" test -s "$out/curves.png"
ok "progress" test -s "$out/progress.png"
check_same "a second run redoes nothing" "redone" true
check_same "other training: the run and what comes from it" "redone train=--steps=2" \
	"printf '%s\n' run.fid.tsv run.safetensors"
check_same "other neighbours: not the features, not the instances" "redone NEIGHBOURS=4" \
	"printf '%s\n' images.near.mdb run.fid.tsv run.safetensors untrained.fid.tsv untrained.safetensors"
check_same "other pictures: everything" "redone IMAGES=200 | wc -l" "ls $out/*.time | wc -l"
done_testing
