#!/bin/bash
# embed.sh: networks for features beside PyTorch's at batches of 16, alternately in one run, as TSV; the least of REPEATS
# rounds of RUNS batches each.  PEER is a python with torch and torchvision (else ours stand alone), of whose ways to run a
# network (WAYS, see peer/embed.py) the best counts.  ratio: images a second over the peer's, by the clock on the wall and by
# that of the processor, which counts no other work on the machine.  of_sgemm: multiply-adds as the network is written, a
# second, over what sgemm reaches.  The last table is ic-embed as a whole, from packed pictures to rows.
cd "$(dirname "$0")/../.." || exit
PEER=${PEER:-python3}
REPEATS=${REPEATS:-3}
RUNS=${RUNS:-3}
THREADS=${THREADS:-1 2}
NETS=${NETS:-resnet50 inception-torchvision efficientnet-lite0 clip-rn50 clip-vitb32 dinov2-vits14}
bin=${BIN:-build/bin}
ours=$bin/../bench/embed

"$PEER" -c 'import torchvision' 2>/dev/null || { echo "# no torchvision for $PEER: nothing to compare with"; PEER=; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# least COLUMN FILE: that number and the way that reached it
least()
{
	sort -t "$(printf '\t')" -k "$1,$1g" "$2" | head -n 1 | cut -f "2,$1" --output-delimiter ' '
}

printf '#net\tthreads\timages/s\tpeer\tratio\tway\timages/cpu_s\tpeer\tratio\tway\tof_sgemm\n'
for net in $NETS; do
	for threads in $THREADS; do
		rm -f "$tmp"/*
		for _ in $(seq "$REPEATS"); do
			"$ours" "$net" 16 "$threads" "$RUNS" >>"$tmp/ours" || exit
			[ -z "$PEER" ] || "$PEER" tests/bench/peer/embed.py "$net" 16 "$threads" "$RUNS" >>"$tmp/peer" 2>/dev/null || exit
		done
		[ -n "$PEER" ] || printf '%s\t-\tnan\tnan\n' "$net" >"$tmp/peer"
		echo "$net $threads $(for c in 3 4; do least $c "$tmp/ours"; least $c "$tmp/peer"; done | tr '\n' ' ')" \
			"$(cut -f 7 "$tmp/ours" | sort -gr | head -n 1)" |
			awk -v OFS='\t' '{ print $1, $2, f(16 / $4), f(16 / $6), q($6 / $4), $5, f(16 / $8), f(16 / $10), q($10 / $8), $9, $11 }
				function f(x) { return sprintf("%.1f", x) } function q(x) { return sprintf("%.2f", x) }'
	done
done

# From packed pictures to rows: 240 of 64 pixels, with the weights that come along.
for _ in $(seq 40); do cat tests/golden/embed/64.ppm; done | "$bin/ic-pack" -q --size 64 -o "$tmp/i.mdb" - >/dev/null || exit
TIMEFORMAT='%R %U %S'
printf '#pictures\tthreads\timages/s\timages/cpu_s\twaiting\n'
for threads in $THREADS; do
	for _ in $(seq "$REPEATS"); do
		{ time "$bin/ic-embed" -v -t "$threads" "$tmp/i.mdb" -f -o "$tmp/f.mdb" 2>"$tmp/said"; } 2>"$tmp/time" || exit
		echo "$(cat "$tmp/time") $(awk '/waiting/ { print $2 }' "$tmp/said")"
	done | sort -g | head -n 1 | awk -v OFS='\t' -v threads="$threads" '{
		print 240, threads, sprintf("%.1f", 240 / $1), sprintf("%.1f", 240 / ($2 + $3)), $4 }'
done
