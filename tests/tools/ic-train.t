# ic-train: resumption to the same bytes, threads, conditioning, names of the checkpoint, lineage, refusals.
. tests/tap.sh
. tests/pictures.sh
root=$PWD
cd "$TMP" || exit 1

# store NAME N PHASE: N discs and bars in two classes, their features and neighbours.
store()
{
	mkdir -p "$1/disc" "$1/bar" &&
		shapes "$2" "$3" | awk -v dir="$1" 'BEGIN { RS = "P6\n" } NR > 1 { f = sprintf("%s/%s/%02d.ppm", dir, NR % 2 ? "disc" : "bar", NR); \
			printf "P6\n%s", $0 >f; close(f) }' && ic-pack --size 32 "$1" -o "$1.mdb" && ic-embed "$1.mdb" -o "$1.feats.mdb" &&
		ic-knn -k 4 "$1.feats.mdb" -o "$1.near.mdb"
}
ok "fixture" eval 'store a 40 0 && store b 40 5'
A="a.mdb a.feats.mdb a.near.mdb"
small="--ch 2 -b 8 --ema-start 2"

ok "nine steps" ic-train $A -o whole.st $small --steps 9 --every 24 --log whole.jsonl --pictures whole.pam \
	--score a.feats.mdb --score-samples 20
ok "the log begins with the name of the run" eval 'head -n 1 whole.jsonl | grep -qx "{.step.:0,.images.:0,.run.:.[0-9a-f]\{16\}.}"'
check_same "and has the step of ten and the scores" \
	"sed '1d;s/,\"fd\":[^,]*//; s/,\"best.*/}/' whole.jsonl" 'for s in 0 3 6 9; do echo "{\"step\":$s,\"images\":$((8 * s)),\"samples\":20}"; done'
check_same "pictures: a row at the start and each 24 images" "ic-grid whole.pam --columns 16 --scale 1 --gap 0 -o - |
	od -An -tu1 -j16 -N8 | awk '{ print \$4, \$8 / 32 }'" 'echo 0 4'
ok "the same on one thread" ic-train $A -o one.st $small --steps 9 --every 24 -t 1 --score a.feats.mdb \
	--score-samples 20
check_same "the same bytes from 1 thread as from 2" "cat one.st" "cat whole.st"

# Killed with SIGKILL after its second checkpoint, then with SIGTERM, and resumed.
interrupt()
{
	local signal=$1 pid
	ic-train $A -o cut.st $small --steps 9 --every 24 --log cut.jsonl --pictures cut.pam --score a.feats.mdb \
		--score-samples 20 &
	pid=$!
	for i in $(seq 400); do
		[ -e cut.jsonl ] && [ "$(grep -c fd cut.jsonl)" -gt "$2" ] && [ -e cut.st.part ] && break
		sleep 0.02
	done
	kill -"$signal" $pid
	wait $pid
	local status=$?
	[ ! -e cut.st ] && [ -e cut.st.part ] && [ $status -eq "$3" ]
}
ok "SIGKILL leaves a checkpoint and no output" interrupt KILL 2 137
# Zeros are what a crash of the machine leaves of a line.
printf '\0\0\n' >>cut.jsonl
ok "the rest of the run" ic-train $A -o cut.st $small --steps 9 --every 24 --log cut.jsonl --pictures cut.pam \
	--score a.feats.mdb --score-samples 20
check_same "killed and resumed ends with the same checkpoint" "cat cut.st" "cat whole.st"
check_same "its log has no gap and no repeat" "cat cut.jsonl" "cat whole.jsonl"
check_same "nor have its pictures" "cat cut.pam" "cat whole.pam"
rm cut.*
ok "SIGTERM ends with status 75" interrupt TERM 1 75
cp "$TMP/.err" term.err
ok "and says how to go on" grep -q "stopped by SIGTERM; the same command goes on from here" term.err
fails_with "left by a run with" "another option does not resume it" ic-train $A -o cut.st --ch 3 -b 8 --ema-start 2 --steps 9 --every 24
ok "the same command does" ic-train $A -o cut.st $small --steps 9 --every 24 --score a.feats.mdb --score-samples 20
check_same "to the same checkpoint" "cat cut.st" "cat whole.st"

# Two of them on one output: the second is refused, and the first may be killed at that.
two_writers()
{
	local pid
	ic-train $A -o two.st $small --steps 100000 2>/dev/null & pid=$!
	until [ -s two.st.lock ]; do kill -0 $pid || return; done
	for more in "" -f; do
		ic-train $A -o two.st $small --steps 1 $more 2>said
		[ $? -eq 1 ] && grep -qx "ic-train: two.st: another ic-train (pid $pid) writes it" said || { cat said >&2; break; }
	done
	kill -KILL $pid && wait $pid
	[ $? -eq 137 ] && grep -q "another ic-train" said && ic-train $A -o two.st $small --steps 1 -f && [ ! -e two.st.lock ]
}
ok "a second writer is refused by name, a killed one is in nobody's way" two_writers

ok "the same with activations computed again" ic-train $A -o again.st $small --steps 9 --every 24 --score a.feats.mdb \
	--score-samples 20 --recompute
check_same "the same bytes" "cat again.st" "cat whole.st"

# A finished run is gone on with when the end is later.
on="$A -o on.st $small --every 24 --log on.jsonl --pictures on.pam --score a.feats.mdb --score-samples 20"
ok "six steps" ic-train $on --steps 6
fails_with "on.st: exists, a run that ended after step 6" "which are all there are" ic-train $on --steps 6
fails_with "on.st: exists" "and more than five" ic-train $on --steps 5
fails_with "on.st: exists" "no minutes are no later end" ic-train $on --steps -1 --minutes 0
fails_with "on.st: left by a run with batch = 8, now batch = 4" "another run does not go on" ic-train $on --steps 9 -b 4
cp on.st six.st
ok "to nine steps" ic-train $on --steps 9
check_same "as if there had been no end between" "cat on.st on.jsonl on.pam" "cat whole.st whole.jsonl whole.pam"
ok "-f starts afresh" ic-train $on --steps 6 -f
check_same "as it did at first" "cat on.st" "cat six.st"
ok "but goes on where it can" eval 'ic-train $on --steps 9 -f 2>said && grep -q "going on after step 6" said'
check_same "to the same end" "cat on.st" "cat whole.st"
ok "and starts afresh for an earlier one" ic-train $on --steps 6 -f
killed()
{
	ic-train $on --steps 100000 & local pid=$!
	until [ -e on.st.part ]; do kill -0 $pid || return; sleep 0.02; done
	kill -KILL $pid && wait $pid
	[ $? -eq 137 ] && cmp on.st six.st
}
ok "going on leaves the output alone, also when killed" killed
fails_with "left by a run with batch = 8" "what that left is not for another run" ic-train $on --steps 9 -b 4
ok "it is gone on from, not from the output" eval 'cp whole.st on.st.part && ic-train $on --steps 9 && [ ! -e on.st.part ]'
check_same "to its own end" "cat on.st" "cat whole.st"
fails_with "it exists, -f overwrites it" "an output that is no run" ic-train $A -o whole.jsonl $small --steps 1
for n in "" --class; do
	ok "without instances $n" ic-train a.mdb -o n$n.st $small --steps 1 $n
done
ok "with instances and labels" ic-train $A --class --flip -o both.st $small --steps 1
ok "flipped features" eval 'ic-embed a.mdb -o p.mdb --flipped q.mdb && ic-train $A --flipped q.mdb -o q.st $small --steps 1'

more="--ch 2 -b 4 --accumulate 2 --d-steps 2 --diffaug translation,color,cutout"
ok "several batches to a step, augmented" ic-train $A -o more.st $more --steps 10 --log more.jsonl
ok "the same on one thread" ic-train $A -o one.st -f $more --steps 10 -t 1
check_same "the same bytes from 1 thread" "cat one.st" "cat more.st"
ok "four steps, and on to ten" eval 'ic-train $A -o r.st $more --steps 4 && ic-train $A -o r.st $more --steps 10'
check_same "the same bytes again" "cat r.st" "cat more.st"
check_same "all its batches are counted" "sed '1d;s/,\"d_real.*//' more.jsonl" 'echo "{\"step\":10,\"images\":80"'
exits 2 "no such augmentation" ic-train $A -o x.st --steps 1 --diffaug translation,blur

check_same "a dry run counts images, side and steps to an epoch" "ic-train --dry-run $A $small --accumulate 2 | cut -f1,2,10" \
	"printf '#images\tside\tsteps_per_epoch\n40\t32\t2\n'"
# Attribute 7 of a convolution tells apart those of its image as it is, upsampled and before pooling.
ok "a tape as lines" ic-train --dry-run $A $small --dump-tape tape.tsv
check_same "says what each instruction does" "awk -F'\t' '\$2 == \"conv\" { split(\$5, a, \",\"); print a[8] }' tape.tsv | sort -u" "seq 0 2"
# The plan of --dry-run and what a run really takes, for networks whose arena outweighs the program by far.
agrees()
{
	ic-train "$@" --dry-run --json >plan.json || return 1
	ic-train "$@" -o m.st -f --steps 2 -v 2>said || return 1
	awk -v most="$(sed -n 's/.* \([0-9]*\) MiB at most.*/\1/p' said)" -F '[:,]' '{
		for (i = 1; i < NF; i++) if ($i == "\"total_bytes\"") total = $(i + 1) / 1048576
		print "planned", total, "taken", most
		exit !(most > 0.9 * total && most < 1.1 * total + 20)
	}' plan.json >&2
}
case $(ldd "$(command -v ic-train)") in
*libasan*) echo "ok $((++tap_ran)) - the plan is what a run takes # skip: a sanitizer takes its own" ;;
*) for more in "" "--recompute" "--class --accumulate 2 --diffaug color,translation"; do
	ok "the plan is what a run takes $more" agrees $A --ch 16 -b 48 $more
done
ok "and one of StyleGAN2 that shows large pictures" eval 'shapes 9 | ic-pack --size 256 - -o large.mdb &&
	agrees large.mdb --backbone stylegan2 --ch 1 -b 4 --pictures large.pam'
ok "and one whose moves are of several batches" eval 'shapes 9 | ic-pack --size 16 - -o tiny.mdb &&
	agrees tiny.mdb --backbone stylegan2 --ch 16 -b 4 --accumulate 2' ;;
esac

# field NAME: of the one line of a dry run.
field()
{
	awk -F '\t' -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i } NR == 2 { print $at }'
}
largest()
{
	ic-train --dry-run $A --ch 4 "$@" | field largest_batch
}
ok "the largest batch is the largest" eval 'n=$(largest --memory 64M) && [ "$n" -gt 2 ] &&
	ic-train $A -o fits.st --ch 4 --memory 64M -b $n --steps 0 &&
	! ic-train $A -o n1.st --ch 4 --memory 64M -b $((n + 1)) --steps 0 2>err && [ ! -e n1.st ] &&
	grep -q -- "fit are of $n, with --recompute of $(largest --memory 64M --recompute)" err'
check_same "no batch fits" "largest --memory 1K" "echo 0"
exits 2 "a size that is none" ic-train $A --dry-run --memory 12Q
ok "the largest batch that can be counted" eval 'shapes 1 | ic-pack --size 128 - -o s128.mdb &&
	ic-train s128.mdb --dry-run -b 58254 --memory 1M'
fails_with "blocks.0.0.conv1.weight: 2415919104 numbers, expected fewer than 2^30" "nor can weights of any size" \
	ic-train s128.mdb --ch 1024 --dry-run
fails_with "batches of 58255 pictures: expected at most 58254" "one more" ic-train s128.mdb --dry-run -b 58255


# Names, order and shapes of an exported generator: those of the published one.
ok "export of the averaged generator" ic-store export --net G_ema whole.st -o g.safetensors
ok "it samples the same" eval 'ic-sample whole.st a.feats.mdb -n 5 >s1 && ic-sample g.safetensors a.feats.mdb -n 5 >s2'
check_same "the same pictures, of the same model" "cat s1" "cat s2"

fails_with "made from images" "features of other images" ic-train a.mdb b.feats.mdb a.near.mdb -o x.st --steps 1
fails_with "made from images" "neighbours of other images" ic-train a.mdb a.feats.mdb b.near.mdb -o x.st --steps 1
fails_with "holds features" "features in place of images" ic-train a.feats.mdb -o x.st --steps 1
fails_with "no labels" "--class without labels" eval 'shapes 9 | ic-pack --size 32 - -o l.mdb && ic-train l.mdb --class -o x.st --steps 1'
ok "a store without rows" eval 'ic-store dump a.feats.mdb | grep "^#" | ic-store load -o none.mdb'
fails_with "none.mdb: no instances, expected at least one" "no instances to show" \
	ic-train $A -o x.st $small --steps 1 --instances none.mdb --pictures none.pam
fails_with "none.mdb: 0 rows, expected at least two" "nor any to measure to" \
	ic-train $A -o x.st $small --steps 1 --score none.mdb --log none.jsonl
ok "a row that is no number" eval "ic-store dump a.feats.mdb | awk -F'\t' -v OFS='\t' '/^7\t/ { \$3 = \"nan\" } 1' | ic-store load -o none.nan.mdb"
fails_with "none.nan.mdb: key 7: a row that is not finite" "nor that" \
	ic-train $A -o x.st $small --steps 1 --score none.nan.mdb --log none.jsonl
check_same "which leave no log and no pictures" "ls none.[jp]*; true" true
fails_with "m.mdb: images of 48 pixels, expected a side of 32, 64, 128 or 256" "images of another side" eval 'shapes 9 | ic-pack --size 48 - -o m.mdb && ic-train m.mdb -o x.st --steps 1'
exits 2 "no output" ic-train $A --steps 1
exits 2 "no end" ic-train $A -o x.st
exits 2 "two operands" ic-train a.mdb a.feats.mdb -o x.st --steps 1
exits 2 "an unknown option" ic-train $A -o x.st --stepz 1
# wide: the same pictures twice side by side; grey: one channel of them.
ic-store dump l.mdb | awk -F '\t' -v OFS='\t' '/^#width/ { $2 *= 2 } /^#shape/ { $3 *= 2 } /^#/ { print; next }
	{ row = $0; sub(/^[0-9]*\t/, "", row); print $0, row }' | ic-store load -o wide.mdb
ic-store dump l.mdb | awk -F '\t' -v OFS='\t' '/^#width/ { $2 /= 3 } /^#shape/ { $4 = 1 } /^#/ { print; next } { NF = 1025; print }' |
	ic-store load -o grey.mdb
fails_with "wide.mdb: found pictures of 64x32 in 3 channels, expected squares in 3" "images that are not square" \
	ic-train wide.mdb -o x.st --steps 1
fails_with "grey.mdb: found pictures of 32x32 in 1 channels" "images without colours" ic-train grey.mdb -o x.st --steps 1
fails_with "not a regular file" "a device as output" ic-train $A -o /dev/full $small --steps 1 -f
fails_with "No such file" "no such folder" ic-train $A -o no/such.st $small --steps 1
fails_with "whole.jsonl: exists" "the log of another run" ic-train $A -o x.st $small --steps 1 --log whole.jsonl
fails_with "whole.pam: exists" "or its pictures" ic-train $A -o x.st $small --steps 1 --pictures whole.pam
head -n 1 whole.jsonl >begun
ok "a log of this run that was only begun is taken up" ic-train $A -o begun.st $small --steps 1 --every 24 --log begun
ok "events" ic-train $A -o w.st $small --every 8 --steps 1 --tb w.tb
cp -r w.tb kept.tb
fails_with "w.tb/events.out.tfevents.ic-train: exists (-f" "or its events" ic-train $A -o y.st $small --steps 1 --tb w.tb
ok "they are as they were, and gone on with by their run alone" eval 'cmp w.tb/* kept.tb/* &&
	ic-train $A -o w.st $small --every 8 --steps 3 --tb w.tb &&
	ic-train $A -o y.st $small --every 8 --steps 3 --tb y.tb && cmp w.tb/* y.tb/*'
ok "-f overwrites them" eval 'ic-train $A -o y.st $small --every 8 --steps 1 -f --tb w.tb && cmp w.tb/* kept.tb/*'
echo kept >y.tb/events.out.tfevents.ic-train
fails_with "events.out.tfevents.ic-train: exists, not of this run" "a file of something else" \
	ic-train $A -o w.st $small --every 8 --steps 4 --tb y.tb
check_same "which is kept" "cat y.tb/*" "echo kept"
rm y.st
exits 2 "a log over what is read" ic-train $A -o x.st $small --steps 1 -f --log a.feats.mdb
fails_with "No space" "a log that cannot be written" ic-train $A -o x.st $small --steps 10 --log /dev/full
ok "log and pictures to standard output" eval 'ic-train $A -o s.st $small --steps 9 --every 24 --score a.feats.mdb \
	--score-samples 20 --log - >s.jsonl && ic-train $A -o t.st $small --steps 3 --every 24 --pictures - | cat >t.pam &&
	ic-train $A -o t.st $small --steps 9 --every 24 --pictures - >>t.pam && [ ! -e - ]'
check_same "are those of files, of a run that was gone on with too" "cat s.jsonl t.pam" "cat whole.jsonl whole.pam"
exits 2 "both there" ic-train $A -o y.st $small --steps 1 --log - --pictures -
fails_with "No space" "pictures that cannot be written" ic-train $A -o y.st $small --steps 1 --pictures /dev/full
if command -v script >/dev/null; then
	script -qec "ic-train $A -o y.st -f $small --steps 1 --pictures -" said >/dev/null 2>&1 </dev/null
	ok "pictures to a terminal" eval 'grep -q "standard output: found a terminal" said && [ ! -e y.st ]'
	script -qec "IC_PROGRESS=1 ic-train $A -o tty.st $small --steps 40 --log -" tty.txt >/dev/null 2>&1 </dev/null
	check_same "log lines on a terminal, progress erased" "tr -s '\r' '\n' <tty.txt | sed 's/^\x1b\[K//' | grep -o '^{.*'" \
		"ic-train $A -o tty.st -f $small --steps 40 --log -; rm tty.st"
else
	tap_result 0 "on a terminal # skip no script"
fi
echo kept >kept
cp a.feats.mdb feats.kept
five="$A -o five.st $small --every 24 --seed 2"
ok "five steps" ic-train $five --steps 5
fails_with "kept: exists, not of this run (-f" "a run that goes on with a log that is none" ic-train $five --steps 6 --log kept
# Files of a run that is further: cut to where this one is they would be shorter.
cp whole.jsonl other
fails_with "other: exists, not of this run (-f" "or the log of another run" ic-train $five --steps 6 --log other
fails_with "whole.pam: exists, not of this run (-f" "or its pictures" ic-train $five --steps 6 --pictures whole.pam
fails_with "w.tb/events.out.tfevents.ic-train: exists, not of this run (-f" "or its events" ic-train $five --steps 6 --tb w.tb
ok "the log is as it was" cmp whole.jsonl other
ok "-f overwrites it" ic-train $five --steps 6 -f --log other
check_same "with its own" "cat other" "ic-train $five --steps 1 -f --log -"
rm five.st*
for o in log pictures; do
	fails_with "kept: exists (-f overwrites)" "--$o of a new run on a file that is there" \
		ic-train $A -o x.st $small --steps 1 --$o kept
	fails_with "--$o: found a.feats.mdb, which is read" "nor on a store of the run" \
		ic-train $A -o x.st $small --steps 1 -f --$o a.feats.mdb
done
ok "they are as they were" eval 'cmp a.feats.mdb feats.kept && test "$(cat kept)" = kept && test ! -e x.st'
ok "-f overwrites the log" ic-train $A -o x.st $small --steps 10 -f --log kept
ok "with its own" eval 'head -c 8 kept | grep -q "{.step.:"'
rm x.st

# A checkpoint cut at every 97th byte (of its head, then more widely) is refused by every reader.
cuts()
{
	local size bytes
	size=$(stat -c %s g.safetensors)
	for bytes in $(seq 0 97 20000) $(seq 20000 9973 $((size - 1))) $((size - 1)); do
		head -c "$bytes" g.safetensors >c.st
		ic-sample c.st a.feats.mdb -n 1 >/dev/null 2>cut.err && { echo "accepted $bytes of $size bytes" >&2; return 1; }
		[ "$(wc -l <cut.err)" -eq 1 ] || { echo "at $bytes bytes:" >&2; cat cut.err >&2; return 1; }
	done
}
ok "a checkpoint cut short is refused" cuts
ok "a state cut short is refused, not resumed" eval 'head -c 9000 whole.st >z.st.part &&
	! ic-train $A -o z.st $small --steps 1 2>err && grep -q z.st.part err'
done_testing
