#!/bin/bash
# memory.sh: peak resident memory of training steps beside PyTorch's, as TSV, MiB.  plan: what ic-train --dry-run says, without
# the program itself; recomputed: with --recompute; imported: PyTorch before its first tensor.  PEER is a python with torch (else
# ours stand alone).  Peaks do not depend on what else the machine does.
cd "$(dirname "$0")/../.." || exit
PEER=${PEER:-python3}
export PATH="$(cd "${BIN:-build/bin}" && pwd):$PATH"

"$PEER" -c 'import torch' 2>/dev/null || { echo "# no torch for $PEER: nothing to compare with"; PEER=; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# stores SIDE: pictures, features as wide as a ResNet-50's, neighbours.
stores()
{
	awk -v side="$1" -v dir="$tmp" 'BEGIN {
		for (i = 1; i <= 64; i++) {
			file = dir "/" side "-" i ".pgm"
			printf "P5\n%d %d\n255\n", side, side >file
			for (p = 0; p < side * side; p++) printf "%c", 33 + (p * i + int(p / side)) % 90 >file
			close(file)
			print file
		}
	}' | ic-pack -q --size "$1" - -o "$tmp/i.mdb" -f && ic-embed -q "$tmp/i.mdb" -o - | ic-store dump - |
		awk -F '\t' -v OFS='\t' '/^#width/ { $2 = 2048 } !/^#/ { for (k = 1282; k <= 2049; k++) $k = 0; NF = 2049 } 1' |
		ic-store load -q -o "$tmp/f.mdb" -f && ic-knn -q -k 5 "$tmp/f.mdb" -o "$tmp/n.mdb" -f
} >/dev/null

# ours OPTIONS...: the peak of two steps
ours()
{
	ic-train "$tmp/i.mdb" "$tmp/f.mdb" "$tmp/n.mdb" -o "$tmp/run" -f -t 2 -v --steps 2 "$@" 2>&1 |
		sed -n 's/.* \([0-9]*\) MiB at most.*/\1/p'
}

planned()
{
	ic-train "$tmp/i.mdb" "$tmp/f.mdb" "$tmp/n.mdb" -t 2 --dry-run --json "$@" 2>/dev/null |
		sed 's/.*"total_bytes":\([0-9]*\).*/\1/' | awk '{ printf "%.0f", $1 / 1048576 }'
}

imported=$([ -z "$PEER" ] || "$PEER" -c 'import resource, torch; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)')
printf '#side\tch\tbatch\tplan\tours\trecomputed\tpeer\tratio\timported\tratio_beyond_it\n'
for job in "32 16 64" "32 32 64" "64 32 32"; do
	set -- $job
	stores "$1" || exit
	peer=$([ -z "$PEER" ] || "$PEER" tests/bench/peer/train.py $job 2 1 2>/dev/null | cut -f 7)
	echo "$job $(planned --ch "$2" -b "$3") $(ours --ch "$2" -b "$3") $(ours --ch "$2" -b "$3" --recompute) ${peer:-nan} ${imported:-nan}" |
		awk -v OFS='\t' '{ print $1, $2, $3, $4, $5, $6, f($7), q($5 / $7), f($8), q($5 / ($7 - $8)) }
			function f(x) { return sprintf("%.0f", x) } function q(x) { return sprintf("%.2f", x) }'
done
