# signals: SIGTERM (or SIGUSR1) ends every program with status 75, soon, with nothing half-written under
# the name of the output.
. tests/tap.sh
. tests/pictures.sh
cd "$TMP" || exit 1

ok "fixture" model 1

# waiting OUTPUT COMMAND...: the command waits for standard input that never comes, or after $fed does not end, gets
# SIGTERM, and ends.
waiting()
{
	local out=$1 pid status
	shift
	mkfifo fifo
	{ cat ${fed:-/dev/null}; exec sleep 100; } >fifo & local feeder=$!
	"$@" <fifo >stdout 2>stderr & pid=$!
	sleep 0.4
	kill -TERM $pid
	for i in $(seq 100); do kill -0 $pid 2>/dev/null || break; sleep 0.05; done
	kill -KILL $pid 2>/dev/null && echo "had to be killed" >>stderr
	wait $pid
	status=$?
	kill $feeder
	wait $feeder 2>/dev/null
	rm fifo
	[ $status -eq 75 ] && grep -q ": stopped by SIGTERM" stderr ||
		{ echo "status $status" >&2; cat stderr >&2; return 1; }
	[ ! -e "$out" ] || { echo "$out exists" >&2; return 1; }
}
ok "ic-pack waiting for pictures" waiting o.mdb ic-pack - -o o.mdb
ok "ic-embed waiting for pictures" waiting o.mdb ic-embed - -o o.mdb
ok "ic-knn waiting for features" waiting o.mdb ic-knn -k 3 - -o o.mdb
ok "ic-kmeans waiting for features" waiting o.mdb ic-kmeans -k 3 - -o o.mdb
ok "ic-fid waiting for features" waiting o.tsv ic-fid f.mdb -
ok "ic-sample waiting for instances" waiting o.pam ic-sample m.st - -n 3
ok "ic-lpips waiting for samples" waiting o.tsv ic-lpips -w alexnet.pth -
ok "ic-grid waiting for pictures" waiting o.png ic-grid - -o o.png
ok "ic-store waiting for text" waiting o.mdb ic-store load -o o.mdb
ic-store cat f.mdb >f.rows
ic-store dump f.mdb >f.txt
fed=f.rows ok "ic-knn waiting for the end of its features" waiting o.mdb ic-knn -k 3 - -o o.mdb
fed=f.txt ok "ic-store waiting for the end of its text" waiting o.mdb ic-store load -o o.mdb

# unread SECONDS COMMAND...: after so long the signal comes while the command waits for somebody to read what it writes to a fifo.
unread()
{
	local seconds=$1 pid status
	shift
	mkfifo fifo
	sleep 100 <fifo & local reader=$!
	"$@" & pid=$!
	sleep "$seconds"
	kill -TERM $pid
	wait $pid
	status=$?
	kill $reader
	wait $reader 2>/dev/null
	rm fifo
	[ $status -eq 75 ] || { echo "status $status" >&2; ls >&2; cat stderr >&2; return 1; }
}

to_fifo() { exec "$@" >fifo 2>stderr; }
stuck() { unread 0.4 to_fifo "$@" && grep -qx ".*: stopped by SIGTERM" stderr; }
ok "ic-sample with nobody reading" stuck ic-sample m.st f.mdb -n 10000000
{ printf 'P6\n200 200\n255\n'; head -c 120000 /dev/urandom; } >noise.ppm
ok "ic-grid with nobody reading" stuck ic-grid noise.ppm
ok "ic-store ls with nobody reading" stuck ic-store ls $(for i in $(seq 2000); do echo f.mdb; done)
# so many that a pipe of 64 KiB has room for all but the last part, which is written at the end
line=$(ic-store ls f.mdb | tail -n 1 | wc -c)
ok "ic-store ls with nobody reading its end" stuck ic-store ls $(for i in $(seq $((67000 / line))); do echo f.mdb; done)

# The signal comes when all rows of one of three outputs are written: none has its name.  A block of assignments has 131072.
assigning() { exec ic-kmeans -k 10 tall.mdb -o o.mdb --centres o.centres --assign fifo >stdout 2>stderr; }
stuck_assigning() { unread 2 assigning && [ ! -e o.centres ] && [ ! -e o.mdb ] && [ ! -e o.mdb.part ]; }

# busy SIGNAL OUTPUT COMMAND...: the signal comes when the command has shown that it computes.
busy()
{
	local signal=$1 out=$2 pid
	shift 2
	rm -f stderr
	IC_PROGRESS=1 "$@" >/dev/null 2>stderr & pid=$!
	while [ ! -s stderr ] && kill -0 $pid; do sleep 0.01; done
	kill -$signal $pid || return
	wait $pid
	local status=$?
	[ $status -eq 75 ] || { echo "status $status" >&2; cat stderr >&2; return 1; }
	[ ! -e "$out" ] || { echo "$out exists" >&2; return 1; }
}
awk 'BEGIN { srand(1); printf "#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t48\n#key\tvalues\n"
	for (i = 0; i < 20000; i++) { printf "%d", i; for (j = 0; j < 48; j++) printf "\t%.4f", rand() - .5; print "" } print "#end" }' |
	ic-store load -o wide.mdb
ok "ic-store cat with nobody reading" stuck ic-store cat wide.mdb
ok "ic-store dump with nobody reading" stuck ic-store dump wide.mdb
ok "ic-kmeans clustering" busy TERM o.mdb ic-kmeans -k 1000 --restarts 100 wide.mdb -o o.mdb
rm -f o.mdb.part-rounds
awk 'BEGIN { printf "#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t2\n#key\tvalues\n"
	for (i = 0; i < 140000; i++) printf "%d\t%d\t%d\n", i, i % 97 + 1, i % 89; print "#end" }' | ic-store load -o tall.mdb
ok "ic-kmeans with nobody reading its assignments" stuck_assigning
ok "the same command goes on" ic-kmeans -k 10 tall.mdb -o o.mdb --centres o.centres --assign o.assign
rm o.mdb
ok "ic-sample sampling" busy USR1 o.pam ic-sample m.st f.mdb -n 10000000
for s in TERM USR1; do
	ok "ic-train training, SIG$s" busy $s o.st ic-train a.mdb f.mdb n.mdb -o o.st --ch 2 -b 4 --steps 100000
done
# The signal comes while a score is measured: after the line of the same step.
run="ic-train a.mdb f.mdb n.mdb --ch 2 -b 4 --steps 10 --every 40 --score f.mdb --score-samples 60 -t 1"
ok "a run with scores" $run -o whole.st --log whole.jsonl --pictures whole.pam --tb whole.tb
measuring()
{
	$run -o cut.st --log cut.jsonl --pictures cut.pam --tb cut.tb 2>stderr & local pid=$!
	until grep -q '"step":10' cut.jsonl 2>/dev/null; do kill -0 $pid || return; sleep 0.02; done
	kill -TERM $pid
	wait $pid
	[ $? -eq 75 ] && grep -q '"look":"due"' cut.st.part && [ ! -e cut.st ]
}
ok "ic-train measuring a score" measuring
ok "goes on with what it was measuring" $run -o cut.st --log cut.jsonl --pictures cut.pam --tb cut.tb
for f in st jsonl pam tb/events.out.tfevents.ic-train; do
	check_same "to the same bytes of $f" "cat cut.$f" "cat whole.$f"
done
ok "no part is left but those that a rerun takes up" eval 'ls *.part; ! ls *.part | grep -v -e "^o.st.part$" -e "^o.mdb.part$"'
done_testing
