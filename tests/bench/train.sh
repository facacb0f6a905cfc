#!/bin/bash
# train.sh: training steps beside PyTorch's, alternately in one run, as TSV; the least of REPEATS each.  PEER is a python with torch
# (else ours stand alone).  ratio: images a second over the peer's.  By the clock on the wall, and by that of the processor, which
# counts no other work on the machine; memory: peak over the peer's.
cd "$(dirname "$0")/../.." || exit
PEER=${PEER:-python3}
REPEATS=${REPEATS:-3}
STEPS=${STEPS:-2}
THREADS=${THREADS:-1 2}
ours=${BIN:-build/bin}/../bench/train

"$PEER" -c 'import torch' 2>/dev/null || { echo "# no torch for $PEER: nothing to compare with"; PEER=; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# least COLUMN FILE
least()
{
	cut -f "$1" "$2" | sort -g | head -n 1
}

printf '#backbone\tside\tch\tbatch\tthreads\timages/s\tpeer\tratio\timages/cpu_s\tpeer\tratio\tMiB\tpeer\tratio\tof_sgemm\n'
for job in "biggan 32 16 64" "biggan 32 32 64" "biggan 64 32 32" "stylegan2 32 8 16" "stylegan2 64 32 16"; do
	export BACKBONE=${job%% *}
	job=${job#* }
	case $BACKBONE in biggan) theirs=train.py ;; *) theirs=train_$BACKBONE.py ;; esac
	for threads in $THREADS; do
		rm -f "$tmp"/*
		for _ in $(seq "$REPEATS"); do
			"$ours" $job "$threads" "$STEPS" >>"$tmp/ours" || exit
			[ -z "$PEER" ] || "$PEER" tests/bench/peer/$theirs $job "$threads" "$STEPS" >>"$tmp/peer" 2>/dev/null || exit
			[ -z "$PEER" ] || CHANNELS_LAST=1 "$PEER" tests/bench/peer/$theirs $job "$threads" "$STEPS" >>"$tmp/peer" 2>/dev/null || exit
		done
		[ -n "$PEER" ] || echo "- - - - nan nan nan" | tr ' ' '\t' >"$tmp/peer"
		echo "$BACKBONE $job $threads $(for f in ours peer; do for c in 5 6 7; do least $c "$tmp/$f"; done; done | tr '\n' ' ')" \
			"$(cut -f 9 "$tmp/ours" | sort -gr | head -n 1)" |
			awk -v OFS='\t' '{ print $1, $2, $3, $4, $5, f($4 / $6), f($4 / $9), q($9 / $6), f($4 / $7), f($4 / $10), q($10 / $7),
				$8, $11, q($8 / $11), $12 }
				function f(x) { return sprintf("%.1f", x) } function q(x) { return sprintf("%.2f", x) }'
	done
done
