# long-run: what a run of days needs: states kept aside, kills at any moment, collapses, an end when
# the score stands still.
. tests/tap.sh
. tests/pictures.sh
cd "$TMP" || exit 1

ok "fixture" eval 'shapes 40 | ic-pack --size 32 - -o a.mdb && ic-embed a.mdb -o f.mdb &&
	ic-knn -k 4 f.mdb -o n.mdb'
data="a.mdb f.mdb n.mdb"
small="--ch 2 -b 4 --ema-start 2"
meta()
{
	ic-store ls --json "$1" | sed -n "s/.*\"meta\":\"$2=\([^\"]*\)\"}/\1/p"
}

# Of eleven steps, with a look at 0, 3, 6, 9 and 11.
shown="--every 12 --keep 3 --score f.mdb --score-samples 8"
# What a run of that name writes.
out()
{
	echo "-o $1.st $small $shown --log $1.jsonl --pictures $1.pam --tb $1.tb"
}
ok "a run of eleven steps" ic-train $data $(out w) --steps 11
check_same "the last three states are kept" "ls w.st*" "printf 'w.st%s\n' '' .11 .6 .9 .best"
check_same "the last of them is the output" "cat w.st.11" "cat w.st"
ok "an earlier one samples" eval 'ic-sample w.st.6 f.mdb -n 2 | ic-grid -o w.png -'
best_step()
{
	sed -n 's/.*"step":\([0-9]*\),.*"fd":\([^,]*\).*/\2 \1/p' "$1" | sort -g |
		awk 'NR == 1 { print $2 }'
}
check_same "the best is the one of the lowest score" 'best_step w.jsonl' \
	'meta w.st.best step'
check_same "the log says at each score which is the best" \
	"tail -n 1 w.jsonl | sed 's/.*best_step\":\([0-9]*\).*/\1/'" "best_step w.jsonl"

check_same "the pictures say what training had seen" \
	"grep -a '^# ic' w.pam | sed -n 's/.*seen=//p' | uniq -c | tr -s ' '" \
	"printf ' 16 %s\n' 0 12 24 36 44"
check_same "so do the events: a version, a sheet each time, the step of ten" \
	"grep -ao 'samples\|brain.Event:2\|loss/g' w.tb/* | sort | uniq -c | tr -s ' '" \
	"printf ' %s\n' '1 brain.Event:2' '1 loss/g' '5 samples'"
ok "ic-grid writes it below them" ic-grid --columns 16 --labels w.pam -o w-labels.png

same_files()
{
	local f
	for f in st st.9 st.6 st.best jsonl pam tb/events.out.tfevents.ic-train; do
		cmp $1.$f w.$f >&2 || return
	done
	! ls $1.* | grep -E 'part|new$' >&2
}

# Killed over and over, as soon as any file of it changes, or the state to go on from does.
killed()
{
	local pid old watched kills=0
	for watched in 'k.*' 'k.st.[0b]*' k.st.part 'k.tb/*' k.st.part k.jsonl k.st.part 'k.st*' \
		k.pam; do
		old=$(stat -c %n%i%Y%s $watched 2>/dev/null)
		ic-train $data $(out k) --steps 11 & pid=$!
		while [ "$(stat -c %n%i%Y%s $watched 2>/dev/null)" = "$old" ]; do sleep 0.01; done
		kill -KILL $pid && kills=$((kills + 1))
		wait $pid
		[ ! -e k.st ] || break
	done
	echo "$kills kills" >&2
	[ $kills -gt 4 ] && { [ -e k.st ] || ic-train $data $(out k) --steps 11; }
}
ok "killed whenever a file changes, it ends all the same" killed
ok "with all files those of the whole run" same_files k

# What is left when a kill comes after the log and before the state.
ahead()
{
	cp w.st.6 x.st.part && cp w.st.6 x.st.6 && cp w.st.9 x.st.9 && cp w.jsonl x.jsonl &&
		cp w.pam x.pam && cp -r w.tb x.tb || return
	printf '{"step":11,"ima' >>x.jsonl
	printf 'P7\n# ic key=0' >>x.pam
	printf '\37\0\0\0\0\0\0\0abcdefgh' >>x.tb/*
	meta w.st.best step >step && [ "$(cat step)" -gt 6 ] || cp w.st.best x.st.best
	ic-train $data $(out x) --steps 11
}
ok "files ahead of the state are taken back to it" ahead
ok "and end as those of the whole run" same_files x

# The newest state damaged.
ok "a run of six steps" eval 'ic-train $data -o d.st $small $shown --steps 6 &&
	mv d.st d.st.whole && head -c 5000 d.st.whole >d.st.part && rm d.st.whole d.st.6 d.st.best'
fails_with "d.st.3 is an earlier state: moved to d.st.part" \
	"a damaged state is refused, and an earlier one named" \
	ic-train $data -o d.st $small $shown --steps 11
ok "moved there, the run goes on from it" eval 'mv d.st.3 d.st.part &&
	ic-train $data -o d.st $small $shown --steps 11'
check_same "to the same end" "cat d.st" "cat w.st"
ok "the state is gone, those kept are not" rm -f d.st d.st.best
fails_with "a state of another run" "they are not mixed with a new run" \
	ic-train $data -o d.st $small $shown --steps 3
fails_with "a state of another run" "nor with one that keeps none" \
	ic-train $data -o d.st $small --steps 3
ok "which removes them, too, with -f" eval 'cp -r . ../copy && cd ../copy && ic-train -f $data -o d.st $small --steps 3'
check_same "all of them" "ls ../copy/d.st*" "echo ../copy/d.st"
ok "-f starts afresh" ic-train -f $data -o d.st $small $shown --steps 3
check_same "with nothing of the other run left" "ls d.st*" "printf 'd.st%s\n' '' .0 .3 .best"

# Patience: the score of a generator that does not learn is measured on the same samples each time.
still="--ch 2 -b 4 --lr-g 0 --lr-d 0 --ema-start 0 --ema 1 --every 4 --score f.mdb --score-samples 4
	--patience 3"
ok "a score that stands still ends the run" ic-train $data -o p.st $still --log p.jsonl
check_same "after three looks" "tail -n 1 p.jsonl | sed 's/,\"fd.*best/ best/'" \
	"echo '{\"step\":3,\"images\":12 best_step\":0,\"stop\":\"patience\"}'"
ok "two steps of the same" ic-train $data -o q.st $still --log q.jsonl --steps 2
ok "taken up, it decides the same" eval 'mv q.st q.st.part &&
	ic-train $data -o q.st $still --log q.jsonl'
check_same "its log too" "cat q.jsonl" "cat p.jsonl"
check_same "and its state" "cat q.st" "cat p.st"
exits 2 "patience without a score" ic-train $data -o x.st --patience 3
exits 2 "no end at all" ic-train $data -o x.st --score f.mdb

# Collapses.  A learning rate of 1 leaves a generator that ignores what it is given.
mad="--ch 2 -b 4 --lr-g 1 --lr-d 4e-4 --every 12"
ok "warn: the run goes on" ic-train $data -o c.st $mad --steps 20 --log c.jsonl
check_same "with a record at each look at its health" "grep collapse c.jsonl" \
	"for s in 3 6 9 10 12 15 18 20; do
		echo '{\"step\":'\$s',\"images\":'\$((4 * s))',\"collapse\":\"variance\"}'; done"
fails_with "step 3: the generated pictures differ by" "stop: the run fails" \
	ic-train $data -o s.st $mad --steps 20 --log s.jsonl --on-collapse stop
ok "the state before it is untouched" eval '[ "$(meta s.st.part step)" = 0 ] && [ ! -e s.st ]'
fails_with "real images score 0 above" "a discriminator that says nothing" \
	ic-train $data -o s2.st --ch 2 -b 4 --lr-d 1 --every 12 --steps 20 --on-collapse stop
fails_with "given up after 8 returns" "rollback: in vain, eight times" \
	ic-train $data -o r.st $mad --steps 20 --log r.jsonl --keep 2 --on-collapse rollback
check_same "each is in the log" "grep -o '\"returns\":[0-9]*' r.jsonl" \
	"for i in 1 2 3 4 5 6 7 8; do echo '\"returns\":'\$i; done"
exits 2 "rollback without states to go back to" \
	ic-train $data -o x.st $mad --steps 1 --on-collapse rollback

ok "a state with a NaN that no loss can show" eval 'ic-train $data -o i.st $small --steps 2 &&
	mv i.st i.st.part && nan_at i.st.part G.shared.weight'
fails_with "step 3: a weight is not finite" "the last state is judged too" \
	ic-train $data -o i.st $small --steps 3
ok "it is not the output" test ! -e i.st
# In the present state; the state kept aside is good.
poisoned()
{
	ic-train $data -o "$1.st" $small --every 12 --keep 2 --steps 6 --log "$1.jsonl" \
		--tb "$1.tb" && rm "$1.st" && cp "$1.st.6" "$1.st.part" && nan_at "$1.st.part" G.linear.weight
}
go="$small --every 12 --keep 2 --steps 11"
ok "a state with a NaN" poisoned n
fails_with "step 7: the discriminator's loss is not finite" \
	"what is not finite ends the run, even with warn" \
	ic-train $data -o n.st $go --log n.jsonl --tb n.tb
ok "rollback goes on from before" \
	ic-train $data -o n.st $go --log n.jsonl --tb n.tb --on-collapse rollback
check_same "and says so in the log" "grep returns n.jsonl | cut -d, -f3-" \
	"echo '\"returns\":1,\"return_from\":7,\"collapse\":\"not finite\"}'"
ok "the same run without the NaN" ic-train $data -o m.st $go
ok "from there its draws were others" eval '! cmp -s n.st m.st'
ok "the same again" poisoned o
returning()
{
	local pid
	ic-train $data -o o.st $go --log o.jsonl --tb o.tb --on-collapse rollback & pid=$!
	while [ "$(meta o.st.part returns)" != 1 ] && kill -0 $pid; do :; done
	kill -KILL $pid && wait $pid
	[ $? -eq 137 ]
}
ok "killed when it has gone back" returning
ok "and resumed" ic-train $data -o o.st $go --log o.jsonl --tb o.tb --on-collapse rollback
check_same "ends with the same state" "cat o.st" "cat n.st"
check_same "the same log" "cat o.jsonl" "cat n.jsonl"
check_same "and the same events" "cat o.tb/*" "cat n.tb/*"
done_testing
